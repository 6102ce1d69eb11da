"""A commit path without the guarantee: a plain producer, offsets committed by the consumer, no snapshots."""

from collections.abc import Callable, Iterable

from confluent_kafka import Consumer, Producer, TopicPartition

from stream.events.record import Headers
from stream.kafka.client import KafkaOptions
from stream.kafka.partition import Partition

FLUSH_S = 5.0


class AtLeastOnce:
    """Replaces `stream.kafka.commit.transaction.Transaction`: a crash repeats alerts and loses all windows."""

    def __init__(self, options: KafkaOptions, clock: Callable[[], float]) -> None:
        self._topic = options.input
        self._clock = clock
        self._producer = Producer({"compression.type": "lz4", "linger.ms": 5, **options.common})
        self.begun_at: float | None = None
        self.waits_for: str | None = None

    def prepare(self) -> bool:
        return True

    def begin(self) -> None:
        if self.begun_at is None:
            self.begun_at = self._clock()

    def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        self.begin()
        self._producer.produce(topic, value, key, headers=list(headers))

    def commit(
        self, consumer: Consumer, partitions: Iterable[Partition], max_replay: int, seconds: float = FLUSH_S
    ) -> None:
        """Waits until everything is delivered, then commits the offsets."""
        self._producer.flush(FLUSH_S)
        offsets = [TopicPartition(self._topic, partition.number, partition.position) for partition in partitions]
        consumer.commit(offsets=offsets, asynchronous=False)
        self.begun_at = None

    def abort(self) -> None:
        self.begun_at = None
