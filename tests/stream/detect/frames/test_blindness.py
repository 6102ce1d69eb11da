"""Who has gone blind, and who sees again: against the slow twin, over batches, restores, swaps and restarts."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.kafka.broker import Broker
from stream.detect.detector import Detector
from stream.detect.frames.blindness import BlindnessEvent
from stream.detect.outcome import Outcome
from stream.detect.policy import FramePolicy
from stream.detect.series_state import SeriesState
from stream.events.status import status_schema
from stream.events.status_event import StatusEvent
from stream.kafka.partition import Partition
from stream.kafka.records import Records
from stream.kafka.state.state_topic import decode_snapshot, encode_snapshot
from tests.conftest import MakeTopic
from tests.oracles.naive_detector import NaiveDetector
from tests.oracles.naive_records import NaivePolicy
from tests.stream.detect.test_detector import POLICIES, Case, a_case, the_twin
from tests.stream.kafka.test_partition import DEFINITION, Log, cut, log_twin, state_of
from tests.support.builders import SECOND, START, a_definition, a_policy, a_spec, readings
from tests.support.live import Live

AFTER = 6 * SECOND
NAN = float("nan")
SIGHTS = ("data.series_blind", "data.series_sees_again")


def cut_wires(case: Case, seed: int) -> Case:
    """The case with wires that are cut for a while, one or both of a series."""
    draw, values = np.random.default_rng(seed), case.values.copy()
    for name in set(case.series):
        rows = np.flatnonzero(np.array(case.series) == name)
        for _ in range(3):
            start, length = int(draw.integers(0, len(rows))), int(draw.integers(3, 30))
            values[rows[start : start + length, None], [[0], [0, 1], [0, 1]][int(draw.integers(3))]] = NAN
    return replace(case, values=values)


def a_cut_case(policy: str, seed: int, n: int = 260) -> Case:
    return cut_wires(a_case(policy, seed, n), seed)


def pushed(case: Case, cuts: list[int]) -> list[tuple[BlindnessEvent, int]]:
    """What is told of a case that comes in batches, with the reading that caused it."""
    detector = Detector(case.definition, None, AFTER)
    edges = sorted({0, len(case), *(c % (len(case) + 1) for c in cuts)})
    outcomes = [(start, detector.push(case.cut(start, end))) for start, end in itertools.pairwise(edges)]
    return [
        (replace(sight, row=0), start + sight.row) for start, outcome in outcomes for sight in outcome.blindness_events
    ]


def blind_twin(case: Case) -> NaiveDetector:
    twin = the_twin(case)
    twin.policy = NaivePolicy(**{**vars(twin.policy), "blind_after": AFTER})
    return twin


@pytest.mark.parametrize("policy", POLICIES)
def test_who_is_blind_is_what_the_slow_twin_says(policy: str) -> None:
    told = []
    for seed in range(6):
        case = a_cut_case(policy, seed)
        twin = blind_twin(case)
        for name, time, values in zip(case.series, case.time, case.values, strict=True):
            twin.push(name, int(time), values)
        outcome = Detector(case.definition, None, AFTER).push(case.cut(0, len(case)))
        mine = sorted((s.series, s.time, s.recovered, s.since, s.masked) for s in outcome.blindness_events)
        sensors = case.definition.sensors
        theirs = [(s.series, s.time, s.recovered, s.since, tuple(sensors[f] for f in s.masked)) for s in twin.blindness]
        assert mine == sorted(theirs)
        told += [sight.recovered for sight in outcome.blindness_events]
    assert {True, False} == set(told), "the case must blind a series and let it see again"


@pytest.mark.parametrize("policy", POLICIES)
@given(seed=st.integers(0, 50), cuts=st.lists(st.integers(0, 10_000), max_size=12))
def test_batch_boundaries_do_not_matter(policy: str, seed: int, cuts: list[int]) -> None:
    case = a_cut_case(policy, seed, 120)
    assert sorted(pushed(case, []), key=repr) == sorted(pushed(case, cuts), key=repr)


@pytest.mark.parametrize("policy", POLICIES)
@given(seed=st.integers(0, 50), at=st.integers(0, 120))
def test_a_restored_detector_tells_neither_twice_nor_too_late(policy: str, seed: int, at: int) -> None:
    """restore(C) equals run(0..C), through the bytes of the snapshots."""
    case = a_cut_case(policy, seed, 120)
    first, second = Detector(case.definition, None, AFTER), Detector(case.definition, None, AFTER)
    first.push(case.cut(0, at))
    packed = [msgspec.msgpack.encode(first.snapshot(name)) for name in first.slots.names()]
    second.restore(msgspec.msgpack.decode(data, type=SeriesState) for data in packed)
    assert [msgspec.msgpack.encode(second.snapshot(name)) for name in first.slots.names()] == packed
    rest = case.cut(at, len(case))
    assert first.push(rest).blindness_events == second.push(rest).blindness_events


def one_series(rows: list[tuple[int, float]], policy: FramePolicy | None = None) -> Outcome:
    """Readings of series `a`: second and value of s0; s1 is always there."""
    definition = a_definition(a_spec(), policy or a_policy(max_carry=0))
    values = np.array([(value, 2000.0) for _, value in rows])
    time = [START + second * SECOND for second, _ in rows]
    return Detector(definition, None, AFTER).push(readings(["a"] * len(rows), time, values))


def told(outcome: Outcome) -> list[tuple[int, bool, int]]:
    """(reading, sees, seconds since)."""
    return [(sight.row, sight.recovered, (sight.since - START) // SECOND) for sight in outcome.blindness_events]


def test_a_series_is_blind_once_its_frames_were_degraded_for_longer_than_blind_after() -> None:
    outcome = one_series([(0, 1.0), *((s, NAN) for s in range(1, 12)), (12, 1.0), (13, NAN)])
    assert told(outcome) == [(8, False, 1), (12, True, 1)]
    assert [sight.masked for sight in outcome.blindness_events] == [("s0",), ()]


def test_one_whole_frame_in_between_begins_the_wait_anew() -> None:
    assert told(one_series([*((s, NAN) for s in range(5)), (5, 1.0), *((s, NAN) for s in range(6, 12))])) == []


def test_a_gap_does_not_make_it_see() -> None:
    """A gateway that is silent between two degraded frames has shown nothing."""
    assert told(one_series([(0, NAN), (1000, NAN), (2000, NAN)])) == [(1, False, 0)]


def test_frames_that_are_off_neither_blind_a_series_nor_make_it_see() -> None:
    """An asset that is run for minutes at a time is told of when its next degraded frame is long after the first."""
    policy = a_policy(max_carry=0, score_when="s1 > 1000")
    definition = a_definition(a_spec(), policy)
    values = np.array([(NAN, 2000.0), *[(NAN, 0.0)] * 20, (1.0, 0.0), (NAN, 2000.0), (1.0, 2000.0)])
    time = [START + s * SECOND for s in range(len(values))]
    outcome = Detector(definition, None, AFTER).push(readings(["a"] * len(values), time, values))
    assert told(outcome) == [(22, False, 0), (23, True, 0)]


def test_without_blind_after_nothing_is_told() -> None:
    case = a_cut_case("wide", 0)
    assert Detector(case.definition).push(case.cut(0, len(case))).blindness_events == ()


def test_a_series_that_is_forgotten_begins_without_a_past() -> None:
    detector = Detector(DEFINITION, None, AFTER)

    def push(start: int, end: int) -> Outcome:
        time = [START + s * SECOND for s in range(start, end)]
        return detector.push(readings(["a"] * len(time), time, np.full((len(time), 2), NAN)))

    assert len(push(0, 10).blindness_events) == 1
    detector.forget("a")
    assert [sight.since for sight in push(10, 30).blindness_events] == [START + 10 * SECOND]


# --- a partition: snapshots, restarts, swaps


def wired(n: int, seed: int = 0) -> Records:
    """Messages of three series whose wires are cut and mended at random."""
    draw, cut_off, values = np.random.default_rng(seed), dict.fromkeys("abc", False), []
    for second in range(n):
        name = str(draw.choice(list("abc")))
        cut_off[name] ^= bool(draw.random() < 0.12)
        row = None if cut_off[name] else 0.5
        time = (START + second * SECOND) // 1_000_000
        values.append(json.dumps({"time": time, "series": name, "s0": row, "s1": row}).encode())
    return Records([b"k"] * n, values, list(range(n)), [START // 1_000_000] * n, [None] * n)  # type: ignore[list-item]


def sights(partition: Partition) -> list[StatusEvent]:
    return [event for event in partition.status_events if event.kind in SIGHTS]


@given(seed=st.integers(0, 1000), sizes=st.lists(st.integers(1, 30), min_size=1, max_size=10))
def test_what_was_committed_is_not_told_again_and_nothing_is_left_out(seed: int, sizes: list[int]) -> None:
    """At every commit: a restart has the same state, nothing to tell of the past, and the same to tell of the rest."""
    log, whole = Log(blind_after_ns=AFTER), wired(sum(sizes) + 40, seed)
    running, at, committed = log.start(len(whole)), 0, list[StatusEvent]()
    for size in sizes:
        running.process(cut(whole, at, at + size))
        at += size
        committed += sights(running)
        log.commit(running)
        restored = log.start(len(whole))
        restored.process(cut(whole, restored.position, at))
        assert sights(restored) == []
        assert state_of(restored) == state_of(running)
    twin = log_twin(log, whole, at)
    assert committed == sights(twin)
    restored.process(cut(whole, at, len(whole)))
    twin.process(cut(whole, at, len(whole)))
    assert committed + sights(restored) == sights(twin)


def test_the_partition_of_a_series_says_so_at_the_offset_that_showed_it() -> None:
    log, whole = Log(blind_after_ns=AFTER), wired(200)
    running = log.start(200)
    running.process(whole)
    found = sights(running)
    assert {event.kind for event in found} == set(SIGHTS)
    for event in found:
        message = json.loads(whole.values[event.offset or 0] or b"")
        assert message["series"] == event.series
        assert (message["s0"] is None) == (event.kind == "data.series_blind")


def test_a_shorter_blind_after_is_told_of_with_the_first_live_batch() -> None:
    """Nothing was told of what is replayed, so it is told late rather than never; and once."""
    log, whole = Log(blind_after_ns=1000 * SECOND, max_replay=10**6), wired(80)
    running = log.start(len(whole))
    running.process(cut(whole, 0, 60))
    assert sights(running) == []
    log.commit(running)
    log.blind_after_ns = AFTER
    restored = log.start(len(whole))
    restored.process(cut(whole, restored.position, 60))
    late = sights(restored)
    assert late
    restored.process(cut(whole, 60, 61))
    log.commit(restored)
    again = log.start(len(whole))
    again.process(cut(whole, again.position, 61))
    assert sights(again) == []


def test_a_snapshot_written_before_there_was_sight_is_read() -> None:
    """The series begins to be watched at its next frame."""
    log, whole = Log(blind_after_ns=AFTER), wired(60)
    running = log.start(len(whole))
    running.process(whole)
    running.require_all_snapshots()
    log.commit(running)
    blind = [decode_snapshot(record) for _, record in log.state if record is not None]
    assert any(s is not None and s.state is not None and s.state.is_blind for s in blind)
    for at, (series, record) in enumerate(log.state):
        raw = msgspec.msgpack.decode(record or b"")
        raw["state"] = {k: v for k, v in raw["state"].items() if k not in ("degraded_since", "is_blind")}
        log.state[at] = (series, msgspec.msgpack.encode(raw))
    restored = log.start(len(whole))
    states = [restored.detector.snapshot(name) for name in restored.detector.slots.names()]
    assert len(states) == 3
    assert not any(state.is_blind for state in states)


def test_a_series_that_sees_writes_nothing_of_it_into_its_snapshot() -> None:
    log = Log(blind_after_ns=AFTER)
    running = log.start(10)
    running.process(cut(wired(10), 0, 1))
    running.require_all_snapshots()
    ((_, record),) = running.due_snapshots(10)
    snapshot = decode_snapshot(record or b"")
    assert snapshot is not None
    assert b"degraded_since" not in encode_snapshot(snapshot)


@pytest.mark.parametrize("sensors", [2, 3], ids=["frames kept", "frames dropped"])
def test_a_series_that_is_blind_across_a_swap_is_told_to_see_again(sensors: int) -> None:
    log, n = Log(blind_after_ns=AFTER), 40
    values = [
        {"time": (START + s * SECOND) // 1_000_000, "series": "a"}
        | {f"s{f}": None if s < 30 else 0.5 for f in range(3)}
        for s in range(n)
    ]
    texts = [json.dumps(value).encode() for value in values]
    whole = Records([b"k"] * n, texts, list(range(n)), [START // 1_000_000] * n, [None] * n)  # type: ignore[list-item]
    running = log.start(n)
    running.process(cut(whole, 0, 20))
    assert [event.kind for event in running.pop_status_events()] == ["data.series_blind"]
    log.definition = a_definition(a_spec(window=2, smoothing=3, sensors=sensors), DEFINITION.policy, q=0.7, seed=3)
    running.swap(log.definition, log.decoder())
    running.process(cut(whole, 20, n))
    kinds = [(event.kind, event.details.get("since")) for event in running.pop_status_events()]
    assert kinds[1:] == [("data.series_sees_again", "2023-11-14T22:13:20Z")]


def test_a_tick_that_a_silence_closes_may_show_it_too() -> None:
    """It stands at the last offset that was taken."""
    policy = a_policy(resample="last", interval_ns=10 * SECOND, max_gap_ns=50 * SECOND, max_carry=0)
    log = Log(a_definition(a_spec(), policy), blind_after_ns=AFTER)
    running = log.start(10)
    for offset, second in enumerate((0, 10)):
        running.process(a_hole(offset, second))
    assert sights(running) == []
    running.silence("a")
    (event,) = sights(running)
    assert (event.kind, event.offset, event.details["masked"]) == ("data.series_blind", 1, "s0, s1")
    log.commit(running)
    restored = log.start(10)
    assert state_of(restored) == state_of(running)
    assert sights(restored) == []


def a_hole(offset: int, second: int) -> Records:
    """A message of series `a` without a value."""
    text = json.dumps({"time": (START + second * SECOND) // 1_000_000, "series": "a", "s0": None}).encode()
    return Records([b"k"], [text], [offset], [START // 1_000_000], [None])  # type: ignore[list-item]


# --- on a real broker


def test_a_cut_wire_is_told_once_and_so_is_its_mending_through_kills(
    tmp_path: Path, broker: Broker, topic: MakeTopic
) -> None:
    """Killed right before and right after the commit that tells it; the event stands in the transaction."""
    definition = a_definition(a_spec(), a_policy(max_carry=0), q=1e9)
    live = Live(tmp_path, broker.bootstrap, topic, definition, serve={"blind_after": "5s"})

    def send(seconds: range, sees: bool) -> None:
        rows = [{"time": (START + s * SECOND) // 1_000_000, "s1": 1.0} | ({"s0": 1.0} if sees else {}) for s in seconds]
        live.send(("pump-1", json.dumps(row).encode()) for row in rows)

    def statuses() -> list[tuple[str, str]]:
        found = [record.json() for record in live.read(live.status)]
        return [(event["kind"], event["series"]) for event in found if event["kind"] in SIGHTS]

    try:
        send(range(10), sees=True)
        send(range(10, 20), sees=False)
        live.expect_kill(live.start(fault="offsets_sent:1:kill"))
        assert statuses() == []
        live.expect_kill(live.start(fault="committed:1:kill"))
        send(range(20, 30), sees=False)
        process = live.start()
        live.wait(lambda: bool(statuses()), "the blind series told")
        send(range(30, 35), sees=True)
        live.wait(lambda: bool(live.logged("data.series_sees_again")), "its mending told")
        before = len(live.logged("data.series_blind"))
        send(range(35, 50), sees=False)
        live.wait(lambda: len(live.logged("data.series_blind")) > before, "the next cut told")
        live.stop(process)
        blind_again = ("data.series_blind", "data.series_sees_again", "data.series_blind")
        assert statuses() == [(kind, "pump-1") for kind in blind_again]
        assert live.logged("data.series_blind")[-1]["level"] == "warning"
        blind = next(e for e in (r.json() for r in live.read(live.status)) if e["kind"] == "data.series_blind")
        jsonschema.validate(blind, status_schema())
        assert blind["details"] == {"since": "2023-11-14T22:13:30Z", "at": "2023-11-14T22:13:36Z", "masked": "s0"}
        assert [line["series"] for line in live.logged("data.series_sees_again")] == ["pump-1"]
    finally:
        live.close()
