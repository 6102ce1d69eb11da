"""The broker and the clients in memory behave as the real ones, wherever the service depends on it."""

import random

import pytest
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, Message, TopicPartition

from stream.kafka.client import Remedy, remedy
from tests.simulation.memory_broker.broker import Broker
from tests.simulation.memory_broker.consumer import MemoryConsumer, MemoryReader
from tests.simulation.memory_broker.group import Group
from tests.simulation.memory_broker.log import Entry
from tests.simulation.memory_broker.producer import MemoryProducer
from tests.simulation.memory_broker.wire import Crash, Kind, Wire
from tests.support.kafka_options import kafka_options


@pytest.fixture
def broker() -> Broker:
    return Broker({"in": 1, "out": 1, "state": 1}, Group(1), random.Random(0))


def a_wire(broker: Broker, name: str = "one") -> Wire:
    return Wire(name, broker, lambda wire: None)


def a_producer(broker: Broker, wire: Wire | None = None) -> MemoryProducer:
    producer = MemoryProducer(wire or a_wire(broker), 10.0)
    producer.init_transactions(5.0)
    return producer


def a_member(broker: Broker, instance: str = "one") -> MemoryConsumer:
    """A consumer that has joined and answered what it was told."""
    options = kafka_options("g", instance, "in", "alerts", "dead", "state", "status", None, {})
    consumer = MemoryConsumer(a_wire(broker, instance), options)
    answers = {"on_assign": consumer.incremental_assign, "on_revoke": consumer.incremental_unassign}
    consumer.subscribe(
        ["in"],
        on_assign=lambda _, tps: answers["on_assign"]([TopicPartition(tp.topic, tp.partition, 0) for tp in tps]),
        on_revoke=lambda _, tps: answers["on_revoke"](tps),
        on_lost=lambda _, tps: answers["on_revoke"](tps),
    )
    consumer.consume(1, 0.0)
    return consumer


def produce(producer: MemoryProducer, value: bytes) -> None:
    producer.begin_transaction()
    producer.produce("out", value, b"key")
    assert producer.flush(5.0) == 0


def values(broker: Broker) -> list[bytes | None]:
    return [entry.value for _, entry in broker.logs["out", 0].visible()]


def offsets(at: int) -> list[TopicPartition]:
    return [TopicPartition("in", 0, at, metadata="m")]


def test_records_are_seen_once_their_transaction_is_committed_and_marked(broker: Broker) -> None:
    producer = a_producer(broker)
    produce(producer, b"1")
    assert values(broker) == []
    producer.commit_transaction(5.0)
    assert values(broker) == [], "the marker is on its way"
    broker.background(1.0)
    assert values(broker) == [b"1"]
    assert broker.logs["out", 0].end == 2, "a marker takes an offset"


def test_aborted_records_are_never_seen_and_keep_their_offsets(broker: Broker) -> None:
    producer = a_producer(broker)
    produce(producer, b"1")
    producer.abort_transaction(5.0)
    produce(producer, b"2")
    producer.commit_transaction(5.0)
    broker.background(1.0)
    assert [(o, e.value) for o, e in broker.logs["out", 0].visible()] == [(2, b"2")]


def test_an_open_transaction_hides_what_stands_behind_its_first_record(broker: Broker) -> None:
    produce(a_producer(broker), b"1")
    log = broker.logs["out", 0]
    log.append(Entry(b"key", b"plain"))
    assert (log.stable_end, log.end, values(broker)) == (0, 2, [])
    a_producer(broker)
    assert values(broker) == [b"plain"], "a successor of the same name has aborted it"


def test_a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced(broker: Broker) -> None:
    producer = a_producer(broker)
    produce(producer, b"1")
    broker.advance(10.5)
    with pytest.raises(KafkaException, match="_FENCED") as fenced:
        producer.commit_transaction(5.0)
    assert remedy(fenced.value) is Remedy.FENCED
    broker.background(1.0)
    assert values(broker) == []


def test_a_producer_with_a_successor_can_do_nothing_any_more(broker: Broker) -> None:
    old = a_producer(broker)
    produce(old, b"old")
    new = a_producer(broker)
    with pytest.raises(KafkaException, match="_FENCED"):
        old.commit_transaction(5.0)
    produce(new, b"new")
    new.commit_transaction(5.0)
    broker.background(1.0)
    assert values(broker) == [b"new"]


