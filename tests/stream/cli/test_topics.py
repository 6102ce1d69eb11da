"""`narrows topics` on a real broker: the topics that it makes, extends and warns of."""

import json

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]
from confluent_kafka.cimpl import NewPartitions

from deploy.kafka.broker import Broker
from tests.conftest import TOPIC_TIMEOUT_S, MakeTopic
from tests.support.commands import Narrows, in_process
from tests.support.live import PARTITIONS, Live


@pytest.fixture
def admin(broker: Broker) -> AdminClient:
    return AdminClient({"bootstrap.servers": broker.bootstrap})


@pytest.fixture
def narrows(live: Live, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Narrows:
    """Runs a command with the configuration of `live`."""
    return in_process(monkeypatch, capsys, "--config", str(live.config))


def test_the_topics_command_adds_the_partitions_that_the_state_topic_lacks(
    narrows: Narrows, live: Live, admin: AdminClient
) -> None:
    admin.create_partitions([NewPartitions(live.input, PARTITIONS + 2)])[live.input].result(TOPIC_TIMEOUT_S)
    refused = narrows("topics")
    assert refused.code == 1
    assert "state.partitions" in refused.err
    mended = narrows("topics", "--create")
    assert (mended.code, mended.out) == (0, "")
    assert mended.err.splitlines() == [
        f"{live.state}: {PARTITIONS} partitions became {PARTITIONS + 2}",
        f"made {live.alerts}.feedback with 1 partitions",
        "all topics are there and fit",
        f"next: narrows run -c {live.config}",
    ]
    again = narrows("topics", "--create", "--json")
    assert (again.code, json.loads(again.out)) == (0, {"changes": []})


def test_the_topics_command_makes_what_is_missing_and_says_so(narrows: Narrows, live: Live, admin: AdminClient) -> None:
    name = f"made-{live.alerts}"
    result = narrows("topics", "--create", "--json", "--set", f"kafka.alerts={name}")
    assert result.code == 0
    assert json.loads(result.out)["changes"] == [
        {"topic": name, "before": 0, "after": PARTITIONS},
        {"topic": f"{name}.feedback", "before": 0, "after": 1},
    ]
    kept = ConfigResource(ResourceType.TOPIC, f"{name}.feedback")
    assert admin.describe_configs([kept])[kept].result(TOPIC_TIMEOUT_S)["retention.ms"].value == "-1", "for ever"
    assert f"made {name} with {PARTITIONS} partitions" in result.err


def test_the_topics_command_passes_warnings_on(narrows: Narrows, topic: MakeTopic) -> None:
    small = topic("in", PARTITIONS, {"retention.bytes": "1000000"})
    result = narrows("topics", "--set", f"input.topic={small}")
    assert (result.code, result.out) == (0, "")
    assert result.err.startswith("warning: retention.bytes: ")
