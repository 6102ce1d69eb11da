"""Series that are not watched, and are watched again: against the slow detector, over batches and restores."""

import itertools
from dataclasses import dataclass, replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.detect.detector import Detector
from stream.detect.outcome import Outcome
from stream.detect.policy import FramePolicy
from stream.detect.series_state import SeriesState
from stream.detect.stream_clock import StreamClock
from stream.detect.unwatched import CoverageEvent, CoverageReason, unwatched_limit
from tests.oracles.naive_coverage import REASONS
from tests.oracles.naive_detector import NaiveDetector
from tests.oracles.naive_records import NaivePolicy
from tests.stream.detect.detector_cases import POLICIES, Case, a_case, the_twin
from tests.stream.detect.test_detector import life
from tests.support.builders import SECOND, START, a_definition, a_policy, a_spec, readings

AFTER = 12 * SECOND
NAN = float("nan")


def a_troubled_case(policy: str, seed: int, n: int = 260) -> Case:
    """Like `a_case`, with a series whose first sensor has no values for long, and clocks that leap and go back."""
    case, draw = a_case(policy, seed, n), np.random.default_rng(seed)
    values, time = case.values.copy(), case.time.copy()
    name = np.array(case.series)
    for series in ("a", "b"):
        start, length = int(draw.integers(0, n)), int(draw.integers(10, 150))
        rows = np.flatnonzero(name == series)
        values[rows[(rows >= start) & (rows < start + length)], 0] = NAN
    for at in draw.integers(0, n, 2).tolist():
        later = np.flatnonzero((name == draw.choice(["a", "b", "new"])) & (np.arange(n) >= at))
        time[later] += int(draw.choice([-40, 60])) * SECOND
    time[draw.integers(0, n)] += 100 * SECOND
    return replace(case, values=values, time=time)


@dataclass(frozen=True)
class Pushed:
    """The events that a detector made of a case, each with its place among all readings."""

    coverage: list[CoverageEvent]
    lives: list[tuple[object, ...]]


def detector_of(case: Case, retire: int | None) -> Detector:
    return Detector(case.definition, retire, AFTER)


def clock() -> StreamClock:
    made = StreamClock()
    made.longest_step_ns = AFTER // 2
    return made


def pushed(case: Case, cuts: list[int], retire: int | None = None, sweep: bool = False) -> Pushed:
    """The events of a case that comes in batches; `sweep`: forget expired series between them, as a commit does."""
    detector, of = detector_of(case, retire), clock()
    edges = sorted({0, len(case), *(cut % (len(case) + 1) for cut in cuts)})
    coverage: list[CoverageEvent] = []
    lives: list[tuple[object, ...]] = []
    for start, end in itertools.pairwise(edges):
        outcome = detector.push(case.cut(start, end), *of.advance(case.time[start:end]))
        coverage += [replace(event, row=start + event.row) for event in outcome.coverage_events]
        lives += [(*life(event), start + event.row) for event in outcome.events]
        for series in detector.expired(of.stream_time) if sweep else ():
            detector.forget(series)
    return Pushed(coverage, sorted(lives))


def twin_of(case: Case, retire: int | None) -> NaiveDetector:
    """The slow twin that watches the coverage."""
    twin = the_twin(case)
    twin.policy = NaivePolicy(**{**vars(twin.policy), "unwatched_after": AFTER, "retire_after": retire})
    return twin


