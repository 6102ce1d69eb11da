"""The Kafka client's own in-process cluster, for `narrows demo`: no broker to install.

It speaks the protocol to the very same clients. What it does not do: keep transactional offsets over a restart, hide
aborted records. Nothing about exactly-once is proven here.
"""

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, Producer, TopicPartition

from stream.kafka.client import LIBRDKAFKA

SECONDS = 10.0


class MockCluster:
    """A context manager; lives as long as its one producer."""

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
        """A topic appears when it is first asked for."""
        for topic in topics:
            self._producer.list_topics(topic, timeout=SECONDS)

    def send(self, topic: str, key: bytes, value: bytes, timestamp_ms: int) -> None:
        self._producer.produce(topic, value, key, timestamp=timestamp_ms)
        self._producer.poll(0)

    def flush(self) -> None:
        self._producer.flush(SECONDS)

    def subscriber(self, topic: str) -> "Subscriber":
        return Subscriber(self.bootstrap, topic)


class Subscriber:
    """Reads a topic from its beginning, all partitions, without a group: the shortest subscriber there is."""

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
        """What arrives within `seconds`."""
        for message in self._consumer.consume(10_000, seconds):
            value = message.value()
            if message.error() is None and value is not None:
                yield value

    def close(self) -> None:
        self._consumer.close()
