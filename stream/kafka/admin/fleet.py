"""The fleet from outside: who has each partition, how far it is, and how far behind."""

import time
from collections.abc import Mapping

import msgspec

from stream.events.record import rfc3339
from stream.kafka.admin.cluster import Cluster, Group
from stream.kafka.admin.progress import PartitionProgress, known_progress
from stream.kafka.client import KafkaOptions
from stream.kafka.topic_reader import TopicReader, from_offsets

MS_NS = 1_000_000
# For the time of the first message that is not committed, of all partitions together.
OLDEST_SECONDS = 5.0


class PartitionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One partition of the input topic.

    Attributes:
        owner: member of the group that has it; null: nobody has, so nobody reads it.
        committed: offset up to which all is published; null: nothing was ever committed.
        end: offset after the last message. lag: messages between the two.
        lag_s: age of the first of them, by its own timestamp; 0 where there is none, null where it could not be read.
        committed_at: time of the last commit, RFC 3339; it comes only with new messages. instance, bundle: who made it,
            and what scored. All null where the offset was set by a tool.
    """

    partition: int
    owner: str | None
    committed: int | None
    end: int
    lag: int
    lag_s: float | None
    committed_at: str | None
    instance: str | None
    bundle: str | None


def partition_statuses(cluster: Cluster, options: KafkaOptions) -> list[PartitionStatus]:
    """Every partition of the input topic: those that nobody has first, then by lag.

    Raises:
        BrokerError: see `known_progress`.
    """
    _, progress = known_progress(cluster, options)
    owners = cluster.group.owners if isinstance(cluster.group, Group) else {}
    waiting = {p.partition: p.committed for p in progress if p.committed < p.high}
    oldest = _oldest(options, waiting)
    found = [_status(p, owners.get((options.input, p.partition)), oldest) for p in progress]
    return sorted(found, key=lambda one: (one.owner is not None, -(one.lag_s or 0.0), -one.lag, one.partition))


def _status(of: PartitionProgress, owner: str | None, oldest: Mapping[int, int]) -> PartitionStatus:
    metadata, lag = of.metadata, max(of.high - of.committed, 0)
    at = oldest.get(of.partition)
    lag_s = 0.0 if not lag else None if at is None else max(time.time() - at / 1000, 0.0)
    known_since = metadata is not None and metadata.committed_ms
    return PartitionStatus(
        partition=of.partition,
        owner=owner,
        committed=None if of.is_new else of.committed,
        end=of.high,
        lag=lag,
        lag_s=None if lag_s is None else round(lag_s, 3),
        committed_at=rfc3339(metadata.committed_ms * MS_NS) if metadata is not None and known_since else None,
        instance=None if metadata is None else metadata.instance,
        bundle=None if metadata is None else metadata.bundle,
    )


def _oldest(options: KafkaOptions, starts: Mapping[int, int]) -> dict[int, int]:
    """Timestamp in ms of the first committed message at or after the offset of each partition; some may be missing."""
    found: dict[int, int] = {}
    if not starts:
        return found
    deadline = time.monotonic() + OLDEST_SECONDS
    with TopicReader(options.common, options.input, from_offsets(starts)) as reader:
        while len(found) < len(starts) and not reader.is_at_end and time.monotonic() < deadline:
            for record in reader.take():
                found.setdefault(record.partition, record.timestamp_ms)
    return {partition: at for partition, at in found.items() if at >= 0}