@pytest.mark.parametrize("retire", [None, 25 * SECOND])
@pytest.mark.parametrize("policy", POLICIES)
def test_coverage_is_that_of_the_slow_twin(policy: str, retire: int | None) -> None:
    """Events with their readings, reasons and counts, and the incidents that end."""
    assert tuple(reason.label for reason in CoverageReason) == REASONS
    reasons, told = set(), set()
    for seed in range(3):
        case = a_troubled_case(policy, seed)
        twin, theirs = twin_of(case, retire), []
        for row, (name, time, values) in enumerate(zip(case.series, case.time, case.values, strict=True)):
            known = len(twin.coverage.events)
            twin.push(name, int(time), values)
            theirs += [(row, event) for event in twin.coverage.events[known:]]
        mine = pushed(case, [], retire)
        sensors = case.definition.sensors
        seen = [(e.row, e.series, e.watched, e.since, e.time, e.counts, e.masked) for e in mine.coverage]
        due = [
            (row, e.series, e.watched, e.since, e.time, tuple(e.counts), tuple(sensors[f] for f in e.masked))
            for row, e in theirs
        ]
        assert sorted(seen) == sorted(due)
        assert [one[:-1] for one in mine.lives] == sorted(map(life, twin.events))
        told |= {event.watched for event in mine.coverage}
        reasons |= {reason.label for event in mine.coverage for reason, _ in event.reasons}
    assert told == {True, False}
    assert len(reasons) > 1


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=12)
@given(seed=st.integers(0, 50), cuts=st.lists(st.integers(0, 10_000), max_size=12), sweep=st.booleans())
def test_batch_boundaries_do_not_matter(policy: str, seed: int, cuts: list[int], sweep: bool) -> None:
    case = a_troubled_case(policy, seed, 120)
    retire = 25 * SECOND if sweep else None
    whole, parts = pushed(case, [], retire), pushed(case, cuts, retire, sweep)
    assert sorted(whole.coverage, key=repr) == sorted(parts.coverage, key=repr)
    assert whole.lives == parts.lives


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=12)
@given(seed=st.integers(0, 50), at=st.integers(1, 120))
def test_a_restored_detector_tells_neither_twice_nor_too_late(policy: str, seed: int, at: int) -> None:
    """restore(C) equals run(0..C), through the bytes of the snapshots."""
    case = a_troubled_case(policy, seed, 120)
    first, second, of = detector_of(case, None), detector_of(case, None), clock()
    first.push(case.cut(0, at), *of.advance(case.time[:at]))
    packed = [msgspec.msgpack.encode(first.snapshot(name)) for name in first.slots.names()]
    second.restore(msgspec.msgpack.decode(data, type=SeriesState) for data in packed)
    assert [msgspec.msgpack.encode(second.snapshot(name)) for name in first.slots.names()] == packed
    second.coverage.now = of.watch_time
    rest, times = case.cut(at, len(case)), of.advance(case.time[at:])
    mine, theirs = first.push(rest, *times), second.push(rest, *times)
    assert mine.coverage_events == theirs.coverage_events
    assert mine.events == theirs.events


def of_series(rows: list[tuple[str, int, float]], policy: FramePolicy | None = None) -> Outcome:
    """The outcome of readings: series, second and value of s0; s1 always has a value."""
    definition = a_definition(a_spec(), policy or a_policy(max_carry=0))
    values = np.array([(value, 2000.0) for _, _, value in rows])
    time = np.array([START + second * SECOND for _, second, _ in rows])
    sent = readings([name for name, _, _ in rows], time, values)
    return Detector(definition, None, AFTER).push(sent, *clock().advance(time))


def told(outcome: Outcome) -> list[tuple[int, str, str]]:
    """Events: reading, series, main reason; or `watched`."""
    return [
        (event.row, event.series, "watched" if event.watched else event.reasons[0][0].label)
        for event in outcome.coverage_events
    ]


def test_degraded_frames_for_longer_than_the_limit_are_told_and_so_is_the_first_whole_one() -> None:
    outcome = of_series([("a", 0, 1.0), *(("a", s, NAN) for s in range(1, 15)), ("a", 15, 1.0), ("a", 16, NAN)])
    assert told(outcome) == [(13, "a", "degraded"), (15, "a", "watched")]
    first, again = outcome.coverage_events
    assert (first.masked, first.counts[CoverageReason.DEGRADED], first.since) == (("s0",), 13, START)
    assert (again.masked, again.counts[CoverageReason.DEGRADED], again.since) == ((), 14, START)


def test_a_series_that_falls_silent_is_told_at_a_reading_of_another_one() -> None:
    both = [(name, s, 1.0) for s in range(10) for name in "ab"]
    rows = [*both, *(("b", s, 1.0) for s in range(10, 30)), ("a", 30, 1.0), ("a", 31, 1.0)]
    assert told(of_series(rows)) == [(32, "a", "silent"), (41, "a", "watched")], "a second reading confirms the time"


def test_one_reading_far_ahead_leaves_the_other_series_watched() -> None:
    """Watch time goes on by half of the limit at most, and the clock of the series itself not at all."""
    rows = [(name, s, 1.0) for s in range(10) for name in "abc"]
    late = [(name, s, 1.0) for s in range(11, 30) for name in "abc"]
    assert told(of_series([*rows, ("a", 3010, 1.0), *late])) == []


