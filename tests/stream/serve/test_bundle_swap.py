"""A new bundle takes over between two commits, with frames and incidents; a damaged one is refused."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from deploy.kafka.broker import Broker
from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.series_state import SeriesState, without_history
from stream.events.status import status_schema
from stream.intake.decode import Decoder
from stream.registry.registry import Registry
from tests.conftest import MakeTopic
from tests.stream.serve.test_service import SERIES, SPEC, Stream, published_alerts, same_in_order
from tests.support.builders import a_definition, a_spec, fields, publish
from tests.support.live import PARTITIONS, Live

POLL = "serve.bundle_poll=200ms"


@pytest.fixture
def live(tmp_path: Path, broker: Broker, topic: MakeTopic) -> Iterator[Live]:
    running = Live(tmp_path, broker.bootstrap, topic, a_definition(a_spec(**SPEC), q=2.0, series=SERIES[:8]))
    yield running
    running.close()


def new_bundle(live: Live, **changes: Any) -> Definition:
    """A bundle with other weights, published as production."""
    definition = a_definition(a_spec(**(SPEC | changes)), q=1.5, series=SERIES[:8], seed=5)
    return publish(live.folder / "registry", definition, seed=5)


def statuses(live: Live) -> list[dict[str, Any]]:
    return live.statuses()


def activated(live: Live) -> list[dict[str, Any]]:
    return [event for event in statuses(live) if event["kind"] == "detector.bundle_activated"]


def offline(live: Live, bundles: dict[str, Definition]) -> list[tuple[Any, ...]]:
    """Expected alerts: each partition scored offline, with one bundle after the other as its status events say."""
    return offline_with(live, [(event, bundles[event["details"]["to"]]) for event in activated(live)])


def offline_with(live: Live, changes: list[tuple[dict[str, Any], Definition]]) -> list[tuple[Any, ...]]:
    """Expected alerts, with another definition from each of these status events on."""
    events = []
    for partition in range(PARTITIONS):
        records = [record for record in live.read(live.input) if record.partition == partition]
        definition, at = live.definition, 0
        states: list[SeriesState] = []
        turns = [(event["offset"], then) for event, then in changes if event["partition"] == partition]
        for until, following in [*turns, (None, live.definition)]:
            detector = Detector(definition)
            same = not states or definition.sensors == live.definition.sensors
            detector.restore(state if same else without_history(state, definition) for state in states)
            due = [r for r in records if at <= r.offset and (until is None or r.offset < until)]
            decoded = Decoder(fields(), definition.sensors, None).decode(
                [r.value for r in due], [r.key.encode() for r in due], [r.offset for r in due], [1 << 42] * len(due)
            )
            events += [(e, definition.version) for e in detector.push(decoded.readings).events]
            states = [detector.snapshot(name) for name in detector.slots.names()]
            definition, at = following, until or at
    return [(e.series, e.alert_id, e.sequence, e.state, e.score, version) for e, version in events]


def alerts_with_version(live: Live) -> list[tuple[Any, ...]]:
    versions = [record.json()["model_version"] for record in live.read(live.alerts)]
    return [(*row, version) for row, version in zip(published_alerts(live), versions, strict=True)]


@pytest.mark.parametrize("change", [{}, {"window": 4, "smoothing": 3}], ids=["other weights", "shorter windows"])
def test_a_new_bundle_takes_over_without_losing_a_frame_or_an_incident(live: Live, change: dict[str, int]) -> None:
    """Alerts are those of one pass with the old bundle up to the offset that the status event names, then the new."""
    stream = Stream(6_000)
    live.send(stream.messages(0, 3_000))
    process = live.start(POLL)
    live.wait_for_all()
    new = new_bundle(live, **change)
    live.wait(lambda: len(live.logged("detector.bundle_activated")) == PARTITIONS, "all partitions have the new bundle")
    live.send(stream.messages(3_000))
    live.wait_for_all()
    live.stop(process)
    assert {event["details"]["frames"] for event in activated(live)} == {"kept"}
    expected = offline(live, {new.version: new})
    assert {version for *_, version in expected} == {live.definition.version, new.version}
    same_in_order(alerts_with_version(live), expected)


@pytest.mark.parametrize("place", ["swapping:1", "offsets_sent:2", "committed:2", "swapped:1"])
def test_a_crash_during_the_swap_leaves_one_bundle_or_the_other(live: Live, place: str) -> None:
    """Each partition says once which bundle scores from which offset on, and alerts agree with that."""
    stream = Stream(4_000)
    live.send(stream.messages(0, 2_000))
    first = live.start(POLL)
    live.wait_for_all()
    live.stop(first)
    new = new_bundle(live)
    live.expect_kill(live.start(POLL, fault=place))
    process = live.start(POLL)
    live.send(stream.messages(2_000))
    live.wait_for_all()
    live.wait(lambda: len(activated(live)) == PARTITIONS, "every partition has reported its bundle")
    live.stop(process)
    assert sorted(event["partition"] for event in activated(live)) == list(range(PARTITIONS))
    same_in_order(alerts_with_version(live), offline(live, {new.version: new}))


def test_a_bundle_that_was_altered_is_refused_the_old_one_goes_on_and_a_status_event_says_so(live: Live) -> None:
    stream = Stream(3_000)
    live.send(stream.messages(0, 1_000))
    process = live.start(POLL)
    live.wait_for_all()
    bad = publish(live.folder / "elsewhere", a_definition(a_spec(**SPEC), series=SERIES[:8], seed=5), seed=5)
    weights = Registry(live.folder / "elsewhere").folder("test", bad.version) / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    shutil.copytree(weights.parent, live.folder / "registry" / "test" / "versions" / bad.version)
    Registry(live.folder / "registry").point("test", "production", bad.version)
    live.wait(lambda: bool(live.logged("bundle.refused")), "the bundle refused")
    live.send(stream.messages(1_000))
    live.wait_for_all()
    live.wait(lambda: bool(statuses(live)), "a status event")
    live.stop(process)
    (event,) = statuses(live)
    assert event["kind"] == "detector.bundle_refused"
    assert event["details"] == {"version": bad.version, "serving": live.definition.version}
    assert "weights.safetensors" in event["message"]
    same_in_order(published_alerts(live), stream.alerts(live.definition))


def test_a_partition_waits_for_a_bundle_that_was_damaged_after_it_scored_and_goes_on_with_it(live: Live) -> None:
    """A process of the version before serves nothing of the partition, and says what it waits for.

    No status event names a version that did not score.
    """
    stream = Stream(3_000)
    process = live.start(POLL)
    live.send(stream.messages(0, 1_000))
    live.wait_for_all()
    new = new_bundle(live)
    live.wait(lambda: len(live.logged("detector.bundle_activated")) == PARTITIONS, "the new bundle")
    live.send(stream.messages(1_000, 2_000))
    live.wait_for_all()
    live.stop(process)
    weights = Registry(live.folder / "registry").folder("test", new.version) / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-4] + b"\0\0\0\0")
    live.send(stream.messages(2_000))
    process = live.start(POLL, f"bundle={live.definition.version}")
    live.wait(
        lambda: any("weights" in str(line) for line in live.logged("service.waiting")), "it says what it waits for"
    )
    assert live.committed() == 2_000
    weights.write_bytes(whole)
    live.wait_for_all()
    live.stop(process)
    bundles = {new.version: new, live.definition.version: live.definition}
    same_in_order(alerts_with_version(live), offline(live, bundles))


def test_going_back_to_an_older_bundle_is_a_swap_like_any_other(live: Live) -> None:
    stream = Stream(2_000)
    process = live.start(POLL)
    live.send(stream.messages(0, 500))
    live.wait_for_all()
    new = new_bundle(live)
    live.wait(lambda: len(live.logged("detector.bundle_activated")) == PARTITIONS, "the new bundle")
    live.send(stream.messages(500, 1_000))
    live.wait_for_all()
    Registry(live.folder / "registry").point("test", "production", live.definition.version)
    live.wait(lambda: len(live.logged("detector.bundle_activated")) == 2 * PARTITIONS, "the old bundle")
    live.send(stream.messages(1_000))
    live.wait_for_all()
    live.stop(process)
    bundles = {new.version: new, live.definition.version: live.definition}
    same_in_order(alerts_with_version(live), offline(live, bundles))


def test_status_events_are_cloudevents_that_fit_the_schema(live: Live) -> None:
    process = live.start(POLL)
    live.send(Stream(500).messages())
    live.wait_for_all()
    new_bundle(live)
    live.wait(lambda: len(live.logged("detector.bundle_activated")) == PARTITIONS, "the new bundle")
    live.stop(process)
    for record in live.read(live.status):
        jsonschema.validate(json.loads(record.value), status_schema())
        kind = record.json()["kind"]
        assert kind in ("detector.bundle_activated", "detector.heartbeat")
        assert record.headers["ce_type"].decode() == f"narrows.{kind}.v1"
        assert record.headers["ce_id"].decode().startswith(f"test/{kind}/")
