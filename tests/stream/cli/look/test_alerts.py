"""`narrows alerts` on a real broker: what is open, what was, and what comes."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stream.cli.look.conftest import STREAM
from tests.support.commands import Narrows
from tests.support.live import Live
from tests.support.processes import Running, cold

SEVERITIES = ["low", "medium", "high", "critical"]


def newest(served: Live) -> dict[str, dict[str, Any]]:
    """The newest event of each incident of the topic of alerts."""
    return {event["alert_id"]: event for event in (record.json() for record in served.read(served.alerts))}


def still_open(served: Live) -> dict[str, dict[str, Any]]:
    return {name: event for name, event in newest(served).items() if event["state"] != "resolved"}


def test_the_open_incidents_are_those_that_the_alerts_leave_open_the_worst_first(
    narrows: Narrows, served: Live
) -> None:
    expected = still_open(served)
    assert 0 < len(expected) < len(newest(served)), "some are open, some are over"
    result = narrows("alerts", "--json")
    assert {event["alert_id"]: event for event in result.lines} == expected
    shown = narrows("alerts")
    assert shown.code == 0
    lines = shown.out.splitlines()
    assert lines[0] == f"{len(expected)} open incident" + ("s" if len(expected) > 1 else "")
    named = [(line.split()[0], line.split()[1]) for line in lines[2:] if line.split()[0] in SEVERITIES]
    assert sorted(series for _, series in named) == sorted(event["series"] for event in expected.values())
    heights = [SEVERITIES.index(severity) for severity, _ in named]
    assert heights == sorted(heights, reverse=True)
    assert f"next: narrows why {named[0][1]} -c {served.config}" in shown.err
    assert "next: narrows feedback" in shown.err


def test_all_incidents_come_as_they_stand_on_the_topic_and_by_series(narrows: Narrows, served: Live) -> None:
    everything = newest(served)
    assert {event["alert_id"]: event for event in narrows("alerts", "--all", "--json").lines} == everything
    some = {name for name, event in everything.items() if event["series"] in ("pump-1", "pump-3")}
    of_two = narrows("alerts", "--all", "--json", "--series", "pump-1", "--series", "pump-3")
    assert {event["alert_id"] for event in of_two.lines} == some
    assert f"{len(everything)} incidents" in narrows("alerts", "--all").out


def test_since_leaves_out_what_was_written_before(narrows: Narrows, served: Live) -> None:
    assert len(narrows("alerts", "--all", "--json", "--since", "1h").lines) == len(newest(served))
    nothing = narrows("alerts", "--since", "2999-01-01T00:00:00Z")
    assert (nothing.code, nothing.out) == (0, f"no incident is open (topic {served.open})\n")
    assert "next: narrows status" in nothing.err
    wrong = narrows("alerts", "--since", "yesterday")
    assert wrong.code == 2
    assert "--since 'yesterday': expected a duration such as" in wrong.err


def test_a_topic_that_is_missing_is_an_error_that_names_the_command_that_makes_it(narrows: Narrows) -> None:
    gone = narrows("alerts", "--set", "kafka.open_incidents=absent")
    assert (gone.code, gone.out) == (1, "")
    assert "topic 'absent' is missing; `narrows topics --create` makes it" in gone.err


@pytest.fixture
def following(served: Live, tmp_path: Path) -> Iterator[tuple[Running, Path]]:
    """`narrows alerts --follow --json` in a process of its own, and its output; it has shown what is open."""
    output = tmp_path / "follow.log"
    process = cold(["stream", "alerts", "--follow", "--json", "--config", str(served.config)], output, os.environ)
    served.wait(lambda: "following" in output.read_text(), "the open incidents are shown")
    yield process, output
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)


def test_follow_shows_what_is_open_and_then_each_event_once(served: Live, following: tuple[Running, Path]) -> None:
    """A service that starts later resolves incidents and opens others; every event comes, in order, until Ctrl-C."""
    process, output = following
    known = still_open(served)
    before = len(served.read(served.alerts))
    more = list(STREAM.messages())
    served.send((name, later(value)) for name, value in more)
    service = served.start()
    served.wait_for_all()
    served.stop(service)
    new = [record.json() for record in served.read(served.alerts)]
    expected = {(event["alert_id"], event["sequence"]) for event in new}
    assert len(new) > before, "there is something to follow"

    def shown() -> list[tuple[str, int]]:
        lines = [line for line in output.read_text().splitlines() if line.startswith("{")]
        return [(event["alert_id"], event["sequence"]) for event in map(json.loads, lines)]

    old = {(event["alert_id"], event["sequence"]) for event in new[:before]}
    left = {(name, event["sequence"]) for name, event in known.items()}
    served.wait(lambda: set(shown()) >= expected - old | left, "all events are shown")
    assert sorted(shown()) == sorted(expected - old | left), "none comes twice"
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130


def later(message: bytes) -> bytes:
    """The same reading a day later."""
    reading = json.loads(message)
    return json.dumps(reading | {"time": reading["time"] + 86_400_000}).encode()
