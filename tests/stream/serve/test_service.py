"""`narrows run` on a real broker: right alerts, exactly once, through stops and kills."""

import json
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from deploy.kafka.broker import Broker
from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.events.alert import alert_schema
from tests.conftest import MakeTopic
from tests.support.builders import SECOND, START, a_definition, a_spec, readings
from tests.support.live import Live
from tests.support.processes import cold

SERIES = [f"pump-{i}" for i in range(12)]
MODELS = {"dense": {"members": 1}, "dense K=5": {"members": 5}, "conv": {"kind": "conv"}}
SPEC = {"window": 8, "smoothing": 4, "sensors": 3, "hidden": 8, "latent": 2}


class Stream:
    """n readings of 12 series with anomalies, as messages and as columns."""

    def __init__(self, n: int, seed: int = 0) -> None:
        draw = np.random.default_rng(seed)
        self.series = [SERIES[i] for i in draw.integers(0, len(SERIES), n).tolist()]
        clock = dict.fromkeys(SERIES, START)
        steps = draw.choice([1, 1, 1, 1, 1, 1, 1, 1, 0, -1, 9], n)
        self.time = np.zeros(n, np.int64)
        for i, name in enumerate(self.series):
            clock[name] += int(steps[i]) * SECOND
            self.time[i] = clock[name]
        self.values = draw.normal(size=(n, 3)).round(6)
        self.values[(np.arange(n) // 400) % 7 == 3] *= 4.0

    def messages(self, start: int = 0, end: int | None = None) -> Iterator[tuple[str, bytes]]:
        for name, time, row in list(zip(self.series, self.time.tolist(), self.values.tolist(), strict=True))[start:end]:
            yield name, json.dumps({"time": time // 1_000_000, "s0": row[0], "s1": row[1], "s2": row[2]}).encode()

    def alerts(self, definition: Definition) -> list[tuple[Any, ...]]:
        """Expected alerts, from one offline pass."""
        outcome = Detector(definition).push(readings(self.series, self.time, self.values))
        return [(e.series, e.alert_id, e.sequence, e.state, e.score) for e in outcome.events]


def published_alerts(live: Live) -> list[tuple[Any, ...]]:
    records = [record.json() for record in live.read(live.alerts)]
    return [(a["series"], a["alert_id"], a["sequence"], a["state"], a["score"]) for a in records]


def same_in_order(got: list[tuple[Any, ...]], expected: list[tuple[Any, ...]]) -> None:
    """Asserts that no alert is lost, repeated, extra, or out of order within its series."""
    assert Counter(got) - Counter(expected) == Counter(), "extra or twice"
    assert Counter(expected) - Counter(got) == Counter(), "lost"
    for name in {series for series, *_ in expected}:
        assert [a for a in got if a[0] == name] == [a for a in expected if a[0] == name], f"out of order: {name}"


@pytest.fixture
def live(request: pytest.FixtureRequest, tmp_path: Path, broker: Broker, topic: MakeTopic) -> Iterator[Live]:
    """Topics and a bundle of the model that the test asks for; nothing is started."""
    spec = a_spec(**(SPEC | getattr(request, "param", {})))
    running = Live(tmp_path, broker.bootstrap, topic, a_definition(spec, q=2.0, series=SERIES[:8]))
    yield running
    running.close()


@pytest.mark.parametrize(
    "live", [{"members": 1}, {"members": 5}, {"kind": "conv"}], indirect=True, ids=["dense", "dense K=5", "conv"]
)
def test_alerts_through_the_broker_are_those_of_one_offline_pass(live: Live) -> None:
    """Same ids, same scores to the bit, in order per series, for each kind of model."""
    stream = Stream(6_000)
    expected = stream.alerts(live.definition)
    assert {state for *_, state, _ in expected} >= {"opened", "resolved"}
    live.send(stream.messages())
    process = live.start()
    live.wait_for_all()
    assert live.stop(process) < 10
    same_in_order(published_alerts(live), expected)


@pytest.mark.parametrize("batch", [1, 7, 512])
def test_micro_batches_of_any_size_give_the_same_alerts(live: Live, batch: int) -> None:
    stream = Stream(2_000, seed=batch)
    live.send(stream.messages())
    process = live.start(f"serve.batch={batch}")
    live.wait_for_all()
    live.stop(process)
    same_in_order(published_alerts(live), stream.alerts(live.definition))


def test_killed_and_restarted_it_goes_on_as_if_nothing_had_happened(live: Live) -> None:
    """Nine kills at different moments, with a stop in between; snapshots bound the replay."""
    stream, parts = Stream(40_000), 10
    process = live.start("serve.max_replay=20000")
    for part in range(parts):
        size = len(stream.series) // parts
        live.send(stream.messages(part * size, (part + 1) * size))
        target = part * size + int(size * 0.6)
        live.wait(lambda target=target: live.committed() >= target, f"{target} messages committed")  # type: ignore[misc]
        if part == 4:
            assert live.stop(process) < 10
        else:
            live.kill(process)
        process = live.start("serve.max_replay=20000")
    live.wait_for_all()
    live.stop(process)
    same_in_order(published_alerts(live), stream.alerts(live.definition))
    restores = live.logged("partition.restored")
    assert restores, "the restarts must have restored something"
    assert max(line["replay"] for line in restores) <= 20000 + 8192, "snapshots bound the replay"
    assert any(line["replay"] > 0 for line in restores), "some readings must have been replayed"
    assert sum(line["unfit"] for line in restores) == 0


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT], ids=lambda stop: stop.name)
def test_a_stop_leaves_nothing_uncommitted_and_a_restart_repeats_nothing(live: Live, stop: signal.Signals) -> None:
    """A process that is stopped in the middle commits everything that it has polled."""
    stream = Stream(3_000)
    live.send(stream.messages(0, 2_000))
    first = live.start(launch=cold)
    live.wait_for_all()
    live.send(stream.messages(2_000))
    first.send_signal(stop)
    assert first.wait(10) == 0, live.log.read_text()[-3000:]
    taken = live.logged("progress")[-1]["received"]
    assert live.committed() == taken
    second = live.start(launch=cold)
    live.wait_for_all()
    live.stop(second)
    same_in_order(published_alerts(live), stream.alerts(live.definition))


def test_what_is_not_a_reading_goes_to_the_dead_letters_and_the_counts_add_up(live: Live) -> None:
    stream = Stream(500)
    broken = {
        b"\xff\xfe": "not_utf8",
        b"{": "not_json",
        b"": "empty",
        b'{"time": 1700000000000, "s0": "1"}': "wrong_type",
        b'{"time": 1700000000000, "s0": NaN}': "not_a_number",
        b'{"s0": 1}': "missing_time",
        b'{"time": 1700000000000, "time": 1}': "duplicate_key",
        b'{"time": "2099-01-01T00:00:00Z"}': "future_time",
        b'{"time": "soon"}': "bad_time",
        b'{"time": 1, "s0": 1, "x": "' + b"y" * 3000 + b'"}': "too_large",
    }
    live.send(stream.messages(0, 250))
    live.send(("pump-1", value) for value in broken)
    live.send([("pump-2", None)])
    live.send(stream.messages(250))
    process = live.start("input.max_bytes=2000")
    live.wait_for_all()
    live.wait(lambda: bool(live.logged("progress")), "a progress line")
    live.stop(process)
    letters = live.read(live.dead)
    reasons = {letter.value: letter.headers["narrows_reason"].decode() for letter in letters if letter.key == "pump-1"}
    assert reasons == broken, "the original bytes, each with its reason"
    assert len(letters) == len(broken) + 1
    for letter in letters:
        assert letter.headers["narrows_topic"].decode() == live.input
        assert int(letter.headers["narrows_partition"]) in range(4)
        assert int(letter.headers["narrows_offset"]) >= 0
    same_in_order(published_alerts(live), stream.alerts(live.definition))
    count = live.logged("progress")[-1]
    assert count["dead_reasons"] == dict.fromkeys(broken.values(), 1) | {"empty": 2}, "the log says why"
    assert count["received"] == 500 + len(letters)
    assert count["received"] == sum(
        count[fate] for fate in ("used", "late", "duplicate", "ignored", "dead", "unconfirmed")
    )
    assert count["used"] == sum(count[verdict] for verdict in ("scored", "warming", "degraded", "off"))


def test_alerts_keep_their_contract(live: Live) -> None:
    """Alerts fit the JSON Schema; key, headers, traceparent and sequence are as promised."""
    stream = Stream(4_000)
    live.send(stream.messages())
    process = live.start()
    live.wait_for_all()
    live.stop(process)
    records = live.read(live.alerts)
    last: dict[str, int] = {}
    for record in records:
        alert = record.json()
        jsonschema.validate(alert, alert_schema())
        assert record.key == alert["series"]
        assert record.headers["ce_id"].decode() == f"{alert['alert_id']}/{alert['sequence']}"
        assert record.headers["ce_type"].decode() == f"narrows.incident.{alert['state']}.v1"
        assert record.headers["ce_specversion"] == b"1.0"
        assert alert["sequence"] == last.get(alert["alert_id"], -1) + 1
        last[alert["alert_id"]] = alert["sequence"]
        assert (alert["state"] == "opened") == (alert["sequence"] == 0)
        assert 0 < sum(sensor["share"] for sensor in alert["sensors"]) < 1 + 1e-9, "of the sensors that stand out"
    assert records


def test_every_verdict_is_in_the_scores_topic_where_one_is_asked_for(live: Live, topic: MakeTopic) -> None:
    stream, scores = Stream(1_500), topic("scores", 1)
    live.send(stream.messages())
    process = live.start(f"kafka.scores={scores}")
    live.wait_for_all()
    live.stop(process)
    outcome = Detector(live.definition).push(readings(stream.series, stream.time, stream.values))
    expected = [
        (outcome.verdicts.names[int(s)], None if np.isnan(x) else x)
        for s, x in zip(outcome.verdicts.series, outcome.verdicts.score.tolist(), strict=True)
    ]
    got = [(r.json()["series"], r.json()["score"]) for r in live.read(scores)]
    assert sorted(got, key=repr) == sorted(expected, key=repr)


def test_missing_topics_end_the_start_with_a_message_that_says_what_to_do(live: Live) -> None:
    process = live.start("kafka.alerts=not-there", launch=cold)
    assert process.wait(60) == 1
    assert "topic 'not-there' (alerts) is missing" in live.log.read_text()
    assert "narrows topics --create" in live.log.read_text()


def test_a_series_that_falls_silent_closes_its_incident_once_also_after_a_restart(live: Live) -> None:
    """The reason is `silent`, and the incident ends at the last frame."""
    n = 60
    loud = readings(["pump-1"] * n, [START + i * SECOND for i in range(n)], np.full((n, 3), 9.0))
    events = Detector(live.definition).push(loud).events
    assert [event.state for event in events][-1] != "resolved", "the incident must be open at the end"
    live.send(
        ("pump-1", json.dumps({"time": int(time) // 1_000_000, "s0": 9.0, "s1": 9.0, "s2": 9.0}).encode())
        for time in loud.time
    )
    process = live.start("serve.silent_after=2s")
    live.wait(lambda: bool(live.logged("alert.resolved")), "the incident closed")
    live.stop(process)
    process = live.start("serve.silent_after=2s")
    live.wait(lambda: len(live.logged("partition.restored")) >= 1, "restored")
    live.send(Stream(500).messages())
    live.wait_for_all()
    live.stop(process)
    said = [line["series"] for line in live.logged("series.silent")]
    assert said.count("pump-1") == 1, "what is closed stays closed"
    told_of = [r.json() for r in live.read(live.alerts)]
    resolved = [a for a in told_of if a["reason"] == "silent" and a["series"] == "pump-1"]
    assert [(a["reason"], a["duration_s"]) for a in resolved] == [
        ("silent", (loud.time[-1] - events[0].started_at) / 1e9)
    ]
