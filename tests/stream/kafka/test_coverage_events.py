"""Coverage events of a partition, over snapshots, restarts, swaps of the bundle, and kills on a real broker."""

import json
from pathlib import Path

import jsonschema
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.kafka.broker import Broker
from stream.events.status import status_schema
from stream.events.status_event import StatusEvent
from stream.kafka.partition import Partition
from stream.kafka.records import Records
from tests.conftest import MakeTopic
from tests.stream.kafka.test_partition import DEFINITION, Log, cut, log_twin, state_of
from tests.support.builders import SECOND, START, a_definition, a_policy, a_spec
from tests.support.live import Live

AFTER = 6 * SECOND
KINDS = ("data.series_unwatched", "data.series_watched")


def wired(n: int, seed: int = 0) -> Records:
    """Messages of three series whose wires are cut and repaired at random."""
    draw, cut_off, values = np.random.default_rng(seed), dict.fromkeys("abc", False), []
    for second in range(n):
        name = str(draw.choice(list("abc")))
        cut_off[name] ^= bool(draw.random() < 0.12)
        row = None if cut_off[name] else 0.5
        time = (START + second * SECOND) // 1_000_000
        values.append(json.dumps({"time": time, "series": name, "s0": row, "s1": row}).encode())
    return Records([b"k"] * n, values, list(range(n)), [START // 1_000_000] * n, [None] * n)  # type: ignore[list-item]


def coverage_events(partition: Partition) -> list[StatusEvent]:
    """Status events of coverage that the partition has noted."""
    return [event for event in partition.status_events if event.kind in KINDS]


@given(seed=st.integers(0, 1000), sizes=st.lists(st.integers(1, 30), min_size=1, max_size=10))
def test_what_was_committed_is_not_told_again_and_nothing_is_left_out(seed: int, sizes: list[int]) -> None:
    """At every commit, a restart has the same state, reports nothing of the past, and the same of the rest."""
    log, whole = Log(unwatched_after_ns=AFTER), wired(sum(sizes) + 40, seed)
    running, at, committed = log.start(len(whole)), 0, list[StatusEvent]()
    for size in sizes:
        running.process(cut(whole, at, at + size))
        at += size
        committed += coverage_events(running)
        log.commit(running)
        restored = log.start(len(whole))
        restored.process(cut(whole, restored.position, at))
        assert coverage_events(restored) == []
        assert state_of(restored) == state_of(running)
    twin = log_twin(log, whole, at)
    assert committed == coverage_events(twin)
    restored.process(cut(whole, at, len(whole)))
    twin.process(cut(whole, at, len(whole)))
    assert committed + coverage_events(restored) == coverage_events(twin)


def test_the_partition_of_a_series_says_so_at_the_offset_that_showed_it() -> None:
    """A reading of another series may show it; its own first whole frame ends it."""
    log, whole = Log(unwatched_after_ns=AFTER), wired(200)
    running = log.start(200)
    running.process(whole)
    events = coverage_events(running)
    assert {event.kind for event in events} == set(KINDS)
    for event in events:
        message = json.loads(whole.values[event.offset or 0] or b"")
        if event.kind == "data.series_watched":
            assert message["series"] == event.series


def test_a_shorter_limit_is_told_of_with_the_first_live_batch() -> None:
    """Nothing was reported of what is replayed, so it is reported late rather than never, and once."""
    log, whole = Log(unwatched_after_ns=1000 * SECOND, max_replay=10**6), wired(80)
    running = log.start(len(whole))
    running.process(cut(whole, 0, 60))
    assert coverage_events(running) == []
    log.commit(running)
    log.unwatched_after_ns = AFTER
    restored = log.start(len(whole))
    restored.process(cut(whole, restored.position, 60))
    late = coverage_events(restored)
    assert late
    restored.process(cut(whole, 60, 61))
    log.commit(restored)
    again = log.start(len(whole))
    again.process(cut(whole, again.position, 61))
    assert coverage_events(again) == []


def test_a_snapshot_without_coverage_is_read() -> None:
    """Watching begins with the restart."""
    log, whole = Log(unwatched_after_ns=AFTER), wired(60)
    running = log.start(len(whole))
    running.process(whole)
    running.require_all_snapshots()
    log.commit(running)
    for at, (series, record) in enumerate(log.state):
        raw = msgspec.msgpack.decode(record or b"")
        assert raw["state"].pop("coverage")
        log.state[at] = (series, msgspec.msgpack.encode(raw | {"is_blind": True}))
    restored = log.start(100)
    for second in range(70, 80):
        restored.process(a_hole(second - 10, second))
    assert {event.series for event in coverage_events(restored)} == {"a", "b", "c"}


@pytest.mark.parametrize("sensors", [2, 3], ids=["frames kept", "frames dropped"])
def test_a_series_that_is_unwatched_across_a_swap_is_watched_again(sensors: int) -> None:
    log, n = Log(unwatched_after_ns=AFTER), 40
    values = [
        {"time": (START + s * SECOND) // 1_000_000, "series": "a"}
        | {f"s{f}": None if s < 30 else 0.5 for f in range(3)}
        for s in range(n)
    ]
    texts = [json.dumps(value).encode() for value in values]
    whole = Records([b"k"] * n, texts, list(range(n)), [START // 1_000_000] * n, [None] * n)  # type: ignore[list-item]
    running = log.start(n)
    running.process(cut(whole, 0, 20))
    assert [event.kind for event in running.pop_status_events()] == ["data.series_unwatched"]
    log.definition = a_definition(a_spec(window=2, smoothing=3, sensors=sensors), DEFINITION.policy, q=0.7, seed=3)
    running.swap(log.definition, log.decoder())
    running.process(cut(whole, 20, n))
    kinds = [(event.kind, event.details.get("since")) for event in coverage_events(running)]
    assert kinds == [("data.series_watched", "2023-11-14T22:13:20Z")]


def test_a_tick_that_a_silence_closes_may_show_it_too() -> None:
    """The event has the offset of the last message taken."""
    policy = a_policy(resample="last", interval_ns=10 * SECOND, max_gap_ns=50 * SECOND, max_carry=0)
    log = Log(a_definition(a_spec(), policy), unwatched_after_ns=AFTER)
    running = log.start(10)
    for offset, second in enumerate((0, 10)):
        running.process(a_hole(offset, second))
    assert coverage_events(running) == []
    running.silence("a")
    (event,) = coverage_events(running)
    assert (event.kind, event.offset, event.details["masked"]) == ("data.series_unwatched", 1, "s0, s1")
    log.commit(running)
    restored = log.start(10)
    assert state_of(restored) == state_of(running)
    assert coverage_events(restored) == []


def a_hole(offset: int, second: int) -> Records:
    """A message of series `a` without a value."""
    text = json.dumps({"time": (START + second * SECOND) // 1_000_000, "series": "a", "s0": None}).encode()
    return Records([b"k"], [text], [offset], [START // 1_000_000], [None])  # type: ignore[list-item]


def test_a_cut_wire_is_told_once_and_so_is_its_mending_through_kills(
    tmp_path: Path, broker: Broker, topic: MakeTopic
) -> None:
    """Killed right before and right after the commit that reports it: the event is part of the transaction."""
    definition = a_definition(a_spec(), a_policy(max_carry=0), q=1e9)
    live = Live(tmp_path, broker.bootstrap, topic, definition, serve={"unwatched_after": "5s"})

    def send(seconds: range, is_whole: bool) -> None:
        rows = [
            {"time": (START + s * SECOND) // 1_000_000, "s1": 1.0} | ({"s0": 1.0} if is_whole else {}) for s in seconds
        ]
        live.send(("pump-1", json.dumps(row).encode()) for row in rows)

    def statuses() -> list[tuple[str, str]]:
        found = live.statuses()
        return [(event["kind"], event["series"]) for event in found if event["kind"] in KINDS]

    try:
        send(range(10), is_whole=True)
        send(range(10, 20), is_whole=False)
        live.expect_kill(live.start(fault="offsets_sent:1:kill"))
        assert statuses() == []
        live.expect_kill(live.start(fault="committed:1:kill"))
        send(range(20, 30), is_whole=False)
        process = live.start()
        live.wait(lambda: bool(statuses()), "the unwatched series told")
        send(range(30, 35), is_whole=True)
        live.wait(lambda: bool(live.logged("data.series_watched")), "its mending told")
        before = len(live.logged("data.series_unwatched"))
        send(range(35, 50), is_whole=False)
        live.wait(lambda: len(live.logged("data.series_unwatched")) > before, "the next cut told")
        live.stop(process)
        twice = ("data.series_unwatched", "data.series_watched", "data.series_unwatched")
        assert statuses() == [(kind, "pump-1") for kind in twice]
        assert live.logged("data.series_unwatched")[-1]["level"] == "warning"
        unwatched = next(e for e in live.statuses() if e["kind"] == "data.series_unwatched")
        jsonschema.validate(unwatched, status_schema())
        assert unwatched["details"]["counts"] == "degraded 6"
        assert [line["series"] for line in live.logged("data.series_watched")] == ["pump-1"]
    finally:
        live.close()
