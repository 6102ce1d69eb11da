"""Reads the newest records of a topic, as a sample from which its layout can be guessed."""

import time
from collections.abc import Sequence
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from stream.errors import BrokerError
from stream.kafka.client import make_client
from stream.kafka.topic_reader import PATIENCE_SECONDS, READ_RECORDS, Common, partitions_of, quiet

# Enough for a few readings of each of a hundred series.
SAMPLE_RECORDS = 1000
SAMPLE_SECONDS = 10.0


class SampledRecord(NamedTuple):
    """One record; `timestamp_ms` is negative where it has none."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int


def newest_records(common: Common, topic: str, count: int = SAMPLE_RECORDS) -> list[SampledRecord]:
    """Some `count` of the newest records of a topic, taken evenly from its partitions; none where it is empty.

    Reading ends at the end of every partition, or after `SAMPLE_SECONDS`. Transactions make no difference.

    Args:
        common: librdkafka options of every client.

    Returns:
        Ordered by partition and offset.

    Raises:
        BrokerError: no broker answers, there is no such topic, or this user may not read it.
    """
    options = {
        **quiet(common),
        "group.id": "narrows-reader",  # librdkafka wants one; it is never joined
        "enable.auto.commit": False,
        "isolation.level": "read_uncommitted",
        "enable.partition.eof": True,
    }
    reader = make_client(Consumer, options)
    try:
        starts = _starts(reader, topic, count)
        return sorted(_until_end(reader, topic, starts)) if starts else []
    finally:
        reader.close()


def _starts(reader: Consumer, topic: str, count: int) -> list[TopicPartition]:
    """The first record to read of each partition that has any."""
    numbers = range(partitions_of(reader, topic))
    try:
        spans = [reader.get_watermark_offsets(TopicPartition(topic, n), PATIENCE_SECONDS) for n in numbers]
    except KafkaException as fault:
        raise BrokerError(f"topic {topic!r}: {fault.args[0].str()}; grant Read, or name another") from fault
    filled = [(number, *span) for number, span in zip(numbers, spans, strict=True) if span[0] < span[1]]
    each = -(-count // max(len(filled), 1))
    return [TopicPartition(topic, number, max(first, end - each)) for number, first, end in filled]


def _until_end(reader: Consumer, topic: str, starts: Sequence[TopicPartition]) -> list[SampledRecord]:
    reader.assign(list(starts))
    found: list[SampledRecord] = []
    ended: set[int | None] = set()
    deadline = time.monotonic() + SAMPLE_SECONDS
    while len(ended) < len(starts) and time.monotonic() < deadline:
        for message in reader.consume(READ_RECORDS, 0.1):
            fault = message.error()
            if fault is None:
                where = message.partition() or 0, message.offset() or 0
                found.append(SampledRecord(*where, _bytes(message.key()), message.value(), message.timestamp()[1]))
            elif fault.code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition())
            else:
                raise BrokerError(f"topic {topic!r}: {fault.str()}; grant Read, or name another")
    if not found and len(ended) < len(starts):
        raise BrokerError(f"topic {topic!r}: no record came within {SAMPLE_SECONDS:g} s; try again")
    return found


def _bytes(key: str | bytes | None) -> bytes | None:
    return key.encode() if isinstance(key, str) else key
