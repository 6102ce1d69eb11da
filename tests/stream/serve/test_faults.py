"""Faults of the broker and changes by an administrator: the log names them, and the service recovers."""

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.cimpl import NewPartitions

from deploy.kafka.broker import Broker
from tests.chaos.feeder import Feeder
from tests.conftest import MakeTopic, create_topic
from tests.stream.serve.test_service import SERIES, SPEC, Stream, published_alerts, same_in_order
from tests.support.administration import SECONDS, committed, configure
from tests.support.builders import a_definition, a_spec
from tests.support.live import PARTITIONS, Live
from tests.support.processes import cold

# Readings per second during the outage, and number of readings that are committed before it.
RATE, WARM = 300.0, 1_500
# Time until an outage is noticed: a flush that waits for the broker has 5 s, the health is made at the end of the turn.
NOTICED_S = 20.0
OUTAGE = timedelta(seconds=20)
# Memory that may be taken during an outage, bytes. Records that librdkafka has fetched ahead are a few MB, and a new
# producer some 2 MB. A leak in every turn or attempt would go on growing. The limit is half of what librdkafka may
# fetch ahead (64 MB), because an allocator gives no exact numbers.
GROWTH = 32 << 20


@pytest.fixture
def live(tmp_path: Path, broker: Broker, topic: MakeTopic) -> Iterator[Live]:
    running = Live(tmp_path, broker.bootstrap, topic, a_definition(a_spec(**SPEC), q=2.0, series=SERIES[:8]))
    yield running
    running.close()


@pytest.fixture
def admin(broker: Broker) -> AdminClient:
    return AdminClient({"bootstrap.servers": broker.bootstrap})


def ended(live: Live, *overrides: str) -> str:
    """Log of a process that must end by itself with exit code 1."""
    process = live.start(*overrides)
    assert process.wait(90) == 1, live.log.read_text()[-2000:]
    return live.log.read_text()


def test_an_alert_that_the_topic_does_not_take_is_named_and_published_once_it_does(
    live: Live, admin: AdminClient
) -> None:
    stream = Stream(2_000)
    live.send(stream.messages())
    configure(admin, live.alerts, max_message_bytes="200")
    log = ended(live)
    assert "MSG_SIZE_TOO_LARGE" in log
    assert "max.message.bytes" in log
    assert live.read(live.alerts) == []
    configure(admin, live.alerts, max_message_bytes="1000000")
    process = live.start()
    live.wait(lambda: live.committed() == 2_000, "all committed", allowed=(1,))
    live.stop(process, allowed=(1,))
    same_in_order(published_alerts(live), stream.alerts(live.definition))


def test_an_input_topic_that_is_deleted_while_it_runs_ends_it_with_what_to_do(live: Live, admin: AdminClient) -> None:
    live.send(Stream(500).messages())
    process = live.start("kafka.options={topic.metadata.refresh.interval.ms: 1000}")
    live.wait_for_all()
    admin.delete_topics([live.input])[live.input].result(SECONDS)
    assert process.wait(60) == 1
    assert "narrows topics --create" in live.log.read_text()


def test_a_topic_that_is_created_again_is_read_from_its_beginning(live: Live, admin: AdminClient) -> None:
    """Snapshots of the old topic hide no reading of the new one. The broker itself forgets the offsets."""
    stream = Stream(2_000)
    live.send(stream.messages(0, 200))
    process = live.start()
    live.wait_for_all()
    live.stop(process)
    admin.delete_topics([live.input])[live.input].result(SECONDS)
    live.wait(lambda: live.input not in admin.list_topics(timeout=SECONDS).topics, "the topic gone")
    create_topic(admin, live.input, PARTITIONS, {})
    live.forget_sent()
    before, again = len(live.read(live.alerts)), datetime.now(UTC)
    live.send(stream.messages())
    process = live.start()
    live.wait_for_all()
    live.stop(process)
    assert live.partitions("partition.new", again) == set(range(PARTITIONS))
    same_in_order(published_alerts(live)[before:], stream.alerts(live.definition))


def test_new_partitions_are_noticed_wait_for_the_state_topic_and_are_then_served(
    live: Live, admin: AdminClient
) -> None:
    stream, begun = Stream(1_500), datetime.now(UTC)
    refresh = "kafka.options={topic.metadata.refresh.interval.ms: 1000}"
    process = live.start(refresh)
    live.send(stream.messages(0, 500))
    live.wait_for_all()
    admin.create_partitions([NewPartitions(live.input, PARTITIONS + 2)])[live.input].result(SECONDS)
    live.wait(lambda: bool(live.logged("topic.partitions_changed")), "the change noticed")
    live.wait(lambda: _waiting_for_state(live), "it says what the new partitions wait for")
    admin.create_partitions([NewPartitions(live.state, PARTITIONS + 2)])[live.state].result(SECONDS)
    live.wait(lambda: len(live.partitions("partition.live", begun)) == PARTITIONS + 2, "the new ones live")
    live.send(stream.messages(500))
    live.wait(lambda: sum(committed(live, admin).values()) == 1_500, "all committed")
    live.stop(process)
    kinds = [event["kind"] for event in live.statuses()]
    assert kinds.count("data.partitions_changed") == 1
    progress = live.logged("progress")[-1]
    assert progress["received"] == progress["used"] + progress["late"] + progress["duplicate"] + progress["dead"]


