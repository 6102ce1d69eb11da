"""Reads a topic, and appends records to one: for commands, outside of the loop and its transactions."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from stream.errors import BrokerError
from stream.kafka.client import ErrorCallback, make_client
from stream.kafka.listeners import Node, check_reachable

# For any answer of the broker.
PATIENCE_SECONDS = 15.0
READ_RECORDS = 1000
READ_SECONDS = 0.1
# The broker answers this late where a partition has nothing: a person waits for the end of each.
WAIT_MS = 50
# Of a record that is appended: the topic decides.
MOST_BYTES = 8 << 20
# Topics that an error names.
_LISTED = 20
Common = Mapping[str, str | int | float | bool]
# Chooses the first record to read of each partition, given the reader, the topic and the number of partitions.
Starts = Callable[[Consumer, str, int], Sequence[TopicPartition]]


class TopicRecord(NamedTuple):
    """A record as it stands on a topic; `timestamp_ms` is negative where it has none."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: Mapping[str, bytes] = {}


class NewRecord(NamedTuple):
    """A record to append; `partition` -1: the client's partitioner chooses it by the key."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    partition: int = -1


def from_beginning(reader: Consumer, topic: str, partitions: int) -> Sequence[TopicPartition]:
    """Every partition from its oldest record on."""
    return [TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(partitions)]


def from_end(reader: Consumer, topic: str, partitions: int) -> Sequence[TopicPartition]:
    """Every partition from its present end on."""
    numbers = range(partitions)
    ends = [reader.get_watermark_offsets(TopicPartition(topic, n), PATIENCE_SECONDS)[1] for n in numbers]
    return [TopicPartition(topic, number, end) for number, end in zip(numbers, ends, strict=True)]


def from_offsets(offsets: Mapping[int, int]) -> Starts:
    """The partitions of these numbers, each from its offset on; numbers that the topic lacks are left out."""
    return lambda reader, topic, partitions: [
        TopicPartition(topic, number, offset) for number, offset in offsets.items() if number < partitions
    ]


def since(time_ns: int) -> Starts:
    """Every partition from the first record that was written at or after a time, ns since 1970."""

    def starts(reader: Consumer, topic: str, partitions: int) -> Sequence[TopicPartition]:
        asked = [TopicPartition(topic, number, max(time_ns // 1_000_000, 0)) for number in range(partitions)]
        found = reader.offsets_for_times(asked, PATIENCE_SECONDS)
        # A negative offset: there is no such record yet.
        return [TopicPartition(topic, p.partition, p.offset if p.offset >= 0 else OFFSET_END) for p in found]

    return starts


class TopicReader:
    """A client that reads partitions of one topic and joins no group; a context manager.

    Args:
        common: librdkafka options of every client.
        starts: the first record of each partition to read; partitions that it leaves out are not read.
        committed: leave out records of open and aborted transactions.
        wait_ms: the broker answers this late where there is nothing new.
        group: a group that this user may read; it is never joined.

    Raises:
        BrokerError: no broker answers, there is no such topic, or this user may not read it.
    """

    def __init__(
        self,
        common: Common,
        topic: str,
        starts: Starts = from_beginning,
        committed: bool = True,
        wait_ms: int = WAIT_MS,
        group: str = "narrows-reader",
    ) -> None:
        options = {
            **quiet(common),
            "group.id": group,  # librdkafka wants one
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",  # retention may have deleted the first record to read
            "isolation.level": "read_committed" if committed else "read_uncommitted",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": wait_ms,
        }
        self._topic = topic
        self._reader = make_client(Consumer, options)
        try:
            self._chosen = list(starts(self._reader, topic, partitions_of(self._reader, topic)))
        except KafkaException as fault:
            self._reader.close()
            raise BrokerError(f"topic {topic!r}: {fault.args[0].str()}; grant Read, or name another") from fault
        except BrokerError:
            self._reader.close()
            raise
        self._ended: set[int | None] = set()
        self._reader.assign(self._chosen)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._reader.close()

    def ends(self) -> dict[int, int]:
        """Present end of each partition that is read.

        Raises:
            BrokerError: the broker does not answer.
        """
        try:
            return {p.partition: self._reader.get_watermark_offsets(p, PATIENCE_SECONDS)[1] for p in self._chosen}
        except KafkaException as fault:
            raise BrokerError(f"topic {self._topic!r}: {fault.args[0].str()}; try again") from fault

    @property
    def is_at_end(self) -> bool:
        """True once the end of every partition was reached."""
        return len(self._ended) >= len(self._chosen)

    def to_end(self) -> Iterator[TopicRecord]:
        """Records up to the end of each partition, as it is when it is reached.

        Raises:
            BrokerError: the broker refuses, or does not answer for `PATIENCE_SECONDS`.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.is_at_end:
            ended = len(self._ended)
            records = self.take()
            yield from records
            if records or len(self._ended) > ended:
                deadline = time.monotonic() + PATIENCE_SECONDS
            elif time.monotonic() > deadline:
                raise BrokerError(f"topic {self._topic!r}: no answer for {PATIENCE_SECONDS:g} s; try again")

    def take(self, seconds: float = READ_SECONDS) -> list[TopicRecord]:
        """The records of so many seconds; none where none came.

        Raises:
            BrokerError: the broker refuses.
        """
        taken = []
        for message in self._reader.consume(READ_RECORDS, seconds):
            fault = message.error()
            if fault is None:
                taken.append(_record(message))
            elif fault.code() == KafkaError._PARTITION_EOF:
                self._ended.add(message.partition())
            else:
                raise BrokerError(f"topic {self._topic!r}: {fault.str()}; grant Read, or name another")
        return taken


