"""Heartbeats: one for each partition and period, also through crashes, and by wall clock where nothing comes."""

import json
from typing import Any

import pytest

from tests.oracles.heartbeats import KIND, STATES, faults
from tests.simulation.alone import a_broker, a_service, feed, kill, serve
from tests.simulation.memory_broker.broker import Broker
from tests.simulation.plant import Plant
from tests.simulation.process import Process


def beats(broker: Broker, partition: int = 0) -> list[dict[str, Any]]:
    told = (json.loads(entry.value or b"") for entry in broker.logs["status", 0].committed())
    return [event for event in told if event["kind"] == KIND and event["partition"] == partition]


def idle(process: Process, broker: Broker, seconds: int) -> None:
    """Runs turns for so many seconds in which nothing comes."""
    for _ in range(seconds):
        broker.advance(1.0)
        for _ in range(3):
            process.service.turn()
            broker.background(0.3)


@pytest.fixture
def plant(request: pytest.FixtureRequest) -> Plant:
    return Plant(a_broker().draw, 1)


def test_a_partition_beats_once_in_each_minute_of_stream_time_whatever_is_killed(plant: Plant) -> None:
    """A new process tells of no minute again, and its first heartbeat has the series of the one before."""
    broker = a_broker()
    for part in range(4):
        process = a_service(broker)
        feed(broker, plant, 150)
        serve(process, broker)
        kill(process, broker)
        found = beats(broker)
        assert len(found) > part, "every part reaches new minutes"
    assert faults(found) == []
    assert all(b["details"]["clock"] == "stream" for b in found)
    assert found[-1]["offset"] <= broker.committed[0].offset
    assert found[-1]["details"]["known"] == sum(found[-1]["details"][state] for state in STATES) > 0


def test_a_partition_that_gets_nothing_beats_by_wall_clock(plant: Plant) -> None:
    """The first time after one minute, then once a minute; offset and time stay as they are."""
    broker = a_broker()
    process = a_service(broker)
    feed(broker, plant, 20)
    serve(process, broker)
    by_stream = beats(broker)
    idle(process, broker, 200)
    by_wall = beats(broker)[len(by_stream) :]
    assert len(by_wall) == 3
    assert [b["details"]["clock"] for b in by_wall] == ["wall"] * 3
    assert len({b["details"]["period"] for b in by_wall}) == 3
    assert {b["details"]["complete_through"] for b in by_wall} == {by_wall[0]["details"]["complete_through"]} != {""}


def test_a_partition_without_any_reading_beats_too() -> None:
    broker = a_broker()
    process = a_service(broker)
    idle(process, broker, 70)
    (beat,) = beats(broker)
    assert (beat["details"]["complete_through"], beat["details"]["known"]) == ("", 0)
