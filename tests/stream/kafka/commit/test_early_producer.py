"""The early producer: handed over once, and held by nobody else."""

import gc
import random
import threading
import weakref
from typing import cast

import pytest
from confluent_kafka import KafkaError, Producer

from stream.kafka.client import Clients, ErrorCallback, KafkaOptions
from stream.kafka.commit import early_producer
from stream.kafka.commit.early_producer import EarlyProducer
from stream.kafka.commit.transaction import Transaction
from tests.simulation.memory_broker.broker import Broker
from tests.simulation.memory_broker.group import Group
from tests.simulation.memory_broker.producer import MemoryProducer
from tests.simulation.memory_broker.wire import Kind, Wire
from tests.support.kafka_options import kafka_options

OPTIONS = kafka_options()


class Made:
    """Producers of one name on a broker in memory, each remembered by a weak reference."""

    def __init__(self) -> None:
        self.broker = Broker({"alerts": 1}, Group(1), random.Random(0))
        self.wire = Wire("one", self.broker, lambda wire: None)
        self.kind = MemoryProducer
        self.producers: list[weakref.ref[object]] = []
        self.listeners: list[ErrorCallback] = []

    @property
    def clients(self) -> Clients:
        return Clients(producer=self._make)

    def _make(self, options: KafkaOptions, on_error: ErrorCallback) -> Producer:
        producer = self.kind(self.wire, 10.0)
        self.producers.append(weakref.ref(producer))
        self.listeners.append(on_error)
        return cast(Producer, producer)

    def alive(self) -> list[bool]:
        """For each producer, oldest first: True while somebody holds it."""
        gc.collect()  # what a test has caught holds the frames it came through
        return [producer() is not None for producer in self.producers]


@pytest.fixture
def made() -> Made:
    return Made()


def a_transaction(made: Made, early: EarlyProducer) -> Transaction:
    return Transaction(OPTIONS, lambda error: None, lambda: made.broker.now, made.clients, early)


def say(transaction: Transaction, value: bytes) -> None:
    transaction.send("alerts", b"a", value, [])


def test_an_accepted_producer_is_used(made: Made) -> None:
    transaction = a_transaction(made, EarlyProducer(OPTIONS, made.clients))
    assert transaction.prepare()
    say(transaction, b"1")
    assert made.alive() == [True], "no second one was made"


def test_it_is_handed_over_once(made: Made) -> None:
    """The object that made it holds it no longer, though it may live as long as the process."""
    early = EarlyProducer(OPTIONS, made.clients)
    producer = early.producer(lambda error: None)
    assert made.alive() == [True]
    assert early.producer(lambda error: None) is None
    del producer
    assert made.alive() == [False]


def test_a_producer_that_was_not_accepted_is_dropped_and_fences_nobody(made: Made) -> None:
    """It would keep asking, and fence the one that was made in its place."""
    made.wire.arm(Kind.UNSENT, "init_transactions", 1)
    transaction = a_transaction(made, EarlyProducer(OPTIONS, made.clients))
    assert transaction.prepare()
    assert made.alive() == [False, True]
    say(transaction, b"1")


def test_a_producer_that_is_accepted_too_late_is_dropped(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early_producer, "CALL_SECONDS", 0.05)
    monkeypatch.setattr(early_producer, "GRACE_SECONDS", 0.0)
    answer = threading.Event()

    class Slow(MemoryProducer):
        def init_transactions(self, timeout: float) -> None:
            answer.wait()
            super().init_transactions(timeout)

    made.kind = Slow
    early = EarlyProducer(OPTIONS, made.clients)
    assert early.producer(lambda error: None) is None
    answer.set()
    early._thread.join()
    assert made.alive() == [False]


def test_a_producer_that_is_discarded_later_is_gone(made: Made) -> None:
    transaction = a_transaction(made, EarlyProducer(OPTIONS, made.clients))
    transaction.prepare()
    transaction.begin()
    made.broker.init("one")
    transaction.abort()
    assert transaction.prepare()
    assert made.alive() == [False, True]


def test_errors_go_to_the_user_of_the_producer_and_to_nobody_before(made: Made) -> None:
    early = EarlyProducer(OPTIONS, made.clients)
    heard: list[KafkaError] = []
    (listener,) = made.listeners
    listener(KafkaError(KafkaError._TRANSPORT))
    early.producer(heard.append)
    listener(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    assert [error.code() for error in heard] == [KafkaError._ALL_BROKERS_DOWN]
