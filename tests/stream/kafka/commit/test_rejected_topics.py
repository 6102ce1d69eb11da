"""Topics whose records the broker does not accept: named, tried again, and published exactly once in the end."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.kafka.broker import SETTINGS, Broker, free_port
from deploy.kafka.jars import jars
from deploy.kafka.process import HOST, KafkaProcess
from stream.kafka.client import Clients, ErrorCallback, KafkaOptions
from stream.kafka.commit.delivery_reports import (
    FIRST_DELAY_SECONDS,
    MAX_DELAY_SECONDS,
    STALE_SECONDS,
    DeliveryReports,
    RejectedTopics,
)
from stream.kafka.commit.transaction import RolledBackError, Transaction
from tests.stream.serve.test_service import SERIES, SPEC, Stream, published_alerts, same_in_order
from tests.support.administration import configure
from tests.support.builders import a_definition, a_spec
from tests.support.kafka_options import kafka_options
from tests.support.live import Live

SECONDS = 60.0
SINCE = datetime(2026, 3, 7, 12, 12, 5, tzinfo=UTC)
# A turn may spend 5 s on a producer that is not accepted: so many lines span more than one attempt.
LINES = 4


class Clogged:
    """A producer that accepts everything and delivers nothing."""

    def init_transactions(self, timeout: float) -> None: ...
    def begin_transaction(self) -> None: ...
    def produce(self, *record: Any, **options: Any) -> None: ...
    def purge(self) -> None: ...
    def flush(self, timeout: float) -> int:
        return 1


@dataclass
class Clock:
    """A clock that stands still until it is set."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def a_transaction(clock: Clock, made: list[Clogged]) -> Transaction:
    def producer(options: KafkaOptions, on_error: ErrorCallback) -> Producer:
        made.append(Clogged())
        return cast(Producer, made[-1])

    options = kafka_options("g", "i", "in", "alerts", "dead", "state", "status", None, {})
    return Transaction(options, lambda error: None, clock, Clients(producer=producer))


def a_report(topic: str) -> Message:
    return Message(topic=topic, partition=0, offset=1)


def test_attempts_that_fail_for_a_rejected_record_are_further_and_further_apart() -> None:
    clock, made = Clock(), list[Clogged]()
    transaction = a_transaction(clock, made)
    waits = []
    for tries in range(1, 7):
        assert transaction.prepare()
        assert len(made) == tries
        transaction.send("alerts", b"pump-1", b"{}", [])
        with pytest.raises(RolledBackError, match="not delivered in time"):
            transaction.commit(cast(Consumer, None), [], 1000)
        failed = clock.now
        while not transaction.prepare():
            clock.now += 0.5
            assert "'alerts'" in str(transaction.waits_for), "between two tries as well"
        waits.append(clock.now - failed)
    assert waits == [1.0, 2.0, 4.0, 8.0, MAX_DELAY_SECONDS, MAX_DELAY_SECONDS]


def test_a_topic_is_rejected_since_the_first_of_the_failed_attempts_in_a_row(rejected: RejectedTopics) -> None:
    rejected.note(["alerts"], SINCE)
    rejected.note(["alerts", "dead"], SINCE + timedelta(seconds=30))
    assert str(rejected.reason).startswith(
        "the broker has not taken records of 'alerts', 'dead' since 2026-03-07T12:12:05Z: is its disk full"
    )
    rejected.note(["dead"], SINCE + timedelta(seconds=60))
    assert "of 'dead' since 2026-03-07T12:12:35Z" in str(rejected.reason), "alerts were taken meanwhile"
    rejected.clear()
    assert rejected.reason is None
    rejected.note(["alerts"], SINCE)
    assert rejected.delay == FIRST_DELAY_SECONDS, "tries count from the last that succeeded"


def test_a_topic_that_nobody_writes_to_any_more_is_not_reported_as_rejected_for_ever(
    rejected: RejectedTopics, clock: Clock
) -> None:
    """Its partitions may have other owners. Without an accepted producer, there are no attempts."""
    rejected.note(["alerts"], SINCE)
    clock.now += 10 * STALE_SECONDS
    assert rejected.reason is not None
    rejected.expire_later()
    clock.now += STALE_SECONDS
    assert rejected.reason is not None
    clock.now += 1
    assert rejected.reason is None


def test_rejected_topics_have_records_that_wait_when_time_is_up_or_that_the_client_gave_up() -> None:
    deliveries = DeliveryReports()
    for topic in ("alerts", "alerts", "dead", "state"):
        deliveries.sent(topic)
    deliveries.reported(None, a_report("alerts"))
    deliveries.reported(None, a_report("dead"))
    deliveries.reported(KafkaError(KafkaError._MSG_TIMED_OUT), a_report("state"))
    assert deliveries.rejected() == ["state"]
    deliveries.give_up()
    assert deliveries.rejected() == ["alerts", "state"]


