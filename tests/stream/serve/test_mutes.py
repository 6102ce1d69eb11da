"""Mutes take a series out of service in the running detector, exactly once, also over a crash."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.kafka.broker import Broker
from stream.detect.definition import Definition
from stream.events.people.mute import Mute, MuteRecord, in_force, key_of, parse_mute
from stream.events.record import encode
from stream.kafka.topic_reader import NewRecord, append_records
from stream.serve.mutes import muted
from tests.conftest import MakeTopic
from tests.stream.serve.test_bundle_swap import offline_with, statuses
from tests.stream.serve.test_service import SERIES, SPEC, Stream, published_alerts, same_in_order
from tests.support.builders import a_definition, a_policy, a_spec
from tests.support.commands import Narrows, in_process
from tests.support.live import PARTITIONS, Live

POLL = "serve.bundle_poll=200ms"
NOW = "2026-03-01T08:00:00Z"


def record(offset: int, series: str, end: str | None, at: str = NOW, start: str | None = None) -> MuteRecord:
    """A record of the topic; without an end, the mute is over."""
    value = None if end is None else encode(Mute(series, end, at, "repair", start))
    return parse_mute(offset, key_of(series), value)


def test_a_later_mute_replaces_an_earlier_one_and_an_empty_record_ends_it() -> None:
    records = [
        record(0, "a", "2026-03-02T00:00:00Z"),
        record(3, "b", "2026-03-02T00:00:00Z"),
        record(4, "a", "2026-03-03T00:00:00Z"),
        record(7, "b", None),
        record(8, "", "2026-03-02T00:00:00Z", start="2026-03-01T12:00:00Z"),
    ]
    mutes, revision = in_force(records)
    assert ([(mute.series, mute.end[:10]) for mute in mutes], revision) == (
        [("a", "2026-03-03"), ("", "2026-03-02")],
        9,
    )
    mutes, revision = in_force(records, 4)
    assert ([mute.series for mute in mutes], revision) == (["a", "b"], 4)
    assert in_force([]) == ([], 0)


def test_a_mute_that_has_ended_stays_for_a_week_as_readings_may_come_late() -> None:
    records = [
        record(0, "a", "2026-03-02T00:00:00Z"),
        record(1, "b", "2026-04-01T00:00:00Z", at="2026-03-08T00:00:00Z"),
    ]
    assert [mute.series for mute in in_force(records)[0]] == ["a", "b"]
    records.append(record(2, "c", "2026-04-01T00:00:00Z", at="2026-03-09T00:00:01Z"))
    assert [mute.series for mute in in_force(records)[0]] == ["b", "c"]


def test_what_is_no_mute_is_refused() -> None:
    for value in (b"{}", b"no json", encode(Mute("a", "2026-02-01T00:00:00Z", NOW, "x", start=NOW))):
        with pytest.raises(ValueError, match=r"mute|missing|malformed|invalid"):
            parse_mute(0, b"series:a", value)


def test_the_stamp_of_a_muted_definition_names_bundle_and_mutes() -> None:
    given = a_definition(policy=a_policy())
    assert (given.stamp, muted(given, [])) == (given.version, given)
    records = [record(0, "a", "2026-03-02T00:00:00Z"), record(1, "a", None)]
    first, both = muted(given, records, 1), muted(given, records)
    assert (first.stamp, both.stamp) == (f"{given.version}~1", f"{given.version}~2")
    assert ([span.series for span in first.policy.maintenance], both.policy.maintenance) == (["a"], ())


@pytest.fixture
def live(tmp_path: Path, broker: Broker, topic: MakeTopic) -> Iterator[Live]:
    running = Live(tmp_path, broker.bootstrap, topic, a_definition(a_spec(**SPEC), q=2.0, series=SERIES[:8]))
    yield running
    running.close()


@pytest.fixture
def narrows(live: Live, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Narrows:
    return in_process(monkeypatch, capsys, "--config", str(live.config))


def changes(live: Live) -> list[tuple[dict[str, Any], Definition]]:
    """The status events about mutes, each with the definition from there on."""
    events = [event for event in statuses(live) if event["kind"] == "detector.mutes_changed"]
    made = {"pump-3": [record(0, "pump-3", "2100-01-01T00:00:00Z")]}
    return [(event, muted(live.definition, made.get(event["details"]["muted"], []))) for event in events]


def test_a_muted_series_raises_no_alert_until_it_is_back(live: Live, narrows: Narrows) -> None:
    stream = Stream(6_000)
    live.send(stream.messages(0, 1_000))
    process = live.start(POLL)
    live.wait_for_all()
    said = narrows("mute", "pump-3", "--until", "2100-01-01", "--reason", "new bearing").out
    assert "pump-3 is muted until 2100-01-01T00:00:00Z: new bearing" in said
    live.wait(lambda: len(live.logged("detector.mutes_changed")) == PARTITIONS, "all partitions know of the mute")
    assert "new bearing" in narrows("mutes").out
    live.send(stream.messages(1_000, 3_000))
    live.wait_for_all()
    assert "pump-3 is no longer muted" in narrows("unmute", "pump-3").out
    live.wait(lambda: len(live.logged("detector.mutes_changed")) == 2 * PARTITIONS, "all partitions know of the end")
    live.send(stream.messages(3_000))
    live.wait_for_all()
    live.stop(process)
    plain, expected = stream.alerts(live.definition), offline_with(live, changes(live))
    assert len([row for row in expected if row[0] == "pump-3"]) < len([row for row in plain if row[0] == "pump-3"])
    same_in_order(published_alerts(live), [row[:-1] for row in expected])


@pytest.mark.parametrize("place", ["swapping:1", "swapped:1", "committed:2"])
def test_a_crash_leaves_a_series_muted_or_not_and_alerts_agree(live: Live, place: str) -> None:
    stream = Stream(4_000)
    live.send(stream.messages(0, 1_000))
    first = live.start(POLL)
    live.wait_for_all()
    live.stop(first)
    given = Mute("pump-3", "2100-01-01T00:00:00Z", NOW, "repair")
    append_records({"bootstrap.servers": live.bootstrap}, live.mutes, [NewRecord(key_of("pump-3"), encode(given))])
    live.expect_kill(live.start(POLL, fault=place))
    process = live.start(POLL)
    live.send(stream.messages(1_000))
    live.wait_for_all()
    live.wait(lambda: len(changes(live)) == PARTITIONS, "every partition has reported the mute")
    live.stop(process)
    assert sorted(event["partition"] for event, _ in changes(live)) == list(range(PARTITIONS))
    same_in_order(published_alerts(live), [row[:-1] for row in offline_with(live, changes(live))])


def test_unmute_and_times_that_cannot_be_are_refused(live: Live, narrows: Narrows) -> None:
    refused = narrows("unmute", "pump-9")
    assert (refused.code, "pump-9 is not muted" in refused.err) == (1, True)
    for arguments in (["--until", "2020-01-01"], ["--until", "noon"], ["--until", "1h", "--from", "2h"]):
        wrong = narrows("mute", "pump-1", "--reason", "x", *arguments)
        assert (wrong.code, arguments[0] in wrong.err or "--from" in wrong.err) == (2, True)
    assert narrows("mute", "--until", "1h", "--reason", "x").code == 2
