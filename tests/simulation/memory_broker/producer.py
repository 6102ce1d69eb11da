"""A transactional producer in memory, with the calls that the service makes."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from tests.simulation.memory_broker.broker import fault, fenced
from tests.simulation.memory_broker.log import Entry, Fate, Headers
from tests.simulation.memory_broker.wire import Wire

OnDelivery = Callable[[KafkaError | None, Message], None]
Queued = tuple[str, int, Entry, OnDelivery | None]


class MemoryProducer:
    """A producer whose records wait in a queue until they are sent: some at once, all of them by a flush."""

    def __init__(self, wire: Wire, timeout: float) -> None:
        self._wire = wire
        self._broker = wire.broker
        self._timeout = timeout
        self._epoch = -1
        self._in_transaction = False
        self._queue: list[Queued] = []
        self._reports: list[tuple[OnDelivery, KafkaError | None, Message]] = []
        # Error that made the transaction, or the producer, unusable.
        self._failed: KafkaException | None = None

    @property
    def is_fenced(self) -> bool:
        return self._failed is not None and self._failed.args[0].code() == KafkaError._FENCED

    def init_transactions(self, timeout: float) -> None:
        self._epoch = self._wire.ask("init_transactions", timeout, lambda: self._broker.init(self._wire.name))

    def begin_transaction(self) -> None:
        self._wire.ask("begin_transaction", 0.0, lambda: None)
        self._raise_failure()
        if self._in_transaction:
            raise fault(KafkaError._STATE, "a transaction is open")
        self._in_transaction = True

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int = -1,
        on_delivery: OnDelivery | None = None,
        timestamp: int = 0,
        headers: Headers = (),
    ) -> None:
        if not self._in_transaction or self._failed is not None:
            raise fault(KafkaError._STATE, "not in a transaction, or it has failed")
        entry = Entry(key, value, tuple(headers), timestamp)
        self._wire.ask("produce", 0.0, lambda: self._queue.append((topic, partition, entry, on_delivery)))
        if self._broker.draw.random() < 0.4:
            self._transmit(self._broker.draw.randint(0, len(self._queue)))

    def poll(self, timeout: float = 0.0) -> int:
        self._wire.ask("poll", timeout, lambda: None)
        self._broker.advance(timeout)
        return self._serve_reports()

    def flush(self, timeout: float) -> int:
        """Sends all records; returns how many are not delivered. A failed delivery shows at the next calls."""
        try:
            self._wire.ask("flush", timeout, self._transmit_all)
        except KafkaException as struck:
            if struck.args[0].code() == KafkaError._TIMED_OUT:
                return len(self._queue) + len(self._reports)
            self._failed = self._failed or struck
            self.purge()
        self._serve_reports()
        return len(self._queue)

    def purge(self) -> None:
        self._queue.clear()

    def send_offsets_to_transaction(self, offsets: Sequence[TopicPartition], membership: Any, timeout: float) -> None:
        self._raise_failure()
        generation, member = parse_membership(membership)
        plain = {tp.partition: (tp.offset, tp.metadata or "") for tp in offsets}
        identity = (self._wire.name, self._epoch, self._timeout)
        self._try(
            "send_offsets_to_transaction",
            timeout,
            lambda: self._broker.add_offsets(*identity, plain, member, generation),
        )

    def commit_transaction(self, timeout: float) -> None:
        self._transmit_all()
        self._raise_failure()
        self._end("commit_transaction", timeout, Fate.COMMIT)

    def abort_transaction(self, timeout: float) -> None:
        self.purge()
        if self._failed is not None and self._failed.args[0].fatal():
            raise self._failed
        self._end("abort_transaction", timeout, Fate.ABORT)
        self._failed = None

    def die(self) -> None:
        """Ends the producer; some of its queued records still arrive."""
        self._transmit(self._broker.draw.randint(0, len(self._queue)))

    def _end(self, call: str, timeout: float, fate: Fate) -> None:
        self._try(call, timeout, lambda: self._broker.end(self._wire.name, self._epoch, fate))
        self._in_transaction = False

    def _try(self, call: str, timeout: float, effect: Callable[[], None]) -> None:
        """Makes a call, and remembers an abortable or fatal error."""
        try:
            self._wire.ask(call, timeout, effect)
        except KafkaException as failure:
            if failure.args[0].fatal() or failure.args[0].txn_requires_abort():
                self._failed = failure
            raise

    def _raise_failure(self) -> None:
        if self._failed is not None:
            raise self._failed

    def _transmit_all(self) -> None:
        self._transmit(len(self._queue))

    def _transmit(self, count: int) -> None:
        for topic, partition, entry, on_delivery in self._queue[:count]:
            error, offset = None, -1
            try:
                offset = self._broker.append(self._wire.name, self._epoch, self._timeout, topic, partition, entry)
            except KafkaException:
                self._failed = fenced()
                error = KafkaError(KafkaError._PURGE_QUEUE, "failed")
            if on_delivery is not None:
                self._reports.append((on_delivery, error, Message(topic=topic, partition=partition, offset=offset)))
        del self._queue[:count]

    def _serve_reports(self) -> int:
        reports, self._reports = self._reports, []
        for on_delivery, error, message in reports:
            on_delivery(error, message)
        if reports and self._failed is not None and self._failed.args[0].fatal() and self._broker.draw.random() < 0.5:
            raise SystemError("a fatal error while a delivery callback ran")
        return len(reports)


def parse_membership(membership: Any) -> tuple[int, str]:
    """Generation and member id in the group metadata of a consumer."""
    data = bytes(membership)
    return int.from_bytes(data[7:11], sys.byteorder, signed=True), data[11:].split(b"\0")[1].decode()
