"""The life of incidents on scores written by hand: opening, updates, end."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.detect.incidents.incident import IncidentEvent, SensorShare, alert_id
from stream.detect.incidents.incidents import Incidents
from stream.detect.incidents.scored_frames import ScoredFrames
from stream.detect.policy import Rules
from tests.support.builders import a_rules

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
NAN = float("nan")
THRESHOLD = 2.0
RULES = a_rules(close_after=3, close_ratio=0.8, update_every_ns=100 * SECOND, max_duration_ns=1000 * SECOND)
Summary = tuple[str, str | None, int]


class Driver:
    """Incidents of series "a" (slot 0) and "b" (slot 1); one frame a second unless a time is given."""

    def __init__(self, rules: Rules = RULES) -> None:
        self.incidents = Incidents("test", rules)
        self.incidents.resize(2)
        self._next = [0, 0]

    def push(self, scores: Sequence[float], slot: int = 0, times: Sequence[int] | None = None) -> list[IncidentEvent]:
        """Events of consecutive frames with these scores; times in seconds."""
        at = list(range(self._next[slot], self._next[slot] + len(scores))) if times is None else list(times)
        self._next[slot] = at[-1] + 1
        return self.incidents.push(self.scored_frames(scores, at, slot), ("a", "b").__getitem__, self.shares)

    @staticmethod
    def scored_frames(scores: Sequence[float], at: Sequence[int], slot: int) -> ScoredFrames:
        score = np.array(scores, np.float64)
        return ScoredFrames(
            series=np.full(len(score), slot, np.int32),
            time=np.array(at, np.int64) * SECOND,
            level=score * THRESHOLD,
            score=score,
            disagreement=score / 100,
            imputed=np.arange(len(score), dtype=np.int32),
            row=np.arange(len(score), dtype=np.int64),
            threshold=np.full(len(score), THRESHOLD),
            vetoed=np.zeros(len(score), np.bool_),
            outside=np.zeros(len(score), np.bool_),
            view=(np.arange(len(score)) % 2).astype(np.int8),
            moved=np.zeros(len(score), np.bool_),
        )

    @staticmethod
    def shares(row: int) -> tuple[SensorShare, ...]:
        return (SensorShare(f"sensor of row {row}", 1.0, 1.0, 0.0, "high"),)


def summaries(events: Sequence[IncidentEvent]) -> list[Summary]:
    return [(event.state, event.reason, event.time // SECOND) for event in events]


def test_an_incident_opens_above_1_not_at_1() -> None:
    driver = Driver()
    assert driver.push([0.0, 0.999, 1.0, 1.0]) == []
    (opened,) = driver.push([np.nextafter(1.0, 2.0)])
    assert (opened.state, opened.started_at, opened.sequence, opened.reason) == ("opened", 4 * SECOND, 0, None)
    assert (opened.series, opened.ended_at, opened.threshold) == ("a", None, THRESHOLD)
    assert len(driver.incidents) == 1


def test_it_closes_after_the_frames_in_a_row_below_the_ratio_and_ended_at_the_first_of_them() -> None:
    driver = Driver()
    assert summaries(driver.push([2.0, 0.5, 0.5])) == [("opened", None, 0)]
    (resolved,) = driver.push([0.5])
    assert (resolved.state, resolved.reason, resolved.time) == ("resolved", "recovered", 3 * SECOND)
    assert resolved.ended_at == 1 * SECOND
    assert resolved.sequence == 1
    assert len(driver.incidents) == 0
    assert driver.push([0.5] * 10) == [], "closed is closed"


@pytest.mark.parametrize("loud", [0.8, 0.9, 1.0, 5.0])
def test_a_frame_at_or_above_the_ratio_starts_the_count_again(loud: float) -> None:
    driver = Driver()
    driver.push([1.5, 0.7, 0.7, loud])
    assert driver.push([0.7, 0.7]) == []
    (resolved,) = driver.push([0.7])
    assert resolved.ended_at == 4 * SECOND, "the first of the last three"


def test_a_score_between_the_ratio_and_1_neither_closes_nor_opens() -> None:
    driver = Driver()
    assert summaries(driver.push([1.5, *[0.9] * 50])) == [("opened", None, 0)]
    assert summaries(driver.push([0.1] * 3)) == [("resolved", "recovered", 53)]
    assert driver.push([0.9] * 50) == []


def test_a_single_quiet_frame_closes_where_one_is_enough() -> None:
    driver = Driver(a_rules(close_after=1))
    assert summaries(driver.push([1.5, 0.1, 1.5, 0.1])) == [
        ("opened", None, 0), ("resolved", "recovered", 1), ("opened", None, 2), ("resolved", "recovered", 3),
    ]  # fmt: skip


def test_frames_that_are_not_scored_neither_close_nor_count() -> None:
    driver = Driver()
    assert summaries(driver.push([2.0, 0.1, NAN, NAN, NAN, NAN, 0.1, NAN])) == [("opened", None, 0)]
    (resolved,) = driver.push([0.1])
    assert (resolved.time, resolved.ended_at) == (8 * SECOND, 1 * SECOND)
    assert Driver().push([NAN, NAN]) == [], "and they open nothing"


def test_severity_rises_with_the_peak_is_published_at_once_and_never_falls() -> None:
    driver = Driver()
    events = driver.push([1.5, 1.9, 2.0, 1.1, 4.9, 5.0, 2.0, 25.0, 1.2, 0.1, 0.1, 0.1])
    assert [(event.state, event.time // SECOND, event.severity) for event in events] == [
        ("opened", 0, "low"), ("updated", 2, "medium"), ("updated", 5, "high"), ("updated", 7, "critical"),
        ("resolved", 11, "critical"),
    ]  # fmt: skip
    assert [event.peak_score for event in events] == [1.5, 2.0, 5.0, 25.0, 25.0]
    assert events[-1].score == 0.1


@pytest.mark.parametrize(
    ("score", "severity"), [(1.01, "low"), (2.0, "medium"), (4.99, "medium"), (5.0, "high"), (20.0, "critical")]
)
def test_severity_of_an_opening_is_that_of_its_score(score: float, severity: str) -> None:
    assert Driver().push([score])[0].severity == severity


def test_an_update_is_published_when_enough_event_time_has_passed_since_the_last_event() -> None:
    driver = Driver(a_rules(close_after=3, update_every_ns=10 * SECOND))
    events = driver.push([1.5] * 5 + [3.0] + [1.5] * 20)
    assert summaries(events) == [
        ("opened", None, 0), ("updated", None, 5), ("updated", None, 15), ("updated", None, 25),
    ]  # fmt: skip
    assert [event.sequence for event in events] == [0, 1, 2, 3]


def test_an_incident_is_split_when_it_gets_too_long_and_the_next_begins_where_it_ends() -> None:
    driver = Driver(a_rules(close_after=3, max_duration_ns=10 * SECOND, update_every_ns=HOUR))
    events = driver.push([3.0] + [1.5] * 20)
    assert summaries(events) == [
        ("opened", None, 0), ("resolved", "split", 10), ("opened", None, 10), ("resolved", "split", 20),
        ("opened", None, 20),
    ]  # fmt: skip
    assert [event.ended_at for event in events if event.reason == "split"] == [10 * SECOND, 20 * SECOND]
    assert [event.severity for event in events] == ["medium", "medium", "low", "low", "low"], "each its own peak"
    assert len({event.alert_id for event in events}) == 3


def test_a_split_does_not_wait_for_a_frame_with_a_score() -> None:
    driver = Driver(a_rules(close_after=3, max_duration_ns=5 * SECOND))
    assert summaries(driver.push([1.5, NAN, NAN, NAN, NAN, NAN, NAN, 1.5])) == [
        ("opened", None, 0), ("resolved", "split", 5), ("opened", None, 7),
    ]  # fmt: skip


def test_silence_closes_at_the_last_frame_and_only_what_is_open() -> None:
    driver = Driver()
    driver.push([1.5, 1.4])
    (event,) = driver.incidents.close(0, "a", 1 * SECOND, "silent")
    assert (event.state, event.reason, event.ended_at, event.row) == ("resolved", "silent", 1 * SECOND, -1)
    assert driver.incidents.close(0, "a", 1 * SECOND, "silent") == []
    assert driver.incidents.close(1, "b", 1 * SECOND, "silent") == []
    assert summaries(driver.push([1.5])) == [("opened", None, 2)], "back with trouble: a new incident"


def test_an_event_carries_the_last_score_and_the_sensors_of_the_peak() -> None:
    driver = Driver()
    events = driver.push([1.5, 30.0, 0.5, 0.4, 0.3])
    assert [event.sensors[0].name for event in events] == ["sensor of row 0", "sensor of row 1", "sensor of row 1"]
    resolved = events[-1]
    assert (resolved.score, resolved.level, resolved.disagreement, resolved.imputed) == (0.3, 0.6, 0.003, 4)
    assert resolved.threshold == pytest.approx(THRESHOLD)


def test_shares_of_sensors_are_computed_at_peaks_only() -> None:
    """The shares cost more than the frame."""
    asked: list[int] = []

    def shares(row: int) -> tuple[SensorShare, ...]:
        asked.append(row)
        return ()

    driver = Driver()
    judged = driver.scored_frames([0.5, 1.5, 1.4, 1.6, 1.6, 0.1, 2.0], range(7), 0)
    driver.incidents.push(judged, ("a", "b").__getitem__, shares)
    assert asked == [1, 3, 6]


def test_series_do_not_touch_each_other() -> None:
    driver = Driver()
    both = ScoredFrames(
        *(
            np.concatenate([getattr(driver.scored_frames([1.5, 0.1, 0.1], range(3), 0), name), getattr(other, name)])
            for other in [driver.scored_frames([0.1, 1.5, 0.1], range(3), 1)]
            for name in ScoredFrames.__slots__
        )
    )
    events = driver.incidents.push(both, ("a", "b").__getitem__, driver.shares)
    assert [(event.series, event.state, event.time) for event in events] == [
        ("a", "opened", 0),
        ("b", "opened", SECOND),
    ]
    assert summaries(driver.push([0.1], slot=0, times=[3])) == [("resolved", "recovered", 3)]
    assert driver.push([0.1], slot=1, times=[3]) == []
    assert len(driver.incidents) == 1


def test_an_id_names_detector_series_and_opening_frame_and_nothing_else() -> None:
    (opened,) = Driver().push([7.0], times=[42])
    assert opened.alert_id == alert_id("test", "a", 42 * SECOND)
    others = {
        alert_id("other", "a", 42),
        alert_id("test", "b", 42),
        alert_id("test", "a", 43),
        alert_id("test", "a", 42),
    }
    assert len(others) == 4


@given(
    scores=st.lists(st.sampled_from([0.1, 0.79, 0.8, 0.9, 1.0, 1.1, 2.0, 6.0, 30.0, NAN]), min_size=1, max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=5),
)
def test_the_life_of_incidents_has_an_order_whatever_the_scores_and_the_batches(
    scores: list[float], cuts: list[int]
) -> None:
    """Opened, updated, resolved; sequences without gaps; ends after starts; the same in any batches."""
    rules = a_rules(close_after=2, close_ratio=0.8, update_every_ns=7 * SECOND, max_duration_ns=15 * SECOND)
    whole = Driver(rules).push(scores)
    driver, pieces = Driver(rules), []
    edges = sorted({0, len(scores), *(cut for cut in cuts if cut < len(scores))})
    for start, end in pairwise(edges):
        pieces += driver.push(scores[start:end])
    assert [
        (e.alert_id, e.sequence, e.state, e.reason, e.time, e.peak_score, e.severity, e.ended_at) for e in whole
    ] == [(e.alert_id, e.sequence, e.state, e.reason, e.time, e.peak_score, e.severity, e.ended_at) for e in pieces]
    lives: dict[str, list[IncidentEvent]] = {}
    for event in whole:
        lives.setdefault(event.alert_id, []).append(event)
    severities = ["low", "medium", "high", "critical"]
    for life in lives.values():
        assert [event.sequence for event in life] == list(range(len(life)))
        assert life[0].state == "opened"
        assert {event.state for event in life[1:-1]} <= {"updated"}
        ranks = [severities.index(event.severity) for event in life]
        assert ranks == sorted(ranks)
        for event in life:
            assert (event.ended_at is not None) == (event.state == "resolved")
            assert event.ended_at is None or event.started_at < event.ended_at <= event.time


def test_a_severity_does_not_fall_where_another_bundle_has_higher_edges() -> None:
    before, after = Driver(), Driver(a_rules(severity_edges=(100.0, 200.0, 300.0), update_every_ns=10 * SECOND))
    (opened,) = before.push([6.0])
    after.incidents.restore(0, before.incidents.get(0))
    (updated,) = after.push([6.0] * 10, times=range(1, 11))
    assert (opened.severity, updated.state, updated.severity) == ("high", "updated", "high")