def test_a_record_that_is_refused_does_not_make_its_topic_rejected() -> None:
    """Too large, not allowed: a retry cannot fix it."""
    deliveries = DeliveryReports()
    deliveries.sent("alerts")
    deliveries.reported(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE), a_report("alerts"))
    deliveries.give_up()
    assert deliveries.rejected() == []
    assert deliveries.error is not None
    assert deliveries.error.code() == KafkaError.MSG_SIZE_TOO_LARGE


def test_a_topic_that_accepts_no_records_is_named_and_everything_is_published_once_it_does(
    live: Live, second: KafkaProcess
) -> None:
    """Too few replicas are in sync. A full disk looks the same: the client retries and reports nothing."""
    stream = Stream(3_000)
    process = live.start("serve.health=127.0.0.1:0")
    live.send(stream.messages(0, 1_000))
    live.wait_for_all()
    live.wait(lambda: live.health("/ready")[0] == 200, "it is ready")
    before = datetime.now(UTC)
    second.kill()
    live.send(stream.messages(1_000))
    named = f"has not taken records of {live.alerts!r}"
    live.wait(lambda: named in str(live.health("/ready")[1]), "health names the topic")
    live.wait(lambda: len(_said(live, named, before)) >= LINES, "so does the log, as long as it lasts")
    (failed, *_) = live.logged("transaction.failed", before)
    assert named in failed["untaken"]
    assert "min.insync.replicas" in failed["untaken"], "what to look at"
    configure(AdminClient({"bootstrap.servers": live.bootstrap}), live.alerts, min_insync_replicas="1")
    live.wait_for_all()
    live.wait(lambda: live.health("/ready")[0] == 200, "it is ready again")
    live.stop(process)
    same_in_order(published_alerts(live), stream.alerts(live.definition))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rejected(clock: Clock) -> RejectedTopics:
    return RejectedTopics(clock)


def _said(live: Live, named: str, since: datetime) -> list[dict[str, Any]]:
    """Log lines about waiting that contain these words."""
    return [line for line in live.logged("service.waiting", since) if named in str(line["waits_for"])]


@pytest.fixture
def control() -> int:
    return free_port()


@pytest.fixture
def first(tmp_path: Path, kafka_here: None, control: int) -> Iterator[Broker]:
    """The broker of everything; it coordinates groups and transactions before a second broker could."""
    with Broker(tmp_path / "kafka", controller_port=control, separate_controller=True) as broker:
        Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": "first"}).init_transactions(SECONDS)
        _await_groups(broker.bootstrap)
        yield broker


@pytest.fixture
def second(tmp_path: Path, first: Broker, control: int) -> Iterator[KafkaProcess]:
    """The broker of a replica of the alerts, and of nothing else."""
    port = free_port()
    role = {"process.roles": "broker", "node.id": "2", "listeners": f"PLAINTEXT://{HOST}:{port}"}
    settings = {**SETTINGS, **role, "controller.quorum.voters": f"100@{HOST}:{control}"}
    broker = KafkaProcess("second broker", tmp_path / "second", settings, port, jars())
    broker.start((tmp_path / "kafka" / "cluster.id").read_text(), SECONDS)
    yield broker
    broker.kill()


@pytest.fixture
def live(tmp_path: Path, first: Broker, second: KafkaProcess) -> Iterator[Live]:
    admin = AdminClient({"bootstrap.servers": first.bootstrap})

    def make(name: str = "topic", partitions: int = 1, config: Any = None, *, exact: bool = False) -> str:
        twice = name == "alerts"
        replicas = [[1, 2] if twice else [1]] * partitions
        more = {"min.insync.replicas": "2"} if twice else {}
        new = NewTopic(name, partitions, replica_assignment=replicas, config={**(config or {}), **more})
        admin.create_topics([new])[name].result(SECONDS)
        return name

    running = Live(tmp_path, first.bootstrap, make, a_definition(a_spec(**SPEC), q=2.0, series=SERIES[:8]))
    yield running
    running.close()


def _await_groups(bootstrap: str) -> None:
    """Waits until the broker answers for offsets, and so keeps them."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "first"})
    for _ in range(int(SECONDS)):
        try:
            consumer.committed([TopicPartition("none", 0)], timeout=1.0)
        except KafkaException:
            continue
        break
    consumer.close()
