"""`narrows doctor` on a real broker: the checks of a service that runs, ran, or cannot run."""

import json
import shutil
from collections.abc import Iterator
from typing import Any, Protocol

import msgspec
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from deploy.kafka.broker import Broker, free_port
from stream.cli.reports.doctor import examine
from stream.kafka.admin import cluster
from stream.kafka.state.state_topic import FORMAT, CommitMetadata, encode_metadata
from stream.registry.bundle import load as load_bundle
from stream.registry.bundle import write_child
from stream.registry.manifest_facts import Criterion, GateFacts, MetricFacts
from stream.registry.registry import PRODUCTION, Registry
from stream.settings import load
from tests.conftest import TOPIC_TIMEOUT_S, MakeTopic
from tests.support.commands import Result, in_process
from tests.support.live import PARTITIONS, PATIENCE_S, Live

START_MS = 1_700_000_000_000


class DoctorResult(Result):
    """The result of a command, with the checks that are in it."""

    @property
    def checks(self) -> dict[str, dict[str, str]]:
        """Results by the name of their check; of several with one name the last."""
        return {check["check"]: check for check in json.loads(self.out)["checks"]}

    @property
    def unwell(self) -> dict[str, str]:
        """Outcomes that are not ok."""
        return {name: check["outcome"] for name, check in self.checks.items() if check["outcome"] != "ok"}


class Narrows(Protocol):
    """Runs a command."""

    def __call__(self, *arguments: str) -> DoctorResult: ...


@pytest.fixture
def admin(broker: Broker) -> AdminClient:
    return AdminClient({"bootstrap.servers": broker.bootstrap})


