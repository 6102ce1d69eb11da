"""The commit path with a producer that fails in ways that the broker does not report."""

import random
import threading
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from stream.errors import FencedError
from stream.intake.decode import Decoder
from stream.kafka.client import TWIN_SECONDS, Clients, ErrorCallback, KafkaOptions
from stream.kafka.commit.transaction import MAX_FAILURES, RolledBackError, Transaction
from stream.kafka.partition import Partition
from stream.kafka.state.owners import Owners
from stream.kafka.state.resume_point import ResumePoint
from tests.simulation.memory_broker.broker import Broker
from tests.simulation.memory_broker.consumer import MemoryConsumer
from tests.simulation.memory_broker.group import Group
from tests.simulation.memory_broker.producer import MemoryProducer
from tests.simulation.memory_broker.wire import Wire
from tests.support.builders import a_definition, fields
from tests.support.kafka_options import kafka_options

OPTIONS = kafka_options()
TIMEOUT = 1000.0


class HangingProducer(MemoryProducer):
    """A producer that sends offsets only when it is released."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire, TIMEOUT)
        self.released, self.came_back = threading.Event(), threading.Event()

    def send_offsets_to_transaction(self, offsets: Sequence[TopicPartition], membership: Any, timeout: float) -> None:
        self.released.wait()
        try:
            super().send_offsets_to_transaction(offsets, membership, timeout)
        finally:
            self.came_back.set()


@pytest.fixture
def broker() -> Broker:
    return Broker({"in": 1, "alerts": 1, "state": 1}, Group(1), random.Random(0))


def a_wire(broker: Broker) -> Wire:
    return Wire("one", broker, lambda wire: None)


def a_member(broker: Broker) -> MemoryConsumer:
    consumer = MemoryConsumer(a_wire(broker), OPTIONS)
    consumer.subscribe(
        ["in"],
        on_assign=lambda member, _: member.incremental_assign([]),
        on_revoke=lambda member, _: member.incremental_unassign([]),
        on_lost=lambda member, _: member.incremental_unassign([]),
    )
    consumer.consume(1, 0.0)
    return consumer


def a_partition(position: int) -> Partition:
    """A live partition that has processed everything below `position`."""
    definition = a_definition()
    partition = Partition(0, definition, Decoder(fields(), definition.sensors, None), Owners())
    partition.begin(ResumePoint(position, position, 0, 0, ""), 0)
    return partition


def alerts(broker: Broker) -> list[bytes | None]:
    broker.background(1.0)
    return [entry.value for _, entry in broker.logs["alerts", 0].visible()]


def a_transaction(broker: Broker, *first: MemoryProducer, on_error: ErrorCallback = lambda error: None) -> Transaction:
    """A transaction that uses the producers of `first` before others."""
    producers = [*first]

    def producer(options: KafkaOptions, report: ErrorCallback) -> Producer:
        return cast(Producer, producers.pop(0) if producers else MemoryProducer(a_wire(broker), TIMEOUT))

    return Transaction(OPTIONS, on_error, lambda: broker.now, Clients(producer=producer))


def test_a_producer_whose_offsets_are_never_answered_is_replaced(broker: Broker) -> None:
    """The client may wait for the coordinator of the group for ever. A late answer has no effect."""
    hanging = HangingProducer(a_wire(broker))
    transaction, consumer = a_transaction(broker, hanging), a_member(broker)
    assert transaction.prepare()
    transaction.send("alerts", b"a", b"1", [])
    with pytest.raises(RolledBackError, match=r"offsets: no answer within 1\.\d s"):
        transaction.commit(cast(Consumer, consumer), [a_partition(10)], 100, 0.1)
    assert transaction.waits_for is not None
    assert transaction.prepare()
    transaction.send("alerts", b"a", b"2", [])
    hanging.released.set()
    assert hanging.came_back.wait(10)
    transaction.commit(cast(Consumer, consumer), [a_partition(20)], 100)
    assert alerts(broker) == [b"2"]
    assert [commit.offset for commit in broker.history] == [20]


class HoldingProducer(MemoryProducer):
    """Delivers everything but the records of the topic `dead`."""

    def _transmit(self, count: int) -> None:
        held = [record for record in self._queue if record[0] == "dead"]
        self._queue = [record for record in self._queue if record[0] != "dead"]
        super()._transmit(len(self._queue))
        self._queue = held


def test_the_record_that_begins_a_transaction_is_counted_in_it(broker: Broker) -> None:
    """Its delivery report belongs to that transaction: a topic that accepted all its records is not rejected."""
    transaction = a_transaction(broker, HoldingProducer(a_wire(broker), TIMEOUT))
    assert transaction.prepare()
    transaction.send("alerts", b"a", b"1", [])
    transaction.send("dead", b"a", b"2", [])
    with pytest.raises(RolledBackError, match="not delivered in time"):
        transaction.commit(cast(Consumer, a_member(broker)), [], 100)
    assert "records of 'dead' since" in str(transaction.waits_for)


def take_name(broker: Broker, consumer: MemoryConsumer) -> None:
    a_member(broker)


def end_session(broker: Broker, consumer: MemoryConsumer) -> None:
    consumer.fall_silent()
    broker.advance(11)


def rebalance(broker: Broker, consumer: MemoryConsumer) -> None:
    broker.clients.remove(consumer)  # its next heartbeat is seconds away
    broker.group.generation += 1


@pytest.mark.parametrize(
    ("expel", "message", "codes"),
    [
        (take_name, "FENCED_INSTANCE_ID", [KafkaError.FENCED_INSTANCE_ID]),
        (end_session, "UNKNOWN_MEMBER_ID", []),
        (rebalance, "ILLEGAL_GENERATION", []),
    ],
)
def test_commits_of_a_former_member_are_refused_until_it_learns_of_its_expulsion(
    broker: Broker, expel: Callable[[Broker, MemoryConsumer], None], message: str, codes: list[int]
) -> None:
    """Any number may fail: the topics are not at fault. A taken name is reported to the loop at once."""
    reported: list[KafkaError] = []
    transaction, consumer = a_transaction(broker, on_error=reported.append), a_member(broker)
    expel(broker, consumer)
    for _ in range(2 * MAX_FAILURES):
        assert transaction.prepare()
        with pytest.raises(RolledBackError, match=message):
            transaction.commit(cast(Consumer, consumer), [a_partition(10)], 100)
    assert sorted({error.code() for error in reported}) == codes
    assert broker.history == []


def fence_at_abort(transaction: Transaction, broker: Broker) -> None:
    """Another process takes the transactional id before this one aborts its transaction."""
    assert transaction.prepare()
    transaction.begin()
    broker.init("one")
    transaction.abort()


def test_a_producer_that_was_fenced_when_it_aborts_is_replaced(broker: Broker) -> None:
    """Also again, a long time later: our own transaction that timed out looks the same."""
    transaction = a_transaction(broker)
    for _ in range(3):
        fence_at_abort(transaction, broker)
        assert transaction.waits_for is not None
        broker.advance(TWIN_SECONDS + 1)


def test_a_second_fencing_soon_after_is_a_twin_also_when_an_abort_reports_it(broker: Broker) -> None:
    transaction = a_transaction(broker)
    fence_at_abort(transaction, broker)
    broker.advance(TWIN_SECONDS - 1)
    with pytest.raises(FencedError, match="fenced twice within 30 s: another process runs"):
        fence_at_abort(transaction, broker)