def read_topic(common: Common, topic: str) -> list[tuple[str, bytes]]:
    """All committed records with a value, each as (topic/partition/offset, value); raises as `TopicReader` does."""
    with TopicReader(common, topic) as reader:
        return [(f"{topic}/{r.partition}/{r.offset}", r.value) for r in reader.to_end() if r.value is not None]


def append_record(common: Common, topic: str, key: bytes, value: bytes) -> None:
    """Appends one record to a topic; see `append_records`."""
    append_records(common, topic, [NewRecord(key, value)])


def append_records(common: Common, topic: str, records: Iterable[NewRecord]) -> int:
    """Appends records to a topic in their order, waits until they are written, and counts them.

    Raises:
        BrokerError: no broker answers, there is no such topic, or the broker refuses a record.
    """
    options = {
        **quiet(common),
        "enable.idempotence": True,
        "message.timeout.ms": int(PATIENCE_SECONDS * 1000),
        "message.max.bytes": MOST_BYTES,
    }
    producer = make_client(Producer, options)
    partitions_of(producer, topic)
    faults: list[KafkaError] = []
    count = 0
    for record in records:
        while len(producer) >= READ_RECORDS:
            producer.poll(READ_SECONDS)
        if faults:
            break
        producer.produce(
            topic,
            record.value,
            record.key,
            record.partition,
            headers=list(record.headers),
            on_delivery=lambda fault, _: faults.append(fault) if fault else None,
        )
        count += 1
    left = producer.flush(2 * PATIENCE_SECONDS)
    if left or faults:
        why = faults[0].str() if faults else "no answer"
        written = (
            f"{count - left - len(faults)} of {count} records were written"
            if count > 1
            else "the record was not written"
        )
        raise BrokerError(f"topic {topic!r}: {written} ({why}); grant Write, or try again")
    return count


def quiet(common: Common) -> dict[str, str | int | float | bool | ErrorCallback]:
    """Options for a client that logs nothing: the functions here raise its errors in their own words."""
    return {**common, "error_cb": lambda error: None, "log_level": 0}


def partitions_of(client: Consumer | Producer, topic: str) -> int:
    """Number of partitions of a topic.

    Raises:
        BrokerError: no broker answers, or only at the bootstrap address, or there is no such topic.
    """
    try:
        # All of them: a broker may make a topic that is asked for by name.
        metadata = client.list_topics(timeout=PATIENCE_SECONDS)
    except KafkaException as fault:
        raise BrokerError(
            f"no broker answers ({fault.args[0].str()}); check `kafka.bootstrap` and the login"
        ) from fault
    # `list_topics` is content with the bootstrap address.
    check_reachable("address", [Node(broker.id, broker.host, broker.port) for broker in metadata.brokers.values()])
    topics = metadata.topics
    if topic not in topics:
        others = sorted(name for name in topics if not name.startswith("__"))
        there = ", ".join(others[:_LISTED]) + (" ..." if len(others) > _LISTED else "") or "none"
        raise BrokerError(
            f"topic {topic!r} is missing; `narrows topics --create` makes it, or name another (there are: {there})"
        )
    return len(topics[topic].partitions)


def _record(message: Message) -> TopicRecord:
    headers: Any = message.headers() or ()
    return TopicRecord(
        message.partition() or 0,
        message.offset() or 0,
        message.key(),
        message.value(),
        message.timestamp()[1],
        {name: value for name, value in headers if isinstance(value, bytes)},
    )