def test_a_pending_offset_makes_the_question_time_out_until_it_is_decided_and_marked(broker: Broker) -> None:
    consumer, producer = a_member(broker), a_producer(broker)
    produce(producer, b"1")
    producer.send_offsets_to_transaction(offsets(3), consumer.consumer_group_metadata(), 5.0)
    with pytest.raises(KafkaException, match="_TIMED_OUT"):
        consumer.committed(offsets(0), 0.2)
    producer.commit_transaction(5.0)
    with pytest.raises(KafkaException, match="_TIMED_OUT"):
        consumer.committed(offsets(0), 0.2)
    broker.background(1.0)
    (found,) = consumer.committed(offsets(0), 0.2)
    assert (found.offset, found.metadata) == (3, "m")


@pytest.mark.parametrize("answered", [True, False], ids=["took effect", "had none"])
def test_after_a_commit_that_timed_out_only_the_broker_knows(broker: Broker, answered: bool) -> None:
    wire = a_wire(broker)
    producer = a_producer(broker, wire)
    produce(producer, b"1")
    wire.arm(Kind.UNANSWERED if answered else Kind.UNSENT, "commit_transaction", 1)
    with pytest.raises(KafkaException, match="_TIMED_OUT") as timed_out:
        producer.commit_transaction(1.0)
    assert remedy(timed_out.value) is Remedy.REBUILD
    a_producer(broker)
    assert values(broker) == ([b"1"] if answered else [])


def test_who_is_no_member_any_more_commits_nothing(broker: Broker) -> None:
    """A zombie: its session has ended while it was frozen, and it does not know yet."""
    zombie, producer = a_member(broker), a_producer(broker)
    before = zombie.consumer_group_metadata()
    zombie.fall_silent()
    broker.advance(11.0)
    produce(producer, b"1")
    with pytest.raises(KafkaException, match="UNKNOWN_MEMBER_ID") as refused:
        producer.send_offsets_to_transaction(offsets(3), before, 5.0)
    assert remedy(refused.value) is Remedy.ABORT


def test_a_static_name_that_comes_back_takes_over_and_fences(broker: Broker) -> None:
    old = a_member(broker)
    before, generation = old.consumer_group_metadata(), broker.group.generation
    new = a_member(broker)
    assert new.owned == [0]
    assert broker.group.generation == generation, "no rebalance"
    producer = a_producer(broker)
    produce(producer, b"1")
    with pytest.raises(KafkaException, match="FENCED_INSTANCE_ID"):
        producer.send_offsets_to_transaction(offsets(3), before, 5.0)


def test_a_fenced_member_that_knows_has_nothing_left_calls_nothing_back_and_says_so_once(broker: Broker) -> None:
    """As the real client does: its callbacks would raise here."""
    old = a_member(broker)
    a_member(broker)
    callbacks = dict.fromkeys(("on_assign", "on_revoke", "on_lost"), lambda _, tps: pytest.fail(f"told of {tps}"))
    old.subscribe(["in"], **callbacks)
    while old.owned:
        old.heartbeat()
    (told,) = old.consume(10, 0.0)
    error = told.error()
    assert error is not None
    assert (error.code(), "fenced" in error.str()) == (KafkaError._FATAL, True)
    assert (old.owned, old.consume(10, 0.0)) == ([], [])
    old.incremental_unassign([TopicPartition("in", 0)])
    old.close()


def test_a_partition_changes_hands_only_after_it_was_given_back() -> None:
    broker = Broker({"in": 2}, Group(2), random.Random(0))
    first = a_member(broker)
    assert sorted(first.owned) == [0, 1]
    second = a_member(broker, "two")
    assert second.owned == [], "the first has not heard of it"
    for _ in range(3):
        first.consume(1, 0.0)
        second.consume(1, 0.0)
    assert sorted(first.owned + second.owned) == [0, 1]
    assert len(first.owned) == 1


def test_a_reader_is_told_of_the_last_stable_offset_as_the_end(broker: Broker) -> None:
    produce(a_producer(broker), b"1")
    reader = MemoryReader(a_wire(broker))
    reader.assign([TopicPartition("out", 0, OFFSET_BEGINNING)])
    seen: list[Message] = []
    while not seen:
        seen = reader.consume(10, 0.0)
    error = seen[0].error()
    assert error is not None
    assert error.code() == KafkaError._PARTITION_EOF
    assert (seen[0].offset(), broker.logs["out", 0].end) == (0, 1)


def test_a_crash_strikes_before_or_after_the_effect(broker: Broker) -> None:
    for kind, seen in ((Kind.CRASH_BEFORE, []), (Kind.CRASH_AFTER, [b"1"])):
        wire = a_wire(broker, kind.value)
        producer = a_producer(broker, wire)
        produce(producer, b"1")
        wire.arm(kind, "commit_transaction", 1)
        with pytest.raises(Crash, match="commit_transaction"):
            producer.commit_transaction(5.0)
        a_producer(broker, a_wire(broker, kind.value))
        assert values(broker) == seen
