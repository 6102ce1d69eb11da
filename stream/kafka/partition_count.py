"""Notices that the input topic was given more partitions while the process runs."""

import structlog
from confluent_kafka import Consumer, KafkaException

from stream.events.data_events import PartitionsChanged
from stream.kafka.client import KafkaOptions

log = structlog.get_logger()

ASK_SECONDS = 1.0


class PartitionCount:
    """Number of partitions of the input topic, at the last look.

    Attributes:
        count: None before the first answer.
    """

    def __init__(self, options: KafkaOptions) -> None:
        self._options = options
        self.count: int | None = None

    def changed(self, reader: Consumer) -> PartitionsChanged | None:
        """Status event about a count that has changed since the last look; None also where nothing answers."""
        topic = self._options.input
        try:
            described = reader.list_topics(topic, timeout=ASK_SECONDS).topics[topic]
        except KafkaException:
            return None
        count = len(described.partitions)
        if described.error is not None or not count:
            return None
        before, self.count = self.count, count
        if before is None or before == count:
            return None
        log.error(
            "topic.partitions_changed", topic=topic, before=before, now=count,
            todo="`narrows topics --create` adds the state topic's; until then the new partitions are not served",
        )  # fmt: skip
        return PartitionsChanged.of(topic, before, count)
