"""Recovery: brings a partition from the group's committed offset back to the state that was committed with it.

1. Ask for C and its metadata {R, L}. 2. Read the snapshots below L. 3. Restore them. 4. Fetch from R: the partition
replays what is below C without publishing, each series from its snapshot on. 5. The partition is live.

One small step is done in each turn of the loop, so that live partitions are served meanwhile. A crash at any point
leaves the committed state as it was.
"""

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaException, TopicPartition

from stream.detect.definition import Definition
from stream.errors import BrokerError, NarrowsError
from stream.intake.decode import Decoder
from stream.kafka import failpoints
from stream.kafka.assignment import Assignment
from stream.kafka.client import ASK_SECONDS, FORBIDDEN, KafkaOptions
from stream.kafka.partition import Partition
from stream.kafka.state.resume_point import NO_LIMIT, PartitionOffsets, Phase, ResumePoint, resume_point_of
from stream.kafka.state.snapshot_reader import SnapshotReader
from stream.kafka.state.state_topic import Snapshot, decode_metadata

log = structlog.get_logger()

# Series restored in one step: some 20 ms.
RESTORE_SERIES = 500
# Between two attempts to load a bundle that cannot be read: each reads the whole bundle.
BUNDLE_SECONDS = 5.0


@dataclass
class _Restore:
    """The partition that is in steps 2 and 3."""

    partition: Partition
    point: ResumePoint
    reader: SnapshotReader
    begun_at: float
    # Snapshots still to restore; None while they are read.
    snapshots: list[Snapshot] | None = None
    # Series restored so far.
    series: int = 0


