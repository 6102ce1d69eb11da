"""The Kafka broker for tests: it starts, keeps its data, and leaves nothing running."""

import os
import select
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from deploy.kafka.broker import Broker, free_port
from deploy.kafka.process import KafkaDiedError
from tests.conftest import ROOT, MakeTopic, absent, create_topic

PATIENCE_S = 30.0


def write(bootstrap: str, topic: str, value: bytes, *, commit: bool = True) -> None:
    """One record in a transaction of its own, committed or aborted."""
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"writer-of-{topic}"})
    producer.init_transactions(PATIENCE_S)
    producer.begin_transaction()
    producer.produce(topic, value=value, partition=0)
    producer.flush(PATIENCE_S)
    if commit:
        producer.commit_transaction(PATIENCE_S)
    else:
        producer.abort_transaction(PATIENCE_S)


def quiet_admin(broker: Broker) -> AdminClient:
    """An admin client without messages on stderr: the broker goes away on purpose."""
    return AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})


def read_committed(bootstrap: str, topic: str) -> bytes | None:
    """Value of the first committed record of partition 0; None when there is none in time."""
    config = {"bootstrap.servers": bootstrap, "group.id": "reader", "isolation.level": "read_committed"}
    reader = Consumer(config)
    try:
        reader.assign([TopicPartition(topic, 0, 0)])
        message = reader.poll(PATIENCE_S)
        return None if message is None else message.value()
    finally:
        reader.close()


def test_a_committed_record_comes_back_and_an_aborted_one_before_it_does_not(broker: Broker, topic: MakeTopic) -> None:
    """The transaction log works: fencing and exactly once are tested on this broker."""
    name = topic("readings")
    write(broker.bootstrap, name, b"aborted", commit=False)
    write(broker.bootstrap, name, b"committed")
    assert read_committed(broker.bootstrap, name) == b"committed"


def test_topics_are_fresh_and_have_the_partitions_and_settings_asked_for(broker: Broker, topic: MakeTopic) -> None:
    """No test sees the records of another."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    first = topic("state", partitions=3, config={"cleanup.policy": "compact"})
    assert first != topic("state")
    assert topic(f"{first}.status", exact=True) == f"{first}.status"
    assert len(admin.list_topics(first, timeout=PATIENCE_S).topics[first].partitions) == 3


@pytest.mark.usefixtures("kafka_here")
def test_what_was_committed_survives_a_restart(tmp_path: Path) -> None:
    """Same port and same data: clients find the same broker again."""
    with Broker(tmp_path) as own:
        create_topic(quiet_admin(own), "kept", 1, {})
        write(own.bootstrap, "kept", b"of the first life")
        own.restart()
        assert read_committed(own.bootstrap, "kept") == b"of the first life"
    assert not own.alive


@pytest.mark.usefixtures("kafka_here")
def test_what_was_committed_survives_a_kill_where_the_controller_lives_on(tmp_path: Path) -> None:
    """Tests that kill the broker rely on it."""
    with Broker(tmp_path, separate_controller=True) as own:
        create_topic(quiet_admin(own), "kept", 1, {})
        write(own.bootstrap, "kept", b"of the first life")
        own.kill()
        assert not own.alive
        own.start()
        assert read_committed(own.bootstrap, "kept") == b"of the first life"
    assert not own.alive


@pytest.mark.usefixtures("kafka_here")
def test_a_taken_port_is_an_error_before_anything_starts(tmp_path: Path) -> None:
    """The most likely fault of `make kafka` is another broker on port 9092."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(KafkaDiedError, match=rf"cannot listen on 127\.0\.0\.1:{port}.*choose another port"):
            Broker(tmp_path, port=port).start()


@pytest.mark.usefixtures("kafka_here")
def test_a_broker_that_dies_while_starting_shows_the_end_of_its_log(tmp_path: Path) -> None:
    """Nothing is left running, and the reason is in the message."""
    own = Broker(tmp_path, settings={"transaction.state.log.num.partitions": "0"})
    with pytest.raises(KafkaDiedError, match=r"(?s)broker.*ended with 1.*transaction\.state\.log\.num\.partitions"):
        own.start()
    assert not own.alive


@pytest.mark.usefixtures("kafka_here")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")
def test_no_broker_outlives_a_parent_that_was_killed(tmp_path: Path) -> None:
    """A test process that is killed runs no clean-up, and 200 MB must not stay in memory."""
    code = (
        "import sys, pathlib\n"
        "from deploy.kafka.broker import Broker\n"
        "broker = Broker(pathlib.Path(sys.argv[1])); broker.start(); print(broker.pid, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    with os.fdopen(child):
        # A pidfd becomes readable when its process ends.
        assert select.select([child], [], [], PATIENCE_S)[0] == [child]


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_what_is_absent_is_skipped_at_home_and_fails_in_ci(
    ci: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A green CI run means that the real broker and the data sets were there."""
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="no broker here"):
        absent("no broker here")
