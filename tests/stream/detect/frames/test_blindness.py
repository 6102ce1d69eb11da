"""Series that go blind and recover: against the slow detector, over batches and restores."""

import itertools
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.detect.detector import Detector
from stream.detect.frames.blindness import BlindnessEvent
from stream.detect.outcome import Outcome
from stream.detect.policy import FramePolicy
from stream.detect.series_state import SeriesState
from tests.oracles.naive_detector import NaiveDetector
from tests.oracles.naive_records import NaivePolicy
from tests.stream.detect.test_detector import POLICIES, Case, a_case, the_twin
from tests.stream.kafka.test_partition import DEFINITION
from tests.support.builders import SECOND, START, a_definition, a_policy, a_spec, readings

AFTER = 6 * SECOND
NAN = float("nan")


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
    """A case with cut wires."""
    return cut_wires(a_case(policy, seed, n), seed)


def pushed(case: Case, cuts: list[int]) -> list[tuple[BlindnessEvent, int]]:
    """Blindness events of a case that comes in batches, each with the reading that caused it."""
    detector = Detector(case.definition, None, AFTER)
    edges = sorted({0, len(case), *(c % (len(case) + 1) for c in cuts)})
    outcomes = [(start, detector.push(case.cut(start, end))) for start, end in itertools.pairwise(edges)]
    return [
        (replace(event, row=0), start + event.row) for start, outcome in outcomes for event in outcome.blindness_events
    ]


def blind_twin(case: Case) -> NaiveDetector:
    """The slow twin with a limit on blindness."""
    twin = the_twin(case)
    twin.policy = NaivePolicy(**{**vars(twin.policy), "blind_after": AFTER})
    return twin


@pytest.mark.parametrize("policy", POLICIES)
def test_blindness_is_that_of_the_slow_twin(policy: str) -> None:
    recovered = []
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
        recovered += [event.recovered for event in outcome.blindness_events]
    assert {True, False} == set(recovered), "the case must blind a series and let it recover"


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
    """The outcome of readings of series `a`: second and value of s0; s1 always has a value."""
    definition = a_definition(a_spec(), policy or a_policy(max_carry=0))
    values = np.array([(value, 2000.0) for _, value in rows])
    time = [START + second * SECOND for second, _ in rows]
    return Detector(definition, None, AFTER).push(readings(["a"] * len(rows), time, values))


def events_of(outcome: Outcome) -> list[tuple[int, bool, int]]:
    """Blindness events: (reading, recovered, seconds since)."""
    return [(event.row, event.recovered, (event.since - START) // SECOND) for event in outcome.blindness_events]


def test_a_series_is_blind_once_its_frames_were_degraded_for_longer_than_blind_after() -> None:
    outcome = one_series([(0, 1.0), *((s, NAN) for s in range(1, 12)), (12, 1.0), (13, NAN)])
    assert events_of(outcome) == [(8, False, 1), (12, True, 1)]
    assert [event.masked for event in outcome.blindness_events] == [("s0",), ()]


def test_one_whole_frame_in_between_begins_the_wait_anew() -> None:
    assert events_of(one_series([*((s, NAN) for s in range(5)), (5, 1.0), *((s, NAN) for s in range(6, 12))])) == []


def test_a_gap_does_not_make_it_see() -> None:
    """A gateway that is silent between two degraded frames has shown nothing."""
    assert events_of(one_series([(0, NAN), (1000, NAN), (2000, NAN)])) == [(1, False, 0)]


def test_frames_that_are_off_neither_blind_a_series_nor_make_it_see() -> None:
    """An asset that runs for minutes at a time is reported once a degraded frame is long enough after the first."""
    policy = a_policy(max_carry=0, score_when="s1 > 1000")
    definition = a_definition(a_spec(), policy)
    values = np.array([(NAN, 2000.0), *[(NAN, 0.0)] * 20, (1.0, 0.0), (NAN, 2000.0), (1.0, 2000.0)])
    time = [START + s * SECOND for s in range(len(values))]
    outcome = Detector(definition, None, AFTER).push(readings(["a"] * len(values), time, values))
    assert events_of(outcome) == [(22, False, 0), (23, True, 0)]


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
    assert [event.since for event in push(10, 30).blindness_events] == [START + 10 * SECOND]
