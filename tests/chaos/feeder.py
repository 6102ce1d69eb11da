"""Fills the input topic during the faults."""

import itertools
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

from confluent_kafka import KafkaError, Message, Producer

from tests.support.live import QUIET

TURN_S = 0.02
FLUSH_S = 60.0


class Source(Protocol):
    """Messages (series, value), in order within each series."""

    def messages(self) -> Iterator[tuple[str, bytes]]: ...


class Feeder:
    """Sends the source's messages at a steady rate from a thread of its own; a context manager.

    Args:
        bootstrap: address of the broker, not of the proxy.
        rate: messages/s.
    """

    def __init__(self, bootstrap: str, topic: str, source: Source, rate: float) -> None:
        # Idempotent: a retry neither repeats a reading nor changes the order. Retries have no limit.
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap, "enable.idempotence": True, "message.timeout.ms": 0, "linger.ms": 5,
                "log_level": QUIET, "queue.buffering.max.messages": 1_000_000,
            }
        )  # fmt: skip
        self._topic, self._rate = topic, rate
        self._messages = source.messages()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feeder")
        self.sent = self.delivered = 0
        self.failed: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._stop()
        self._producer.purge()

    def finish(self, total: int) -> None:
        """Sends the rest of `total` messages at full speed, and waits until all messages are in the topic."""
        self._stop()
        self._send(max(total - self.sent, 0))
        assert self._producer.flush(FLUSH_S) == 0, "the broker does not accept the input"
        assert not self.failed, self.failed[0]

    def _stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        begun = time.monotonic()
        while not self._stopping.wait(TURN_S):
            self._send(int((time.monotonic() - begun) * self._rate) - self.sent)

    def _send(self, count: int) -> None:
        for key, value in itertools.islice(self._messages, count):
            self._produce(key, value)
        self._producer.poll(0)

    def _produce(self, key: str, value: bytes) -> None:
        while True:
            try:
                self._producer.produce(self._topic, value, key, on_delivery=self._on_delivery)
            except BufferError:
                self._producer.poll(0.1)
            else:
                self.sent += 1
                return

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.delivered += 1
        else:
            self.failed.append(error.str())
