"""Reads the newest records of a topic, as a sample from which its layout can be guessed."""

import time
from collections.abc import Sequence

from confluent_kafka import Consumer, TopicPartition

from stream.errors import BrokerError
from stream.kafka.topic_reader import PATIENCE_SECONDS, Common, TopicReader, TopicRecord

# Enough for a few readings of each of a hundred series.
SAMPLE_RECORDS = 1000
SAMPLE_SECONDS = 10.0


def newest_records(
    common: Common, topic: str, count: int = SAMPLE_RECORDS, committed: bool = False
) -> list[TopicRecord]:
    """Some `count` of the newest records of a topic, taken evenly from its partitions; none where it is empty.

    Reading ends at the end of every partition, or after `SAMPLE_SECONDS`.

    Args:
        common: librdkafka options of every client.
        committed: leave out records of open and aborted transactions, which count all the same.

    Returns:
        Ordered by partition and offset.

    Raises:
        BrokerError: no broker answers, there is no such topic, or this user may not read it.
    """

    def starts(reader: Consumer, topic: str, partitions: int) -> Sequence[TopicPartition]:
        """The first record to read of each partition that has any."""
        numbers = range(partitions)
        spans = [reader.get_watermark_offsets(TopicPartition(topic, n), PATIENCE_SECONDS) for n in numbers]
        filled = [(number, *span) for number, span in zip(numbers, spans, strict=True) if span[0] < span[1]]
        each = -(-count // max(len(filled), 1))
        return [TopicPartition(topic, number, max(first, end - each)) for number, first, end in filled]

    found: list[TopicRecord] = []
    deadline = time.monotonic() + SAMPLE_SECONDS
    with TopicReader(common, topic, starts, committed=committed) as reader:
        while not reader.is_at_end and time.monotonic() < deadline:
            found += reader.take()
        if not found and not reader.is_at_end:
            raise BrokerError(f"topic {topic!r}: no record came within {SAMPLE_SECONDS:g} s; try again")
    return sorted(found, key=lambda record: (record.partition, record.offset))
