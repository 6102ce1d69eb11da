"""Start-up checks on a real broker: each failure is provoked and named, and its remedy works."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions
from structlog.testing import capture_logs

from deploy.kafka.broker import Broker, free_port
from stream.detect.detector import Detector
from stream.errors import BrokerError, ConfigError
from stream.kafka.admin import cluster, topics
from stream.kafka.admin.check_result import CheckResult, refuse
from stream.kafka.admin.checks import snapshot_bytes, span, startup_checks
from stream.kafka.admin.cluster import Cluster, NoAnswer, Topic
from stream.kafka.admin.topic_checks import check_topic
from stream.kafka.client import KafkaOptions
from stream.kafka.state.state_topic import Snapshot, encode_snapshot
from tests.conftest import TOPIC_TIMEOUT_S, MakeTopic
from tests.support.builders import SECOND, START, a_definition, a_policy, a_spec, readings
from tests.support.kafka_options import kafka_options

COMPACT = {"cleanup.policy": "compact"}
DAY_MS = 86_400_000
NUMBERS = itertools.count()
# Of each topic that a service needs.
PARTITIONS = {"input": 2, "alerts": 1, "dead_letters": 1, "state": 2, "status": 1, "open_incidents": 1, "mutes": 1}


def options_of(bootstrap: str, named: dict[str, str], **changes: object) -> KafkaOptions:
    number = next(NUMBERS)
    names = {use: f"absent-{use}-{number}" for use in PARTITIONS} | named
    return kafka_options(
        **({"group": f"checked-{number}", "instance": "one", "scores": None} | names | changes),  # type: ignore[arg-type]
        common={"bootstrap.servers": bootstrap},
    )


class Place:
    """Makes topics as they should be, but for the changes of a test."""

    def __init__(self, broker: Broker, topic: MakeTopic) -> None:
        self._broker, self._topic = broker, topic

    def __call__(
        self,
        partitions: dict[str, int] | None = None,
        config: dict[str, dict[str, str]] | None = None,
        **changes: object,
    ) -> KafkaOptions:
        given = {"state": COMPACT, "open_incidents": COMPACT, "mutes": COMPACT} | (config or {})
        made = {use: self._topic(use, n, given.get(use)) for use, n in (PARTITIONS | (partitions or {})).items()}
        return options_of(self._broker.bootstrap, made, **changes)


@pytest.fixture
def place(broker: Broker, topic: MakeTopic) -> Place:
    return Place(broker, topic)


def one(found: list[CheckResult], check: str) -> CheckResult:
    """The result of a check."""
    (result,) = [result for result in found if result.check == check]
    return result


def only(found: list[CheckResult], check: str) -> CheckResult:
    """The result of a check, which must be the only one that is not ok."""
    assert [result.check for result in found if result.outcome != "ok"] == [check], [str(f) for f in found]
    return one(found, check)


def test_sound_topics_pass_every_check(place: Place) -> None:
    found = startup_checks(place(partitions={"scores": 3}), snapshot=1000)
    assert {result.outcome for result in found} == {"ok"}, [str(result) for result in found]
    names = [result.check for result in found]
    assert len(names) == len(set(names)), "one result for each check"
    assert {"broker", "topic.scores", "permission.input", "permission.group", "state.message_size"} <= set(names)
    refuse(found)


def test_every_missing_topic_is_named_with_what_to_do(place: Place, broker: Broker) -> None:
    options = options_of(broker.bootstrap, {"scores": "no-scores"})
    with pytest.raises(BrokerError, match="8 checks failed") as caught:
        topics.check(options)
    for use in (*PARTITIONS, "scores"):
        assert f"topic {getattr(options, use)!r} ({use}) is missing; `narrows topics --create` makes it" in str(
            caught.value
        )


def test_topics_that_are_missing_are_made_and_then_pass(broker: Broker) -> None:
    options = options_of(broker.bootstrap, {})
    made = topics.create(options, partitions=3, replication=1)
    assert {change.topic for change in made} == {getattr(options, use) for use in PARTITIONS}
    assert {(change.before, change.after) for change in made} == {(0, 3)}
    topics.check(options, snapshot_bytes=1 << 20)
    assert topics.create(options, partitions=5, replication=1) == [], "what is there is left alone"


def test_a_raised_partition_count_of_the_input_is_refused_until_the_state_topic_follows(
    place: Place, broker: Broker
) -> None:
    options = place()
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_partitions([NewPartitions(options.input, 5)])[options.input].result(TOPIC_TIMEOUT_S)
    result = only(startup_checks(options), "state.partitions")
    assert result.outcome == "failure"
    assert "has 2 partitions" in result.seen
    assert "`narrows topics --create`" in result.do
    assert topics.create(options, partitions=1, replication=1) == [topics.TopicChange(options.state, 2, 5)]
    topics.check(options)


def test_more_state_than_input_partitions_are_refused_and_nothing_is_guessed(place: Place) -> None:
    options = place(partitions={"state": 3})
    assert only(startup_checks(options), "state.partitions").outcome == "failure"
    assert topics.create(options, partitions=1, replication=1) == []


@pytest.mark.parametrize("policy", ["delete", "compact,delete"])
@pytest.mark.parametrize("use", ["state", "open_incidents", "mutes"])
def test_a_topic_that_would_delete_snapshots_or_open_incidents_is_refused(place: Place, use: str, policy: str) -> None:
    result = only(startup_checks(place(config={use: {"cleanup.policy": policy}})), f"cleanup.{use}")
    assert (result.outcome, result.expected) == ("failure", "compact")
    assert result.do.endswith("--add-config cleanup.policy=compact")


@pytest.mark.parametrize(
    ("use", "policy", "outcome"),
    [
        ("input", "compact", "failure"),
        ("input", "compact,delete", "failure"),
        ("dead_letters", "compact", "failure"),
        ("alerts", "compact", "warning"),
        ("status", "compact,delete", "warning"),
    ],
)
def test_compaction_where_every_record_counts_is_not_passed_over(
    place: Place, use: str, policy: str, outcome: str
) -> None:
    result = only(startup_checks(place(config={use: {"cleanup.policy": policy}})), f"cleanup.{use}")
    assert (result.outcome, result.expected) == (outcome, "delete")


def test_a_state_topic_that_cannot_take_a_snapshot_is_refused(place: Place) -> None:
    options = place(config={"state": COMPACT | {"max.message.bytes": "5000"}})
    assert one(startup_checks(options, snapshot=5000), "state.message_size").outcome == "ok"
    result = only(startup_checks(options, snapshot=5001), "state.message_size")
    assert (result.outcome, result.expected) == ("failure", "at least 5001")
    assert "state.message_size" not in [result.check for result in startup_checks(options)], "no bundle, no size"


@pytest.mark.parametrize(
    ("config", "check"),
    [
        ({"retention.ms": "600000"}, "retention.time"),
        ({"retention.bytes": "1048576"}, "retention.bytes"),
        ({"retention.ms": "-1"}, "retention.offsets"),
        ({"retention.ms": str(8 * DAY_MS)}, "retention.offsets"),
    ],
)
def test_retention_that_can_lose_readings_or_repeat_alerts_is_a_warning(
    place: Place, config: dict[str, str], check: str
) -> None:
    assert only(startup_checks(place(config={"input": config})), check).outcome == "warning"


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"transaction_timeout_ms": 900_001}, "timeout.transaction"),
        ({"session_timeout_ms": 5_999}, "timeout.session"),
        ({"session_timeout_ms": 1_800_001}, "timeout.session"),
    ],
)
def test_a_timeout_the_broker_would_refuse_is_refused_before(place: Place, changes: dict[str, Any], check: str) -> None:
    result = only(startup_checks(place(**changes)), check)
    assert result.outcome == "failure"
    assert str(next(iter(changes.values()))) in result.seen


def test_all_failures_stand_in_one_message_each_with_what_to_do(place: Place) -> None:
    options = place(
        partitions={"state": 1}, config={"input": COMPACT, "state": {"cleanup.policy": "delete"}}, session_timeout_ms=1
    )
    found = startup_checks(options)
    with pytest.raises(BrokerError, match=r"^4 checks failed\n") as caught:
        refuse(found)
    lines = str(caught.value).splitlines()[1:]
    failed = [result for result in found if result.outcome == "failure"]
    assert [line.split(": ")[0].strip() for line in lines] == [result.check for result in failed]
    for line, result in zip(lines, failed, strict=True):
        assert result.do
        assert line.endswith(result.do)


def test_a_warning_is_logged_and_lets_the_service_start(place: Place) -> None:
    options = place(config={"input": {"retention.bytes": "1000000"}})
    with capture_logs() as logged:
        topics.check(options)
    (line,) = logged
    assert (line["event"], line["log_level"], line["check"]) == ("check.warning", "warning", "retention.bytes")
    assert "1,000,000 bytes" in line["seen"]
    assert line["do"]


def test_no_broker_is_said_with_the_reason_of_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1.0)
    with pytest.raises(BrokerError, match=r"no broker answers at .*Connection refused.*check `kafka\.bootstrap`"):
        topics.check(options_of(f"127.0.0.1:{free_port()}", {}))


def test_options_that_librdkafka_refuses_are_a_fault_of_the_configuration() -> None:
    options = kafka_options("g", "i", "in", "a", "d", "st", "s", None, {"bootstrap.servers": "x:1", "no.such": "1"})
    with pytest.raises(ConfigError, match=r"kafka\.options: librdkafka refuses them .*no\.such"):
        topics.check(options)


def copies(brokers: int, replication: int, in_sync: int) -> CheckResult:
    """Result of the replication check of the alert topic, in a cluster of that size."""
    there = Topic(4, replication, (), frozenset({"WRITE"}))
    config = {"cleanup.policy": "delete", "min.insync.replicas": str(in_sync)}
    known = Cluster(brokers, {"a": there}, {"a": config}, NoAnswer("", denied=True), NoAnswer("", denied=True))
    return one(check_topic(known, "alerts", "a"), "replication.alerts")


@pytest.mark.parametrize(
    ("brokers", "replication", "in_sync", "outcome", "expected"),
    [
        (1, 1, 1, "ok", ""),
        (2, 1, 1, "warning", "2"),
        (5, 1, 1, "warning", "3"),
        (3, 2, 1, "ok", ""),
        (3, 3, 1, "warning", "min.insync.replicas=2"),
        (3, 3, 2, "ok", ""),
    ],
)
def test_a_topic_that_one_broker_can_lose_is_a_warning_where_there_are_more(
    brokers: int, replication: int, in_sync: int, outcome: str, expected: str
) -> None:
    result = copies(brokers, replication, in_sync)
    assert (result.outcome, result.expected) == (outcome, expected)


def test_partitions_without_a_leader_are_a_warning() -> None:
    """The service waits for them; a restart changes nothing."""
    known = Cluster(3, {"a": Topic(4, 3, (1, 2), frozenset({"WRITE"}))}, {}, {}, NoAnswer("", denied=False))
    assert "[1, 2] have no leader" in one(check_topic(known, "alerts", "a"), "topic.alerts").seen


def fullest_snapshots(resample: str) -> Iterator[tuple[int, int]]:
    """(size, its bound) of series with a full history and an open incident, for windows of some sizes."""
    for window, sensors in ((4, 1), (32, 8), (64, 40)):
        spec = a_spec(window=window, smoothing=10, sensors=sensors, latent=2)
        policy = a_policy(resample=resample, grace_ns=30 * SECOND)
        definition = a_definition(spec, policy, q=1e-6)
        n = 2 * window + 40
        values = np.random.default_rng(sensors).normal(size=(n, sensors)) * 9.87654321
        # The last ticks lack a sensor and stay open.
        values[-30:, 0] = np.nan
        detector = Detector(definition)
        detector.push(readings(["a"] * n, [START + i * SECOND for i in range(n)], values))
        assert detector.open_incidents == 1
        state = detector.snapshot("a")
        encoded = encode_snapshot(Snapshot(1, "0" * 16, 1 << 40, "a", "kept", state))
        yield len(encoded), snapshot_bytes(definition)


@pytest.mark.parametrize("resample", ["none", "last", "mean"])
def test_no_snapshot_is_larger_than_its_bound_says_nor_much_smaller(resample: str) -> None:
    for size, bound in fullest_snapshots(resample):
        assert size <= bound <= 3 * size + 2048


@pytest.mark.usefixtures("kafka_here")
def test_a_broker_that_has_only_just_started_is_asked_again_for_the_group(tmp_path: Path) -> None:
    """The first question creates the topic of the offsets; until it exists, the group has no coordinator."""
    with Broker(tmp_path) as own:
        assert isinstance(cluster.describe_cluster(options_of(own.bootstrap, {})).group, cluster.Group)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (-1, "ever"),
        (90_000, "90 s"),
        (600_000, "10 min"),
        (3_600_000, "1 h"),
        (36 * 3_600_000, "36 h"),
        (DAY_MS, "1 d"),
    ],
)
def test_durations_are_written_for_people(milliseconds: int, text: str) -> None:
    assert span(milliseconds) == text