@pytest.fixture
def narrows(live: Live, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Narrows:
    """Runs a command with the configuration of `live`, through the entry point that the script has."""
    run = in_process(monkeypatch, capsys, "--config", str(live.config))
    return lambda *arguments: DoctorResult(*run(*arguments))


def some(n: int) -> Iterator[tuple[str, bytes]]:
    for i in range(n):
        yield f"pump-{i % 5}", b'{"time": %d, "s0": 1, "s1": 2}' % (START_MS + 1000 * i)


def commit(live: Live, offset: int, **metadata: Any) -> None:
    """Commits an offset of partition 0 as the service does."""
    usual = CommitMetadata(FORMAT, 0, 0, 0, 0, topic_id="", instance="one", bundle="v")
    known = msgspec.structs.replace(usual, **metadata)
    set_offset(live, TopicPartition(live.input, 0, offset, metadata=encode_metadata(known, 0)))


def set_offset(live: Live, place: TopicPartition) -> None:
    consumer = Consumer({"bootstrap.servers": live.bootstrap, "group.id": f"g-{live.input}"})
    consumer.commit(offsets=[place], asynchronous=False)
    consumer.close()


def test_a_sound_place_passes_and_says_so_check_by_check(narrows: Narrows) -> None:
    result = narrows("doctor")
    assert (result.code, result.err) == (0, "")
    *lines, empty, summary = result.out.splitlines()
    assert {line.split()[0] for line in lines} == {"ok"}
    assert (empty, summary) == ("", f"ok: {len(lines)}, warning: 0, failure: 0")
    assert lines[0].split()[1] == "configuration"
    assert "verified; sensors s0, s1" in lines[1]
    as_data = narrows("doctor", "--json")
    assert json.loads(as_data.out)["outcome"] == "ok"
    assert list(as_data.checks) == [line.split()[1] for line in lines]


def test_a_failure_ends_with_1_and_stands_above_what_to_do(narrows: Narrows) -> None:
    result = narrows("doctor", "--set", "kafka.alerts=not-there")
    assert result.code == 1
    lines = result.out.splitlines()
    (at,) = [i for i, line in enumerate(lines) if line.startswith("failure")]
    assert "topic 'not-there' (alerts) is missing" in lines[at]
    assert lines[at + 1].split()[0] == "do"
    assert "`narrows topics --create`" in lines[at + 1]
    assert lines[-1].endswith("failure: 1")


def test_a_warning_ends_with_0(narrows: Narrows, topic: MakeTopic) -> None:
    short = topic("in", PARTITIONS, {"retention.ms": "60000"})
    result = narrows("doctor", "--json", "--set", f"input.topic={short}")
    assert (result.code, result.unwell) == (0, {"retention.time": "warning"})
    assert json.loads(result.out)["outcome"] == "warning"


def test_a_bundle_that_is_missing_or_damaged_is_a_failure_beside_the_other_checks(narrows: Narrows, live: Live) -> None:
    (weights,) = (live.folder / "registry").rglob("weights.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    damaged = narrows("doctor", "--json")
    shutil.rmtree(live.folder / "registry")
    missing = narrows("doctor", "--json")
    for result in (damaged, missing):
        assert (result.code, result.unwell) == (1, {"bundle": "failure"})
        assert "permission.group" in result.checks
    assert "weights.safetensors" in damaged.checks["bundle"]["seen"]
    assert "narrows train" in missing.checks["bundle"]["do"]


def test_a_bundle_that_the_gate_refused_or_whose_threshold_is_old_is_a_warning(narrows: Narrows, live: Live) -> None:
    assert {narrows("doctor", "--json").checks[check]["outcome"] for check in ("gate", "threshold")} == {"ok"}
    registry = Registry(live.folder / "registry")
    folder = registry.folder("test", PRODUCTION)
    parent, _ = load_bundle(folder)
    gate = GateFacts(verdict="refused", criteria=(Criterion("too weak", "refused", None, None, "explains nothing"),))
    child = msgspec.structs.replace(
        parent, version="20260102T000000Z", calibrated_at="2026-01-01T00:00:00Z", metrics=MetricFacts(gate=gate)
    )
    made = registry.publish("test", lambda scratch: write_child(scratch, folder, child, None))
    registry.point("test", PRODUCTION, made.name)
    result = narrows("doctor", "--json", "--set", "serve.stale_after=1s")
    assert (result.code, result.unwell) == (0, {"gate": "warning", "threshold": "warning"})
    assert "too weak: explains nothing" in result.checks["gate"]["seen"]
    assert "narrows recalibrate --data NEWER" in result.checks["threshold"]["do"]


def test_a_bundle_of_another_detector_is_a_failure(narrows: Narrows, live: Live) -> None:
    (live.folder / "registry" / "test").rename(live.folder / "registry" / "other")
    result = narrows("doctor", "--json", "--set", "detector=other")
    assert result.unwell == {"bundle": "failure"}
    assert "a bundle of detector 'test'" in result.checks["bundle"]["seen"]


def test_a_faulty_configuration_ends_with_2_as_everywhere(narrows: Narrows) -> None:
    result = narrows("doctor", "--set", "serve.batch=none")
    assert (result.code, result.out) == (2, "")
    assert "serve.batch: got 'none'" in result.err


def test_without_a_broker_bundle_and_configuration_are_checked_all_the_same(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1.0)
    results = examine(load(live.config, [f"kafka.bootstrap=127.0.0.1:{free_port()}"]))
    assert [(result.check, result.outcome) for result in results] == [
        ("configuration", "ok"),
        ("bundle", "ok"),
        ("gate", "ok"),
        ("threshold", "ok"),
        ("settings", "ok"),
        ("broker", "failure"),
    ]
    assert "kafka.bootstrap" in results[-1].do


def test_a_running_instance_is_seen_with_its_lag_and_is_left_alone(narrows: Narrows, live: Live) -> None:
    live.send(some(100))
    process = live.start()
    live.wait_for_all()
    result = narrows("doctor", "--json")
    assert (result.code, result.unwell) == (0, {"instance": "warning"})
    assert "instance 'one' runs at 127.0.0.1" in result.checks["instance"]["seen"]
    assert result.checks["lag"]["seen"] == "0 messages, by partition: 0: 0, 1: 0, 2: 0, 3: 0"
    assert "not tried" in result.checks["permission.transaction"]["seen"]
    live.send(some(100))
    live.wait_for_all()
    live.stop(process)
    assert not live.logged("transaction.failed")
    assert not live.logged("transaction.not_ready")


def test_what_a_stopped_service_left_behind_is_within_the_topics(narrows: Narrows, live: Live) -> None:
    live.send(some(50))
    process = live.start()
    live.wait_for_all()
    live.stop(process)
    live.send(some(7))
    result = narrows("doctor", "--json", "--set", "kafka.instance=two")
    assert (result.code, result.unwell) == (0, {})
    assert result.checks["lag"]["seen"].startswith("7 messages, by partition: 0: ")


def test_readings_deleted_before_they_were_scored_are_a_failure(
    narrows: Narrows, live: Live, admin: AdminClient
) -> None:
    send_to_first(live, 10)
    commit(live, 3)
    place = TopicPartition(live.input, 0, 8)
    admin.delete_records([place])[place].result(TOPIC_TIMEOUT_S)
    result = narrows("doctor", "--json")
    assert result.unwell == {"offsets.committed": "failure"}
    assert "by partition: 0: 5" in result.checks["offsets.committed"]["seen"]
    commit(live, 9, replay_from=6)
    result = narrows("doctor", "--json")
    assert (result.code, result.unwell) == (0, {"offsets.replay": "warning"})
    assert "by partition: 0: 2" in result.checks["offsets.replay"]["seen"]
    commit(live, 9, replay_from=8)
    assert narrows("doctor", "--json").unwell == {}


def send_to_first(live: Live, n: int) -> None:
    """Sends n readings to partition 0."""
    producer = Producer({"bootstrap.servers": live.bootstrap})
    for key, value in some(n):
        producer.produce(live.input, value, key, partition=0)
    assert producer.flush(PATIENCE_S) == 0


@pytest.mark.parametrize(
    ("offset", "metadata", "check", "words"),
    [
        (11, {}, "offsets.committed", "ends before what is committed, by partition: 0: 1"),
        (5, {"topic_id": "of-another-life"}, "offsets.committed", "deleted and created again"),
        (5, {"state_end": 4}, "offsets.snapshots", "ends before the last snapshots, by partition: 0: 4"),
    ],
)
def test_topics_made_anew_under_a_service_are_a_failure(
    narrows: Narrows, live: Live, offset: int, metadata: dict[str, Any], check: str, words: str
) -> None:
    send_to_first(live, 10)
    commit(live, offset, **metadata)
    result = narrows("doctor", "--json")
    assert (result.code, result.unwell) == (1, {check: "failure"})
    assert words in result.checks[check]["seen"]
    assert result.checks[check]["do"]


def test_offsets_set_by_a_tool_are_a_warning(narrows: Narrows, live: Live) -> None:
    send_to_first(live, 10)
    set_offset(live, TopicPartition(live.input, 0, 5))
    result = narrows("doctor", "--json")
    assert result.unwell == {"offsets.committed": "warning"}
    assert result.checks["lag"]["seen"].startswith("5 messages, by partition: 0: 5, ")


def test_a_transaction_that_stays_open_is_a_warning_until_it_ends(narrows: Narrows, live: Live) -> None:
    producer = Producer({"bootstrap.servers": live.bootstrap, "transactional.id": f"stuck-{live.alerts}"})
    producer.init_transactions(PATIENCE_S)
    producer.begin_transaction()
    producer.produce(live.alerts, b"{}", b"a")
    assert producer.flush(PATIENCE_S) == 0
    result = narrows("doctor", "--json")
    assert (result.code, result.unwell) == (0, {"transactions": "warning"})
    assert f"{live.alerts}-0 from offset 0" in result.checks["transactions"]["seen"]
    producer.abort_transaction(PATIENCE_S)
    live.wait(lambda: narrows("doctor", "--json").unwell == {}, "the end of the transaction seen")


def test_a_start_is_refused_where_a_check_fails_and_the_log_says_why(
    narrows: Narrows, live: Live, topic: MakeTopic
) -> None:
    compacted = topic("in", PARTITIONS, {"cleanup.policy": "compact"})
    process = live.start(f"input.topic={compacted}")
    assert process.wait(PATIENCE_S) == 1
    log = live.log.read_text()
    assert "narrows: 1 check failed" in log
    assert f"--entity-name {compacted} --add-config cleanup.policy=delete" in log
    assert "service.started" not in log