class Recovery:
    """Brings partitions from assigned to live.

    Args:
        reader: makes the client that reads the state topic.
        topic_id: asks for the id of the input topic, which changes when the topic is deleted and made again.
        bundle: definition and decoder of a version, or of the served one where that version is gone for good. Raises
            NarrowsError or OSError where neither can be read just now.
    """

    def __init__(
        self,
        options: KafkaOptions,
        consumer: Consumer,
        reader: Callable[[], Consumer],
        topic_id: Callable[[], str],
        assignment: Assignment,
        bundle: Callable[[str], tuple[Definition, Decoder]],
        clock: Callable[[], float],
    ) -> None:
        self._options = options
        self._consumer = consumer
        self._make_reader = reader
        self._ask_topic_id = topic_id
        self._topic_id: str | None = None
        self._reader: Consumer | None = None
        self._assignment = assignment
        self._bundle = bundle
        self._restore: _Restore | None = None
        self._turn = 0
        self._clock = clock
        # What each partition that is not served yet waits for, by number.
        self.waits: dict[int, str] = {}
        # Time before which a partition is not asked for again, by number.
        self._not_before: dict[int, float] = {}

    def step(self) -> bool:
        """Does one small step for one partition; False where there is nothing to recover."""
        restore = self._restore
        if restore is not None:
            if self._assignment.partitions.get(restore.partition.number) is restore.partition:
                self._read(restore) if restore.snapshots is None else self._restore_some(restore, restore.snapshots)
                return True
            self._restore = None
        asking = [p for p in self._assignment.partitions.values() if p.phase is Phase.ASK]
        now = self._clock()
        waiting = [p for p in asking if self._not_before.get(p.number, now) <= now]
        if waiting:
            # One question a turn, each partition in turn: one without an answer must not delay the live ones.
            self._turn += 1
            self._ask(waiting[self._turn % len(waiting)])
        return bool(waiting)

    def close(self) -> None:
        """Closes the client that reads the state topic."""
        if self._reader is not None:
            self._reader.close()

    def state_reader(self) -> Consumer:
        """The client that reads the state topic.

        It also answers questions about topics, because the connection of the main consumer is busy with fetching.
        """
        if self._reader is None:
            self._reader = self._make_reader()
        return self._reader

    def is_answered(self) -> bool:
        """Asks the broker about the input topic; True where it answers."""
        try:
            topic = self._options.input
            return topic in self.state_reader().list_topics(topic, timeout=ASK_SECONDS).topics
        except KafkaException:
            return False

    def is_drained(self, partition: Partition) -> bool:
        """True where the input topic has nothing beyond the last known end; False where the broker does not answer."""
        try:
            tp = TopicPartition(self._options.input, partition.number)
            _, high = self.state_reader().get_watermark_offsets(tp, timeout=ASK_SECONDS)
        except KafkaException:
            return False
        return bool(high <= partition.end)

    def _ask(self, partition: Partition) -> None:
        """Step 1; asked again later while a dead producer's transaction is open, or the broker is away."""
        try:
            offsets = self._ask_offsets(partition.number)
        except KafkaException as fault:
            if fault.args[0].code() in FORBIDDEN:
                raise BrokerError(f"{fault.args[0].str()}; grant Read on topic and group") from fault
            self.waits[partition.number] = f"its committed offset: {fault.args[0].str()}"
            return
        if offsets is None:
            return
        failpoints.at("asked")
        self._plan(partition, resume_point_of(offsets))

    def _ask_offsets(self, number: int) -> PartitionOffsets | None:
        """Offsets of the partition; None where it cannot be served yet."""
        reader, tp = self.state_reader(), TopicPartition(self._options.input, number)
        (answer,) = self._consumer.committed([tp], timeout=ASK_SECONDS)
        if answer.error is not None:
            self.waits[number] = f"its committed offset: {answer.error.str()}"
            return None
        state = TopicPartition(self._options.state, number)
        if number not in reader.list_topics(self._options.state, timeout=ASK_SECONDS).topics[state.topic].partitions:
            self.waits[number] = f"partition {number} of {state.topic}: `narrows topics --create` adds it"
            return None
        if self._topic_id is None:
            self._topic_id = self._ask_topic_id()
        low, high = reader.get_watermark_offsets(tp, timeout=ASK_SECONDS)
        if answer.offset > high:
            self._topic_id = self._ask_topic_id()
        _, state_end = reader.get_watermark_offsets(state, timeout=ASK_SECONDS)
        is_new = answer.offset == OFFSET_INVALID
        metadata = None if is_new else decode_metadata(answer.metadata)
        committed = None if is_new else answer.offset
        return PartitionOffsets(number, committed, metadata, low, high, self._topic_id, state_end)

    def _plan(self, partition: Partition, point: ResumePoint) -> None:
        """Starts step 2, or step 4 where there are no snapshots.

        The bundle that scored up to C replays up to C. The service chooses the bundle that scores from C on.
        """
        if point.bundle is not None and not self._use(partition, point.bundle):
            return
        if point.state_start >= point.state_end:
            self._serve(partition, point)
            return
        partition.phase = Phase.READ
        reader = SnapshotReader(self.state_reader(), self._options.state, partition.number, point, self._clock)
        self._restore = _Restore(partition, point, reader, self._clock())

    def _use(self, partition: Partition, version: str) -> bool:
        """Gives the partition the bundle of this version, or the served one where it is gone for good.

        False where neither can be read: the partition waits. With another bundle, the replay would publish events that
        this one did not publish.
        """
        if version == partition.definition.stamp:
            return True
        try:
            definition, decoder = self._bundle(version)
        except (NarrowsError, OSError) as fault:
            reason = f"its bundle {version}: {fault}"
            if self.waits.get(partition.number) != reason:
                log.error("bundle.unreadable", partition=partition.number, version=version, error=str(fault))
            self.waits[partition.number] = reason
            self._not_before[partition.number] = self._clock() + BUNDLE_SECONDS
            return False
        if definition.stamp != version:
            log.error(
                "bundle.gone", partition=partition.number, version=version, heir=definition.stamp,
                effect="going on from the committed offset with the bundle that is served, as at a swap",
            )  # fmt: skip
        partition.use(definition, decoder)
        return True

    def _read(self, restore: _Restore) -> None:
        """Step 2, a part of it."""
        self.waits[restore.partition.number] = f"its snapshots, up to offset {restore.point.state_end}"
        if restore.reader.read():
            restore.snapshots = restore.reader.snapshots()

    def _restore_some(self, restore: _Restore, snapshots: list[Snapshot]) -> None:
        """Step 3, a part of it."""
        part, restore.snapshots = snapshots[:RESTORE_SERIES], snapshots[RESTORE_SERIES:]
        restore.series += len(part)
        restored = restore.partition.restore(part, restore.point)
        if restore.snapshots:
            return
        self._restore = None
        log.info(
            "partition.restored", partition=restore.partition.number, series=restore.series,
            unfit=restore.reader.unreadable + len(restored.misfits), warming=len(restored.incomplete),
            replay=restore.point.committed - restore.point.replay_from,
            seconds=round(self._clock() - restore.begun_at, 3),
        )  # fmt: skip
        failpoints.at("restored")
        self._serve(restore.partition, restore.point, restore.reader.end)

    def _serve(self, partition: Partition, point: ResumePoint, state_end: int = 0) -> None:
        """Step 4; `state_end` is where the state topic ended, for a start without metadata."""
        self.waits.pop(partition.number, None)
        partition.begin(point, state_end if point.state_end == NO_LIMIT else point.state_end)
        self._assignment.fetch(self._consumer, partition)
