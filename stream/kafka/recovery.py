"""Restore: from the group's committed offset back to the very state that was committed with it.

1. Ask for C and the metadata {R, L}. 2. Read the snapshots below L. 3. Fetch from R; the partition replays what is
below C without telling, per series after its snapshot. 4. Live. One small step per turn of the loop, so that the
partitions that are live are served meanwhile. A crash anywhere leaves the committed state as it was.
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

from stream.detect.ticks import NEVER
from stream.errors import BrokerError
from stream.kafka import fault_points
from stream.kafka.assignment import Assignment
from stream.kafka.client import KafkaOptions
from stream.kafka.partition import Partition, Phase
from stream.kafka.state_topic import CommitMetadata, Snapshot, decode_metadata, decode_snapshot

log = structlog.get_logger()

# Longer than any answer of a healthy broker, shorter than anybody notices: a pending transaction makes it time out.
ASK_SECONDS = 0.2
READ_SECONDS = 0.02
READ_RECORDS = 2000
NO_LIMIT = 1 << 62
# An end below L is waited for: markers on their way, a dead producer's transaction. Longer than this it is neither.
SHORT_SECONDS = 90.0


@dataclass
class _Reading:
    """A state partition that is being read: newest snapshot of each series below `limit`."""

    partition: Partition
    replay_from: int
    committed: int
    limit: int
    stream_time: int
    begun: float
    newest: dict[bytes, bytes | None] = field(default_factory=dict)
    end: int = 0


class Recovery:
    """Brings partitions from assigned to live."""

    def __init__(
        self,
        options: KafkaOptions,
        consumer: Consumer,
        reader: Callable[[], Consumer],
        assignment: Assignment,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options
        self._consumer = consumer
        self._make_reader = reader
        self._reader: Consumer | None = None
        self._assignment = assignment
        self._reading: _Reading | None = None
        self._turn = 0
        self._clock = clock

    def step(self) -> bool:
        """One small step of one partition; False where there is nothing to recover."""
        reading = self._reading
        if reading is not None:
            if self._assignment.partitions.get(reading.partition.number) is reading.partition:
                self._read(reading)
                return True
            self._reading = None
        waiting = [p for p in self._assignment.partitions.values() if p.phase is Phase.ASK]
        if waiting:
            # One question a turn, in turn: one that is not answered must not hold up the partitions that are live.
            self._turn += 1
            self._ask(waiting[self._turn % len(waiting)])
        return bool(waiting)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def _state_reader(self) -> Consumer:
        if self._reader is None:
            self._reader = self._make_reader()
        return self._reader

    def _ask(self, partition: Partition) -> None:
        """Step 1. Asked again later where the broker does not say yet: a dead producer's transaction, or it is away."""
        tp = TopicPartition(self._options.input, partition.number)
        try:
            (answer,) = self._consumer.committed([tp], timeout=ASK_SECONDS)
            # Asked by the reader: on the main consumer's connection the question waits behind a fetch.
            low, high = self._state_reader().get_watermark_offsets(tp, timeout=ASK_SECONDS)
        except KafkaException as fault:
            if fault.args[0].code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED):
                raise BrokerError(f"{fault.args[0].str()}; grant Read on topic and group") from fault
            return
        if answer.error is not None:
            return
        fault_points.at("asked")
        if answer.offset == OFFSET_INVALID:
            log.info("partition.new", partition=partition.number, start=low)
            self._serve(partition, low, low, 0)
            return
        self._plan(partition, answer.offset, decode_metadata(answer.metadata), low, high)

    def _plan(self, partition: Partition, committed: int, metadata: CommitMetadata | None, low: int, high: int) -> None:
        if metadata is None:
            log.warning(
                "partition.no_metadata", partition=partition.number, committed=committed,
                effect="the offset was set by a tool; going on from there with the snapshots that are not newer",
            )  # fmt: skip
        if low > committed:
            log.error(
                "readings.lost", partition=partition.number, committed=committed, oldest=low, lost=low - committed,
                effect="retention has deleted readings that were never scored",
            )  # fmt: skip
        if committed > high:
            log.error(
                "partition.shorter_than_committed", partition=partition.number, committed=committed, end=high,
                effect="the topic was made anew or truncated; going on from its end",
            )  # fmt: skip
        replay_from = committed if metadata is None else metadata.r
        if low > replay_from and metadata is not None:
            log.warning(
                "replay.cut", partition=partition.number, needed=replay_from, oldest=low,
                effect="retention has deleted readings that recovery needs; series without a snapshot warm up",
            )  # fmt: skip
        committed = max(committed, low) if committed <= high else high
        limit, stream_time = (NO_LIMIT, NEVER) if metadata is None else (metadata.l, metadata.t)
        start = min(max(replay_from, low), committed)
        self._begin_reading(_Reading(partition, start, committed, limit, stream_time, self._clock()))

    def _begin_reading(self, reading: _Reading) -> None:
        if reading.limit == 0:
            self._serve(reading.partition, reading.replay_from, reading.committed, 0, reading.stream_time)
            return
        reading.partition.phase = Phase.READ
        self._reading = reading
        self._state_reader().assign([TopicPartition(self._options.state, reading.partition.number, OFFSET_BEGINNING)])

    def _read(self, reading: _Reading) -> None:
        """Step 2. Done at a record at or beyond L - 1, or at an end of partition at or beyond L.

        An end before L means that the commit's markers are on their way. Under an open transaction the end comes at
        the last stable offset and proves nothing, but what we need lies below L.
        """
        done = False
        for message in self._state_reader().consume(READ_RECORDS, READ_SECONDS):
            if message.partition() == reading.partition.number:
                done = self._note(reading, message) or done
        if done:
            fault_points.at("snapshots_read")
            self._restore(reading)
            fault_points.at("restored")

    def _note(self, reading: _Reading, message: Message) -> bool:
        fault, offset, key = message.error(), message.offset(), message.key()
        assert offset is not None
        if fault is not None:
            if fault.code() != KafkaError._PARTITION_EOF:
                log.warning("state.read_failed", partition=reading.partition.number, error=fault.str())
                return False
            reading.end = offset
            done = reading.limit == NO_LIMIT or offset >= reading.limit
            if not done and self._clock() - reading.begun > SHORT_SECONDS:
                raise BrokerError(
                    f"state topic {self._options.state!r}, partition {reading.partition.number}: ends at {offset}, the "
                    f"last commit wrote up to {reading.limit}: was it made anew? Point `kafka.state` at the right one, "
                    "or reset the group's offsets to go on without its snapshots"
                )
            return done
        if offset < reading.limit and key is not None and self._in_time(reading, message.value()):
            reading.newest[key] = message.value()
        return offset >= reading.limit - 1

    def _in_time(self, reading: _Reading, record: bytes | None) -> bool:
        """Without metadata L does not say which snapshots belong to C: those that are newer hide no older one."""
        if reading.limit != NO_LIMIT or record is None:
            return True
        snapshot = decode_snapshot(record)
        return snapshot is not None and snapshot.as_of < reading.committed

    def _restore(self, reading: _Reading) -> None:
        """Takes the snapshots over and starts serving."""
        self._state_reader().unassign()
        self._reading = None
        records = [record for record in reading.newest.values() if record is not None]
        snapshots = [s for s in map(decode_snapshot, records) if s is not None]
        fit: list[Snapshot] = [s for s in snapshots if s.as_of < reading.committed]
        misfits = len(records) - len(fit) + reading.partition.restore(fit, reading.committed)
        log.info("partition.restored", partition=reading.partition.number, series=len(records) - misfits,
                 unfit=misfits, replay=reading.committed - reading.replay_from)  # fmt: skip
        end = reading.end if reading.limit == NO_LIMIT else reading.limit
        self._serve(reading.partition, reading.replay_from, reading.committed, end, reading.stream_time)

    def _serve(
        self, partition: Partition, replay_from: int, committed: int, snapshot_end: int, stream_time: int = NEVER
    ) -> None:
        """Step 3."""
        partition.begin(replay_from, committed, snapshot_end, stream_time)
        self._assignment.fetch(self._consumer, partition)