def test_a_pause_of_everything_is_told_of_nothing() -> None:
    rows = [(name, s + pause, 1.0) for pause in (0, 3600) for s in range(10) for name in "abc"]
    assert told(of_series(rows)) == []


def test_readings_that_all_come_after_a_gap_are_told_of_and_a_usual_warm_up_is_not() -> None:
    assert told(of_series([("a", s, 1.0) for s in range(30)])) == []
    assert told(of_series([("a", 6 * s, 1.0) for s in range(6)])) == [(3, "a", "warming")]


def test_a_clock_set_back_is_told_of_though_stream_time_stands_still_until_the_series_starts_anew() -> None:
    rows = [*(("a", s, 1.0) for s in range(20)), *(("a", s - 3600, 1.0) for s in range(20, 40))]
    assert told(of_series(rows)) == [(32, "a", "late"), (39, "a", "watched")]


def test_an_asset_at_rest_is_off() -> None:
    policy = a_policy(score_when="s0 > 0")
    rows = [*(("a", s, 1.0) for s in range(10)), *(("a", s, -1.0) for s in range(10, 40)), ("a", 40, 1.0)]
    assert told(of_series(rows, policy)) == [(22, "a", "off"), (40, "a", "watched")]


def test_a_sensor_that_is_lost_is_told_of_though_frames_are_scored_without_it() -> None:
    """It is told once it was away for the limit, and again when it is back. An incident goes on meanwhile."""
    policy = a_policy(max_carry=0, max_missing=1)
    rows = [*(("a", s, 1.0) for s in range(10)), *(("a", s, NAN) for s in range(10, 40)), ("a", 40, 1.0)]
    outcome = of_series(rows, policy)
    assert told(outcome) == [(23, "a", "lost"), (40, "a", "watched")]
    first, again = outcome.coverage_events
    assert (first.masked, first.since) == (("s0",), START + 10 * SECOND)
    assert (again.since, again.counts[CoverageReason.LOST]) == (first.since, 17)
    assert "unwatched" not in {event.reason for event in outcome.events}


def test_a_lost_sensor_and_then_silence_are_one_event_and_the_incident_ends() -> None:
    policy = a_policy(max_carry=0, max_missing=1)
    loud = [("a", s, 1e6 if s < 10 else NAN) for s in range(30)]
    outcome = of_series([*loud, *(("b", s, 1.0) for s in range(60))], policy)
    assert [event for event in told(outcome) if event[1] == "a"] == [(23, "a", "lost")]
    assert [event.reason for event in outcome.events if event.series == "a"][-1] == "unwatched"


def test_a_sensor_that_never_came_is_not_lost() -> None:
    assert told(of_series([("a", s, NAN) for s in range(60)], a_policy(max_carry=0, max_missing=1))) == []


def test_without_a_limit_nothing_is_told() -> None:
    case = a_troubled_case("wide", 0)
    times = clock().advance(case.time)
    assert Detector(case.definition).push(case.cut(0, len(case)), *times).coverage_events == ()


def test_a_series_that_is_forgotten_begins_without_a_past() -> None:
    detector, of = Detector(a_definition(a_spec(), a_policy(max_carry=0)), None, AFTER), clock()

    def push(start: int, end: int) -> Outcome:
        time = np.array([START + s * SECOND for s in range(start, end)])
        return detector.push(readings(["a"] * len(time), time, np.full((len(time), 2), NAN)), *of.advance(time))

    assert len(push(0, 20).coverage_events) == 1
    detector.forget("a")
    assert [event.since for event in push(20, 40).coverage_events] == [START + 20 * SECOND]


def test_the_limit_leaves_room_for_gaps_that_windows_may_span() -> None:
    assert unwatched_limit(a_policy(), None) == 60 * SECOND
    assert unwatched_limit(a_policy(interval_ns=60 * SECOND, max_gap_ns=180 * SECOND), None) == 600 * SECOND
    assert unwatched_limit(a_policy(max_gap_ns=100 * SECOND, grace_ns=SECOND), None) == 201 * SECOND
    assert unwatched_limit(a_policy(), 5) == 5
