"""Restore: from the group's committed offset back to the very state that was committed with it.

1. Ask for C and the metadata {R, L}. 2. Read the snapshots below L. 3. Take them over. 4. Fetch from R; the partition
replays what is below C without telling, per series after its snapshot. 5. Live. One small step per turn of the loop,
so that the partitions that are live are served meanwhile. A crash anywhere leaves the committed state as it was.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from stream.detect.definition import Definition
from stream.errors import BrokerError, NarrowsError
from stream.intake.decode import Decoder
from stream.kafka import failpoints
from stream.kafka.assignment import Assignment
from stream.kafka.client import KafkaOptions
from stream.kafka.partition import Partition, Phase
from stream.kafka.state.resume_point import NO_LIMIT, PartitionOffsets, ResumePoint, resume_point_of
from stream.kafka.state.state_topic import Snapshot, decode_metadata, decode_snapshot

log = structlog.get_logger()

# Longer than any answer of a healthy broker, shorter than anybody notices: a pending transaction makes it time out.
ASK_SECONDS = 0.2
READ_SECONDS = 0.02
READ_RECORDS = 2000
# Series taken over in one step: some 20 ms.
RESTORE_SERIES = 500
# Between two looks at a bundle that cannot be read: each reads all there is of it.
BUNDLE_SECONDS = 5.0
# Between two questions for the end of the state topic.
END_SECONDS = 1.0
# An end below L is waited for: markers on their way, a dead producer's transaction. It is neither where the broker
# says so as often as this without anything else between. Answers, not seconds: we may be frozen, the broker away.
SHORT_ANSWERS = 90
FORBIDDEN = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED)


@dataclass
class _Reading:
    """A state partition that is being read: newest snapshot of each series below L; then being taken over."""

    partition: Partition
    place: ResumePoint
    begun: float
    newest: dict[bytes, bytes | None] = field(default_factory=dict)
    end: int = 0
    # When the broker was last asked for the end, and how often in a row it has named one below L.
    asked: float = 0.0
    short: int = 0
    snapshots: list[Snapshot] | None = None
    series: int = 0
    misfits: int = 0


class Recovery:
    """Brings partitions from assigned to live.

    Args:
        reader: makes the client that reads the state topic.
        topic_id: the id of the input topic, which is another once it was made anew.
        bundle: definition and decoder of a version; of the one that is served, where that is gone for good. Raises
            NarrowsError or OSError where nobody can say just now.
    """

    def __init__(
        self,
        options: KafkaOptions,
        consumer: Consumer,
        reader: Callable[[], Consumer],
        topic_id: Callable[[], str],
        assignment: Assignment,
        bundle: Callable[[str], tuple[Definition, Decoder]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options
        self._consumer = consumer
        self._make_reader = reader
        self._ask_topic_id = topic_id
        self._topic_id: str | None = None
        self._reader: Consumer | None = None
        self._assignment = assignment
        self._bundle = bundle
        self._reading: _Reading | None = None
        self._turn = 0
        self._clock = clock
        # What each partition that is not served yet waits for.
        self.waits: dict[int, str] = {}
        # Partitions that are not to be asked for before a time.
        self._not_before: dict[int, float] = {}

    def step(self) -> bool:
        """One small step of one partition; False where there is nothing to recover."""
        reading = self._reading
        if reading is not None:
            if self._assignment.partitions.get(reading.partition.number) is reading.partition:
                self._read(reading) if reading.snapshots is None else self._take_over(reading, reading.snapshots)
                return True
            self._reading = None
        asking = [p for p in self._assignment.partitions.values() if p.phase is Phase.ASK]
        now = self._clock()
        waiting = [p for p in asking if self._not_before.get(p.number, now) <= now]
        if waiting:
            # One question a turn, in turn: one that is not answered must not hold up the partitions that are live.
            self._turn += 1
            self._ask(waiting[self._turn % len(waiting)])
        return bool(waiting)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def state_reader(self) -> Consumer:
        """The client that reads the state topic, which also answers questions about topics: the main consumer's
        connection is busy with fetching."""
        if self._reader is None:
            self._reader = self._make_reader()
        return self._reader

    def is_answered(self) -> bool:
        """Whether the broker answers a question."""
        try:
            topic = self._options.input
            return topic in self.state_reader().list_topics(topic, timeout=ASK_SECONDS).topics
        except KafkaException:
            return False

    def is_drained(self, partition: Partition) -> bool:
        """Whether the topic holds nothing of the partition beyond the end that was seen. False where nobody answers."""
        try:
            tp = TopicPartition(self._options.input, partition.number)
            _, high = self.state_reader().get_watermark_offsets(tp, timeout=ASK_SECONDS)
        except KafkaException:
            return False
        return bool(high <= partition.end)

    def _ask(self, partition: Partition) -> None:
        """Step 1. Asked again later where the broker does not say yet: a dead producer's transaction, or it is away."""
        try:
            found = self._found(partition.number)
        except KafkaException as fault:
            if fault.args[0].code() in FORBIDDEN:
                raise BrokerError(f"{fault.args[0].str()}; grant Read on topic and group") from fault
            self.waits[partition.number] = f"its committed offset: {fault.args[0].str()}"
            return
        if found is None:
            return
        failpoints.at("asked")
        self._plan(partition, resume_point_of(found))

    def _found(self, number: int) -> PartitionOffsets | None:
        """What the broker says of the partition; None where it cannot be served yet."""
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
        new = answer.offset == OFFSET_INVALID
        metadata = None if new else decode_metadata(answer.metadata)
        return PartitionOffsets(number, None if new else answer.offset, metadata, low, high, self._topic_id, state_end)

    def _plan(self, partition: Partition, place: ResumePoint) -> None:
        """The bundle that scored up to C replays up to C; which one scores from there on is the service's to say."""
        if place.bundle is not None and not self._use(partition, place.bundle):
            return
        if place.state_start >= place.state_end:
            self._serve(partition, place)
            return
        partition.phase = Phase.READ
        self._reading = _Reading(partition, place, self._clock(), asked=self._clock())
        self.state_reader().assign([TopicPartition(self._options.state, partition.number, OFFSET_BEGINNING)])

    def _use(self, partition: Partition, version: str) -> bool:
        """Gives the partition this bundle, or its heir. False where it waits: another would score meanwhile what this
        one goes on with later, and its replay tell what was not told."""
        if version == partition.definition.version:
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
        if definition.version != version:
            log.error(
                "bundle.gone", partition=partition.number, version=version, heir=definition.version,
                effect="going on from the committed offset with the bundle that is served, as at a swap",
            )  # fmt: skip
        partition.use(definition, decoder)
        return True

    def _read(self, reading: _Reading) -> None:
        """Step 2. Done at a record at or beyond L - 1, or at an end of partition at or beyond L.

        An end before L means that the commit's markers are on their way. Under an open transaction the end comes at
        the last stable offset and proves nothing, but what we need lies below L.
        """
        self.waits[reading.partition.number] = f"its snapshots, up to offset {reading.place.state_end}"
        done = False
        for message in self.state_reader().consume(READ_RECORDS, READ_SECONDS):
            if message.partition() == reading.partition.number:
                done = self._note(reading, message) or done
        if not done:
            self._check_end(reading)
            return
        failpoints.at("snapshots_read")
        self.state_reader().unassign()
        records = [record for record in reading.newest.values() if record is not None]
        found = [snapshot for snapshot in map(decode_snapshot, records) if snapshot is not None]
        reading.misfits = len(records) - len(found)
        reading.snapshots = [s for s in found if s.as_of < reading.place.committed]

    def _note(self, reading: _Reading, message: Message) -> bool:
        fault, offset, key = message.error(), message.offset(), message.key()
        if fault is not None and fault.code() != KafkaError._PARTITION_EOF:
            if fault.code() in FORBIDDEN:
                raise BrokerError(f"{fault.str()}; grant Read on {self._options.state!r}")
            log.warning("state.read_failed", partition=reading.partition.number, error=fault.str())
            return False
        assert offset is not None
        if fault is not None:
            reading.end = offset
            return reading.place.state_end == NO_LIMIT or offset >= reading.place.state_end
        within = reading.place.state_start <= offset < reading.place.state_end
        if within and key is not None and self._in_time(reading, message.value()):
            reading.newest[key] = message.value()
        return offset >= reading.place.state_end - 1

    def _check_end(self, reading: _Reading) -> None:
        """A state topic that stays too short is somebody's to mend: without it nothing here can be served."""
        if reading.place.state_end == NO_LIMIT or self._clock() - reading.asked < END_SECONDS:
            return
        reading.asked = self._clock()
        end = self._state_end(reading.partition.number)
        reading.short = reading.short + 1 if end is not None and end < reading.place.state_end else 0
        if reading.short >= SHORT_ANSWERS:
            raise BrokerError(
                f"state topic {self._options.state!r}, partition {reading.partition.number}: its readable end is "
                f"{end}, the last commit wrote up to {reading.place.state_end}. A transaction may hang "
                "(`narrows doctor`, kafka-transactions.sh find-hanging), or the topic was made anew: point "
                "`kafka.state` at the right one. Only if it is lost, reset the group's offsets: all series warm up then"
            )

    def _state_end(self, number: int) -> int | None:
        """Where `read_committed` ends just now; None where nobody answers."""
        try:
            tp = TopicPartition(self._options.state, number)
            _, end = self.state_reader().get_watermark_offsets(tp, timeout=ASK_SECONDS)
        except KafkaException:
            return None
        return int(end)

    def _in_time(self, reading: _Reading, record: bytes | None) -> bool:
        """Without metadata L does not say which snapshots belong to C: those that are newer hide no older one."""
        if reading.place.state_end != NO_LIMIT or record is None:
            return True
        snapshot = decode_snapshot(record)
        return snapshot is not None and snapshot.as_of < reading.place.committed

    def _take_over(self, reading: _Reading, snapshots: list[Snapshot]) -> None:
        """Step 3, a slice of it."""
        part, reading.snapshots = snapshots[:RESTORE_SERIES], snapshots[RESTORE_SERIES:]
        reading.series += len(part)
        taken = reading.partition.restore(part, reading.place)
        if reading.snapshots:
            return
        self._reading = None
        log.info(
            "partition.restored", partition=reading.partition.number, series=reading.series,
            unfit=reading.misfits + len(taken.unfit), warming=len(taken.short),
            replay=reading.place.committed - reading.place.replay_from, seconds=round(self._clock() - reading.begun, 3),
        )  # fmt: skip
        failpoints.at("restored")
        self._serve(reading.partition, reading.place, reading.end)

    def _serve(self, partition: Partition, place: ResumePoint, state_end: int = 0) -> None:
        """Step 4."""
        self.waits.pop(partition.number, None)
        partition.begin(place, state_end if place.state_end == NO_LIMIT else place.state_end)
        self._assignment.fetch(self._consumer, partition)
