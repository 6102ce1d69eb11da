"""Computes where a partition starts to be served, from its committed offset and the ends of its topics."""

from dataclasses import dataclass
from enum import Enum, auto

import structlog

from stream.detect.frames.clock import NEVER
from stream.events.data_events import ReadingsLost
from stream.kafka.state.snapshot_schedule import ReplayStart
from stream.kafka.state.state_topic import FORMAT, CommitMetadata

log = structlog.get_logger()

NO_LIMIT = 1 << 62


class Phase(Enum):
    """Next step of a partition on its way to being served."""

    ASK = auto()  # for its committed offset
    READ = auto()  # its snapshots
    SERVE = auto()  # replays readings below `live_from`, then processes live ones


@dataclass(frozen=True, slots=True)
class PartitionOffsets:
    """Offsets of a partition, as the broker reports them.

    Attributes:
        committed: C; None where the group has committed nothing.
        metadata: of that commit; None where narrows did not write it.
        low, high: offset of the oldest record of the input topic, and of its end.
        topic_id: of the input topic; "" where the broker does not report it.
        state_end: end of the partition of the state topic.
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
    """Start of a partition: it replays from R up to C without publishing, and is live from C.

    Attributes:
        replay_from, committed: R and C.
        state_start, state_end: the snapshots to restore stand at these offsets of the state topic, the end excluded.
        stream_time, watch_time: before offset R, ns.
        bundle: stamp of the definition that scored up to C; None where the commit does not name one.
        lost: number of messages that retention deleted before they were scored.
        gap_before: readings may be missing after snapshots of offsets below `gap_before` - 1; 0: none are.
        log_truncated: such readings went missing since the last commit.
        reports: those about the process that were open at the last commit.
        beats: start of the last period with a heartbeat, by stream time and by wall clock, ns.
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
    reports: tuple[str, ...] = ()
    watch_time: int = NEVER
    beats: tuple[int, int] = (NEVER, NEVER)

    def metadata(
        self,
        start: ReplayStart,
        state_end: int,
        instance: str,
        bundle: str,
        reports: tuple[str, ...] = (),
        beats: tuple[int, int] = (NEVER, NEVER),
    ) -> CommitMetadata:
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
            reports=reports,
            watch_time=start.watch_time,
            beats=beats,
        )

    def status_events(self) -> list[ReadingsLost]:
        """Status event about messages that were lost, if there are any."""
        if not self.lost:
            return []
        return [ReadingsLost.of(self.lost, self.committed)]


def resume_point_of(offsets: PartitionOffsets) -> ResumePoint:
    """Chooses where to start. Everything unusual is logged, with its effect."""
    if offsets.committed is None:
        log.info("partition.new", partition=offsets.partition, start=offsets.low)
        if offsets.state_end:
            log.warning(
                "partition.offsets_gone", partition=offsets.partition, start=offsets.low,
                effect="the state topic has snapshots of this partition, the group has no offset "
                "(offsets.retention.minutes?): starting at the oldest reading, alerts are repeated with the same ids",
            )  # fmt: skip
        return _from_beginning(offsets)
    metadata = offsets.metadata
    if metadata is None:
        return _without_metadata(offsets, offsets.committed)
    if metadata.topic_id and offsets.topic_id and metadata.topic_id != offsets.topic_id:
        log.error(
            "partition.of_another_topic", partition=offsets.partition, committed=offsets.committed,
            effect="the input topic was deleted and made again: starting at its beginning, all series warm up",
        )  # fmt: skip
        return _from_beginning(offsets)
    committed, lost = _within(offsets, offsets.committed)
    log_truncated = metadata.replay_from < offsets.low
    if log_truncated:
        log.warning(
            "replay.cut", partition=offsets.partition, needed=metadata.replay_from, oldest=offsets.low,
            effect="retention has deleted readings that the replay needs: series that may miss some warm up",
        )  # fmt: skip
    replay_from = min(max(metadata.replay_from, offsets.low), committed)
    return ResumePoint(
        replay_from=replay_from,
        committed=committed,
        state_start=metadata.state_start,
        state_end=metadata.state_end,
        topic_id=offsets.topic_id or metadata.topic_id,
        stream_time=metadata.stream_time,
        bundle=metadata.bundle,
        lost=lost,
        gap_before=replay_from if log_truncated else metadata.gap_before,
        log_truncated=log_truncated,
        reports=metadata.reports,
        watch_time=metadata.watch_time,
        beats=metadata.beats,
    )


def _without_metadata(offsets: PartitionOffsets, committed: int) -> ResumePoint:
    """Starts at an offset that a tool has set, with every snapshot that is not newer."""
    log.warning(
        "partition.no_metadata", partition=offsets.partition, committed=committed,
        effect="the offset was set by a tool; going on from there with clocks and incidents of the snapshots that "
        "are not newer; series warm up",
    )  # fmt: skip
    start, lost = _within(offsets, committed)
    return ResumePoint(start, start, 0, NO_LIMIT, offsets.topic_id, lost=lost, gap_before=start, log_truncated=True)


def _from_beginning(offsets: PartitionOffsets) -> ResumePoint:
    """Starts at the oldest record, without the snapshots that an earlier group or topic has left."""
    return ResumePoint(offsets.low, offsets.low, offsets.state_end, offsets.state_end, offsets.topic_id)


def _within(offsets: PartitionOffsets, committed: int) -> tuple[int, int]:
    """The offset of the topic that is nearest to the committed one, and the number of messages lost between them."""
    if committed > offsets.high:
        log.error(
            "partition.truncated", partition=offsets.partition, committed=committed, end=offsets.high,
            effect="the topic ends before the committed offset (an unclean leader election?); going on at its end",
        )  # fmt: skip
        return offsets.high, 0
    if committed < offsets.low:
        log.error(
            "readings.lost", partition=offsets.partition, committed=committed, oldest=offsets.low,
            lost=offsets.low - committed, effect="retention has deleted readings that were never scored",
        )  # fmt: skip
        return offsets.low, offsets.low - committed
    return committed, 0