def test_a_permission_that_is_lost_is_named_and_after_it_is_back_nothing_is_missing(
    tmp_path: Path, kafka_here: None
) -> None:
    """Writing to the alerts topic is denied: nothing is committed without its alerts."""
    acls = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
        "super.users": "User:admin",
    }
    definition = a_definition(a_spec(**SPEC), q=2.0, series=SERIES[:8])
    with Broker(tmp_path / "kafka", settings=acls) as broker, contextlib.ExitStack() as stack:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        live = Live(tmp_path, broker.bootstrap, _topics(admin), definition)
        stack.callback(live.close)
        stream = Stream(2_000)
        live.send(stream.messages(0, 500))
        process = live.start()
        live.wait_for_all()
        name, kind = live.alerts, ResourceType.TOPIC
        user, deny = "User:ANONYMOUS", AclPermissionType.DENY
        acl = AclBinding(kind, name, ResourcePatternType.LITERAL, user, "*", AclOperation.WRITE, deny)
        admin.create_acls([acl])[acl].result(SECONDS)
        live.send(stream.messages(500))
        assert process.wait(60) == 1
        assert "TOPIC_AUTHORIZATION_FAILED" in live.log.read_text() or "authorization failed" in live.log.read_text()
        which = AclBindingFilter(kind, name, ResourcePatternType.LITERAL, user, "*", AclOperation.WRITE, deny)
        admin.delete_acls([which])[which].result(SECONDS)
        process = live.start()
        live.wait(lambda: live.committed() == 2_000, "all committed", allowed=(1,))
        live.stop(process, allowed=(1,))
        same_in_order(published_alerts(live), stream.alerts(live.definition))


def test_a_broker_that_is_away_is_waited_for_and_log_and_health_say_so(tmp_path: Path, kafka_here: None) -> None:
    """A broker is killed and returns while input goes on: no alert is lost or repeated, and memory stays bounded."""
    definition = a_definition(a_spec(**SPEC), q=2.0, series=SERIES[:8])
    stream = Stream(16_000)
    with Broker(tmp_path / "kafka", separate_controller=True) as broker, contextlib.ExitStack() as stack:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
        live = Live(tmp_path, broker.bootstrap, _topics(admin), definition)
        stack.callback(live.close)
        process = live.start("serve.health=127.0.0.1:0", launch=cold)
        feeder = stack.enter_context(Feeder(broker.bootstrap, live.input, stream, RATE))
        live.wait(lambda: live.committed() > WARM, "some of it committed")
        live.wait(lambda: live.health("/ready")[0] == 200, "it is ready")
        before, killed = psutil.Process(process.pid).memory_info().rss, datetime.now(UTC)
        broker.kill()
        live.wait(lambda: "broker" in str(_unready(live)), "health says that it waits for the broker", NOTICED_S)
        live.wait(lambda: _waiting_for_broker(live, killed), "the log says so as well", NOTICED_S)
        most = _most_memory(process.pid, killed + OUTAGE)
        assert most - before < GROWTH, f"{(most - before) / 1e6:.1f} MB more than before the outage"
        status = live.health("/status")[1]
        assert status["live"], "to start it anew would not help"
        assert abs(datetime.fromisoformat(status["broker_away_since"]) - killed) < timedelta(seconds=NOTICED_S)
        broker.start()
        live.wait(lambda: live.health("/ready")[0] == 200, "it is ready again")
        feeder.finish(len(stream.series))
        live.wait(lambda: live.committed() == len(stream.series), "all committed")
        live.stop(process)
        same_in_order(published_alerts(live), stream.alerts(live.definition))


def _unready(live: Live) -> list[str]:
    """Reasons of the health server for not being ready."""
    code, body = live.health("/ready")
    return list(body["waits_for"]) if code == 503 else []


def _waiting_for_broker(live: Live, since: datetime) -> bool:
    return any("broker" in str(line["waits_for"]) for line in live.logged("service.waiting", since))


def _most_memory(pid: int, until: datetime) -> int:
    """Largest resident memory until then, bytes."""
    process, most = psutil.Process(pid), 0
    while datetime.now(UTC) < until:
        most = max(most, process.memory_info().rss)
        time.sleep(0.2)
    return most


def _waiting_for_state(live: Live) -> bool:
    return any("narrows topics --create" in str(line["partitions"]) for line in live.logged("service.waiting"))


def _topics(admin: AdminClient) -> MakeTopic:
    def make(name: str = "topic", partitions: int = 1, config: Any = None, *, exact: bool = False) -> str:
        create_topic(admin, name, partitions, config or {})
        return name

    return make
