"""Finds the partition of a series, and its snapshot, as a restart would."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from stream.kafka.admin.progress import PartitionProgress
from stream.kafka.client import KafkaOptions
from stream.kafka.state.resume_point import PartitionOffsets, ResumePoint, resume_point_of
from stream.kafka.state.state_topic import Snapshot, decode_snapshot
from stream.kafka.topic_reader import TopicReader, from_offsets


class SeriesPlace(NamedTuple):
    """A partition that may have the series: where a restart begins, and the snapshot of the series, if there is one."""

    partition: int
    point: ResumePoint
    snapshot: Snapshot | None
    low: int
    high: int


def places_of(
    options: KafkaOptions, series: str, progress: Sequence[PartitionProgress], topic_id: str
) -> list[SeriesPlace]:
    """Every partition with a commit; those that keep the series come first, then those that refuse it.

    Raises:
        BrokerError: the state topic cannot be read.
    """
    committed = [one for one in progress if not one.is_new]
    points = {one.partition: _point(one, topic_id) for one in committed}
    snapshots = _snapshots(options, series, points)
    found = [
        SeriesPlace(p.partition, points[p.partition], snapshots.get(p.partition), p.low, p.high) for p in committed
    ]
    order = {"kept": 0, "refused": 1, "retired": 2}
    return sorted(found, key=lambda one: 3 if one.snapshot is None else order[one.snapshot.fate])


def _point(one: PartitionProgress, topic_id: str) -> ResumePoint:
    return resume_point_of(
        PartitionOffsets(one.partition, one.committed, one.metadata, one.low, one.high, topic_id, one.state_end or 0)
    )


def _snapshots(options: KafkaOptions, series: str, points: Mapping[int, ResumePoint]) -> dict[int, Snapshot]:
    """The newest snapshot of the series in each partition that is not newer than its commit."""
    starts = from_offsets({p: point.state_start for p, point in points.items() if point.state_start < point.state_end})
    found: dict[int, Snapshot] = {}
    with TopicReader(options.common, options.state, starts) as reader:
        for record in reader.to_end():
            point = points[record.partition]
            if record.key != series.encode() or record.offset >= point.state_end:
                continue
            snapshot = None if record.value is None else decode_snapshot(record.value)
            if snapshot is None:
                found.pop(record.partition, None)
            elif snapshot.as_of < point.committed:
                found[record.partition] = snapshot
    return found


def with_readings(options: KafkaOptions, series: str, places: Sequence[SeriesPlace], path: str) -> SeriesPlace | None:
    """The first partition with a reading that names the series and that no snapshot covers; None: there is none.

    Args:
        path: of the series in a message; "": the key is the series.

    Raises:
        BrokerError: the input topic cannot be read.
    """
    name, by_number = series.encode(), {place.partition: place for place in places}
    starts = from_offsets({place.partition: place.point.replay_from for place in places})
    with TopicReader(options.common, options.input, starts) as reader:
        for record in reader.to_end():
            named = b'"%s"' % name in (record.value or b"") if path else record.key == name
            if named and record.offset < by_number[record.partition].point.committed:
                return by_number[record.partition]
    return None
