"""Reads the snapshots of one partition from the state topic, up to the last one that its commit wrote."""

from collections.abc import Callable

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from stream.errors import BrokerError
from stream.kafka import failpoints
from stream.kafka.client import ASK_SECONDS, FORBIDDEN
from stream.kafka.state.resume_point import NO_LIMIT, ResumePoint
from stream.kafka.state.state_topic import Snapshot, decode_snapshot

log = structlog.get_logger()

READ_SECONDS = 0.02
READ_RECORDS = 2000
# Between two questions for the end of the state topic.
END_SECONDS = 1.0
# So many answers in a row that name an end below L show that the state topic is too short. Fewer may be markers on
# their way, or the transaction of a dead producer. Answers count, not seconds: the process may be frozen.
SHORT_ANSWERS = 90


class SnapshotReader:
    """Newest snapshot of each series of one partition, below offset L = `state_end` of the state topic.

    Reading is done at a record at or beyond L - 1, or at an end of the partition at or beyond L. An end before L means
    that the markers of the commit are on their way. Under an open transaction the client reports the last stable
    offset as the end. This proves nothing, but every snapshot that is needed lies below L.

    Args:
        client: the client of the state topic, which nothing else reads with until this is done.
        topic, number: the state topic, and the partition.
    """

    def __init__(
        self, client: Consumer, topic: str, number: int, point: ResumePoint, clock: Callable[[], float]
    ) -> None:
        self._client = client
        self._partition = TopicPartition(topic, number, OFFSET_BEGINNING)
        self._point = point
        self._clock = clock
        self._newest: dict[bytes, bytes | None] = {}
        # End of the partition, when the client last reached it.
        self.end = 0
        self._end_asked_at = clock()
        self._short_answers = 0
        # Records of a format that this version does not read.
        self.unreadable = 0
        client.assign([self._partition])

    def read(self) -> bool:
        """Reads some records; True once all are read.

        Raises:
            BrokerError: no permission to read, or the topic ends before L for good.
        """
        done = False
        for message in self._client.consume(READ_RECORDS, READ_SECONDS):
            if message.partition() == self._partition.partition:
                done = self._add(message) or done
        if not done:
            self._check_end()
            return False
        failpoints.at("snapshots_read")
        self._client.unassign()
        return True

    def snapshots(self) -> list[Snapshot]:
        """The snapshots that are not newer than C."""
        records = [record for record in self._newest.values() if record is not None]
        snapshots = [snapshot for snapshot in map(decode_snapshot, records) if snapshot is not None]
        self.unreadable = len(records) - len(snapshots)
        return [snapshot for snapshot in snapshots if snapshot.as_of < self._point.committed]

    def _add(self, message: Message) -> bool:
        """Keeps a snapshot; True where nothing after it is needed."""
        error, offset, key = message.error(), message.offset(), message.key()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            if error.code() in FORBIDDEN:
                raise BrokerError(f"{error.str()}; grant Read on {self._partition.topic!r}")
            log.warning("state.read_failed", partition=self._partition.partition, error=error.str())
            return False
        assert offset is not None
        if error is not None:
            self.end = offset
            return self._point.state_end == NO_LIMIT or offset >= self._point.state_end
        within = self._point.state_start <= offset < self._point.state_end
        if within and key is not None and self._is_old_enough(message.value()):
            self._newest[key] = message.value()
        return offset >= self._point.state_end - 1

    def _is_old_enough(self, record: bytes | None) -> bool:
        """False for a snapshot newer than C where no L excludes it: it must not replace an older one."""
        if self._point.state_end != NO_LIMIT or record is None:
            return True
        snapshot = decode_snapshot(record)
        return snapshot is not None and snapshot.as_of < self._point.committed

    def _check_end(self) -> None:
        """Raises where the state topic stays too short: the partition cannot be served without its snapshots."""
        if self._point.state_end == NO_LIMIT or self._clock() - self._end_asked_at < END_SECONDS:
            return
        self._end_asked_at = self._clock()
        end = self._ask_end()
        is_short = end is not None and end < self._point.state_end
        self._short_answers = self._short_answers + 1 if is_short else 0
        if self._short_answers >= SHORT_ANSWERS:
            raise BrokerError(
                f"state topic {self._partition.topic!r}, partition {self._partition.partition}: its readable end is "
                f"{end}, the last commit wrote up to {self._point.state_end}. A transaction may hang "
                "(`narrows doctor`, kafka-transactions.sh find-hanging), or the topic was created again: point "
                "`kafka.state` at the right one. Only if it is lost, reset the group's offsets: all series warm up then"
            )

    def _ask_end(self) -> int | None:
        """The present end for `read_committed`; None where the broker does not answer."""
        try:
            _, end = self._client.get_watermark_offsets(self._partition, timeout=ASK_SECONDS)
        except KafkaException:
            return None
        return int(end)
