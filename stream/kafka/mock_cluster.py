"""The in-process mock cluster of the Kafka client, for `narrows demo`: no broker to install.

The same clients speak the same protocol to it. It does not keep transactional offsets over a restart, and does not hide
aborted records. So it proves nothing about exactly-once.
"""

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, Producer, TopicPartition

from stream.kafka.client import LIBRDKAFKA

SECONDS = 10.0


class MockCluster:
    """A cluster that lives as long as its one producer; a context manager."""

    def __init__(self) -> None:
        self._producer = Producer(
            {"test.mock.num.brokers": 1, "bootstrap.servers": "in-process", "linger.ms": 1}, logger=LIBRDKAFKA
        )
        brokers = self._producer.list_topics(timeout=SECONDS).brokers.values()
        self.bootstrap = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._producer.flush(SECONDS)

    def make(self, topics: Iterable[str]) -> None:
        """Creates the topics: the cluster makes a topic when it is first asked for."""
        for topic in topics:
            self._producer.list_topics(topic, timeout=SECONDS)

    def send(self, topic: str, key: bytes, value: bytes, timestamp_ms: int) -> None:
        """Sends a record, without waiting for it."""
        self._producer.produce(topic, value, key, timestamp=timestamp_ms)
        self._producer.poll(0)

    def flush(self) -> None:
        """Waits until all records are written."""
        self._producer.flush(SECONDS)

    def subscriber(self, topic: str) -> "Subscriber":
        """A new subscriber of the topic, at its beginning."""
        return Subscriber(self.bootstrap, topic)


class Subscriber:
    """Reads all partitions of a topic from its beginning, without a group."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"{topic}.subscriber",
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
            },
            logger=LIBRDKAFKA,
        )
        partitions = self._consumer.list_topics(topic, timeout=SECONDS).topics[topic].partitions
        self._consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])

    def values(self, seconds: float) -> Iterator[bytes]:
        """Values that arrive within `seconds`."""
        for message in self._consumer.consume(10_000, seconds):
            value = message.value()
            if message.error() is None and value is not None:
                yield value

    def close(self) -> None:
        """Closes the consumer."""
        self._consumer.close()
