"""Where a partition begins to be served, from what the group, the topic and the last commit say."""

from dataclasses import dataclass

import structlog

from stream.detect.frames.clock import NEVER
from stream.events.data_events import ReadingsLost
from stream.kafka.state.snapshot_schedule import ReplayStart
from stream.kafka.state.state_topic import FORMAT, CommitMetadata

log = structlog.get_logger()

NO_LIMIT = 1 << 62


@dataclass(frozen=True, slots=True)
class PartitionOffsets:
    """What the broker says of a partition.

    Attributes:
        committed: C; None where the group has committed nothing.
        metadata: of that commit; None where it is not ours.
        low, high: offsets of the oldest record and of the end.
        topic_id: of the input topic; "" where the broker does not say. state_end: end of the state topic's partition.
    """

    partition: int
    committed: int | None
    metadata: CommitMetadata | None
    low: int
    high: int
    topic_id: str
    state_end: int


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Replay from R up to C without telling, live from C; snapshots at offsets state_start to state_end - 1.

    Attributes:
        bundle: version of the bundle that scored up to C; None where nobody says.
        stream_time: before offset R.
        lost: readings that were deleted before they were scored.
        gap_before: readings may be missing after snapshots of offsets below `gap_before` - 1; 0: none are.
        log_truncated: those readings have gone since the last commit.
    """

    replay_from: int
    committed: int
    state_start: int
    state_end: int
    topic_id: str
    stream_time: int = NEVER
    bundle: str | None = None
    lost: int = 0
    gap_before: int = 0
    log_truncated: bool = False

    def metadata(self, start: ReplayStart, state_end: int, instance: str, bundle: str) -> CommitMetadata:
        """Metadata of a later commit of the partition, from which a replay begins at `start`."""
        return CommitMetadata(
            format=FORMAT,
            replay_from=start.offset,
            state_start=self.state_start,
            state_end=state_end,
            stream_time=start.stream_time,
            topic_id=self.topic_id,
            instance=instance,
            bundle=bundle,
            gap_before=self.gap_before,
        )

    def notices(self) -> list[ReadingsLost]:
        """What subscribers must know of it."""
        if not self.lost:
            return []
        return [ReadingsLost.of(self.lost, self.committed)]


def resume_point_of(found: PartitionOffsets) -> ResumePoint:
    """Where to begin. What is out of the ordinary is logged."""
    if found.committed is None:
        log.info("partition.new", partition=found.partition, start=found.low)
        if found.state_end:
            log.warning(
                "partition.offsets_gone", partition=found.partition, start=found.low,
                effect="the state topic knows this partition, the group does not (offsets.retention.minutes?): "
                "starting at the oldest reading, alerts come again with the same ids",
            )  # fmt: skip
        return _anew(found)
    known = found.metadata
    if known is None:
        log.warning(
            "partition.no_metadata", partition=found.partition, committed=found.committed,
            effect="the offset was set by a tool; going on from there with clocks and incidents of the snapshots that "
            "are not newer, series warm up",
        )  # fmt: skip
    elif known.topic_id and found.topic_id and known.topic_id != found.topic_id:
        log.error(
            "partition.of_another_topic", partition=found.partition, committed=found.committed,
            effect="the input topic was made anew: starting at its beginning, all series warm up",
        )  # fmt: skip
        return _anew(found)
    committed, lost = _within(found, found.committed)
    replay_from = committed if known is None else min(max(known.replay_from, found.low), committed)
    if known is not None and known.replay_from < found.low:
        log.warning(
            "replay.cut", partition=found.partition, needed=known.replay_from, oldest=found.low,
            effect="retention has deleted readings that recovery needs: series that they may be missing from warm up",
        )  # fmt: skip
    cut = known is None or known.replay_from < found.low
    return ResumePoint(
        replay_from=replay_from,
        committed=committed,
        state_start=0 if known is None else known.state_start,
        state_end=NO_LIMIT if known is None else known.state_end,
        topic_id=found.topic_id or ("" if known is None else known.topic_id),
        stream_time=NEVER if known is None else known.stream_time,
        bundle=None if known is None else known.bundle,
        lost=lost,
        gap_before=replay_from if known is None or cut else known.gap_before,
        log_truncated=cut,
    )


def _anew(found: PartitionOffsets) -> ResumePoint:
    """From the oldest record, without any snapshot that stands in the state topic from an earlier life."""
    return ResumePoint(found.low, found.low, found.state_end, found.state_end, found.topic_id)


def _within(found: PartitionOffsets, committed: int) -> tuple[int, int]:
    """The committed offset, or the nearest that the topic has, and how many unread messages are gone."""
    if committed > found.high:
        log.error(
            "partition.truncated", partition=found.partition, committed=committed, end=found.high,
            effect="the topic is shorter than what was read of it (an unclean leader election?); going on at its end",
        )  # fmt: skip
        return found.high, 0
    if committed < found.low:
        log.error(
            "readings.lost", partition=found.partition, committed=committed, oldest=found.low,
            lost=found.low - committed, effect="retention has deleted readings that were never scored",
        )  # fmt: skip
        return found.low, found.low - committed
    return committed, 0
