"""Situations in which one asset among others is not watched, on a real broker: each is told once, and so is its end.

All situations share one topic and one process, which is killed while they last.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from deploy.kafka.broker import Broker
from tests.conftest import MakeTopic
from tests.support.builders import START, a_definition, a_policy, a_rules
from tests.support.live import Live

Row = dict[str, object]
KINDS = ("data.series_unwatched", "data.series_watched")
# Good until then, in trouble, good again: seconds.
GOOD, TROUBLE, END = 12, 40, 60
AHEAD, HOUR = 3000, 3600
# Enough that each partition has one: stream time goes on by the readings of others.
ALWAYS_GOOD = tuple(f"good {n}" for n in range(8))


def row(second: float, s0: object = 0.5, **more: object) -> Row:
    return {"time": START // 1_000_000 + int(1000 * second), "s0": s0, "s1": 0.5} | more


# What a series sends instead of `row(second)` while in trouble; None: nothing.
SITUATIONS: dict[str, tuple[Callable[[int], Row | None], str]] = {
    "NaN": (lambda s: row(s, float("nan")), "degraded"),
    "a text": (lambda s: row(s, "n/a"), "degraded"),
    "a renamed sensor": (lambda s: {k: v for k, v in row(s, T1=0.5).items() if k != "s0"}, "degraded"),
    "silence": (lambda s: None, "silent"),
    "a clock set back": (lambda s: row(s - HOUR), "late"),
    "a backlog": (lambda s: row(s - 2 * TROUBLE), "late"),
    "repeated times": (lambda s: row(GOOD - 1), "duplicate"),
    "six times the step": (lambda s: row(s) if s % 6 == 0 else None, "warming"),
    "only dead letters": (lambda s: {"time": "soon"}, "silent"),
}


class Fleet:
    """A running service, and one series for each situation beside some that are always good."""

    def __init__(self, live: Live) -> None:
        self.live, self.process = live, live.start()

    def send(self, seconds: range, rows: Callable[[str, int], Row | None]) -> None:
        every = [(name, rows(name, s)) for s in seconds for name in (*ALWAYS_GOOD, "one leap", "renamed", *SITUATIONS)]
        self.live.send((name, json.dumps(sent).encode()) for name, sent in every if sent is not None)

    def told(self) -> list[dict[str, Any]]:
        events = [record.json() for record in self.live.read(self.live.status)]
        return [event for event in events if event["kind"] in KINDS]

    def wait_for(self, kind: str, series: set[str]) -> None:
        self.live.wait(
            lambda: series <= {event["series"] for event in self.told() if event["kind"] == kind}, f"{kind} of {series}"
        )


def in_trouble(name: str, second: int) -> Row | None:
    """The message of a series while the situations last. One has a reading far ahead, one a new name."""
    if name == "one leap":
        return row(second + (AHEAD if second == TROUBLE - 1 else 0))
    if name == "renamed":
        return None
    return SITUATIONS[name][0](second) if name in SITUATIONS else row(second)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, broker: Broker, topic: MakeTopic) -> Iterator[Fleet]:
    """All situations, told and ended, with a kill -9 in the middle."""
    definition = a_definition(policy=a_policy(max_carry=0), rules=a_rules(close_after=2), q=0.05)
    folder = tmp_path_factory.mktemp("unwatched")
    fleet = Fleet(Live(folder, broker.bootstrap, topic, definition, serve={"unwatched_after": "10s"}))
    try:
        fleet.send(range(GOOD), lambda name, second: row(second))
        fleet.send(range(GOOD, TROUBLE), in_trouble)
        fleet.wait_for("data.series_unwatched", {"renamed", *SITUATIONS})
        fleet.process.kill()
        fleet.process.wait()
        fleet.process = fleet.live.start()
        fleet.send(range(TROUBLE, END), lambda name, second: row(second) if name != "renamed" else None)
        fleet.wait_for("data.series_watched", set(SITUATIONS))
        fleet.live.wait_for_all()
        yield fleet
    finally:
        fleet.live.close()


@pytest.mark.parametrize("situation", SITUATIONS)
def test_each_situation_is_told_once_with_its_reason_and_so_is_its_end(fleet: Fleet, situation: str) -> None:
    first, last = [event for event in fleet.told() if event["series"] == situation]
    assert (first["kind"], first["details"]["reason"]) == (KINDS[0], SITUATIONS[situation][1])
    assert last["kind"] == KINDS[1]
    assert last["details"]["since"] == first["details"]["since"]


def test_others_are_watched_all_the_time(fleet: Fleet) -> None:
    """Also while one of them leaps far ahead: its clock alone may be wrong."""
    assert {event["series"] for event in fleet.told()}.isdisjoint(ALWAYS_GOOD)


def test_an_asset_with_a_new_name_is_told_of_by_its_old_one(fleet: Fleet) -> None:
    assert [event["details"].get("reason") for event in fleet.told() if event["series"] == "renamed"] == ["silent"]


def test_a_series_that_leaps_ahead_once_is_scored_or_told_of(fleet: Fleet) -> None:
    scored_on = not [event for event in fleet.told() if event["series"] == "one leap"]
    reasons = {event["details"].get("reason") for event in fleet.told() if event["series"] == "one leap"}
    assert scored_on or reasons & {"late", "unconfirmed"}


def test_open_incidents_of_unwatched_series_end(fleet: Fleet) -> None:
    """The threshold is so low that each series has one."""
    alerts = [record.json() for record in fleet.live.read(fleet.live.alerts)]
    ended = Counter(alert["series"] for alert in alerts if alert["reason"] == "unwatched")
    assert set(ended) >= {"renamed", *SITUATIONS}
    assert set(ended).isdisjoint(ALWAYS_GOOD)
