"""Incidents beside labelled events: events found, true and false incidents, delays and rates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from training.data.spans import Span
from training.metrics.events import DAY, OPEN_END, EventMetrics, compare, days_outside, spans_of, usual_step

SECOND = 1_000_000_000
Pairs = list[tuple[int, int]]


def spans(*pairs: tuple[float, float], series: str = "a") -> list[Span]:
    return [Span(series, int(start * SECOND), int(end * SECOND)) for start, end in pairs]


def seconds(*times: float) -> NDArray[np.int64]:
    return (np.array(times) * SECOND).astype(np.int64)


def flags(*values: int) -> NDArray[np.bool_]:
    return np.array(values, np.bool_)


def lengths() -> st.SearchStrategy[Pairs]:
    """Starts and lengths; spans may overlap."""
    return st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=8)


def test_an_event_lasts_until_its_last_frame_has_left_windows_and_levels_or_the_next_one_begins() -> None:
    """Frames 3 and 4, 8, and the last one: each run ends one frame and three of grace after its last frame."""
    time = seconds(*range(10, 21))
    assert spans_of("a", time, flags(0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 1), 3) == spans((13, 18), (18, 20), (20, 24))
    assert spans_of("a", time[:3], flags(0, 0, 0), 3) == []
    assert spans_of("a", time[:3], flags(1, 1, 1), 0) == spans((10, 13))


def test_grace_is_counted_in_usual_steps() -> None:
    time = seconds(0, 2, 4, 6, 60)
    assert usual_step(time) == 2 * SECOND
    assert spans_of("a", time, flags(0, 0, 1, 0, 0), 4) == spans((4, 14))


def test_a_run_is_not_ended_by_one_that_a_clock_set_back_made_begin_earlier() -> None:
    assert spans_of("a", seconds(10, 11, 12, 3, 4, 5), flags(0, 1, 0, 0, 1, 0), 2) == spans((11, 14), (4, 7))


def test_a_single_frame_that_is_flagged_is_an_instant() -> None:
    assert spans_of("a", seconds(5), flags(1), 3) == [Span("a", 5 * SECOND, 5 * SECOND + 4)]


def test_an_incident_is_true_where_it_opened_inside_an_event_and_false_where_it_overlaps_none() -> None:
    events = spans((10, 20), (50, 60), (80, 90))
    incidents = spans((20, 30), (45, 52), (55, 56), (89, 95), (95, 99))
    found = compare(events, incidents, normal_days=4.0)
    assert (found.events, found.found, found.opened_inside) == (3, 2, 2)
    assert (found.incidents, found.true, found.false) == (5, 2, 2)
    assert (found.delays_s, found.median_delay_s) == ((5.0, 9.0), 7.0)
    assert (found.precision, found.recall, found.false_per_day) == (2 / 5, 2 / 3, 0.5)
    assert found.f1 == pytest.approx(0.5)


def test_an_incident_that_was_open_before_an_event_overlaps_it_but_is_neither_true_nor_false() -> None:
    found = compare(spans((10, 20)), spans((5, 15)), 1.0)
    assert (found.found, found.opened_inside, found.true, found.false, found.median_delay_s) == (1, 0, 0, 0, None)
    assert found.f1 == 0.0


def test_an_alarm_that_is_always_on_finds_nothing() -> None:
    """It overlaps every event; by overlap alone its F1 would be 1."""
    found = compare(spans((10, 20), (50, 60)), [Span("a", 0, OPEN_END)], 1.0)
    assert (found.found, found.precision, found.recall, found.f1) == (2, 0.0, 0.0, 0.0)


def test_incidents_and_events_of_different_series_have_nothing_to_do_with_each_other() -> None:
    found = compare(spans((10, 20)), spans((10, 20), series="b"), 1.0)
    assert (found.found, found.true, found.false) == (0, 0, 1)


def test_incidents_equal_to_the_events_have_the_best_figures() -> None:
    events = spans((10, 20), (20, 30)) + spans((5, 6), series="b")
    assert compare(events, events, 2.0) == EventMetrics(3, 3, 3, (0.0, 0.0, 0.0), 3, 3, 0, 2.0)
    assert compare(events, events, 2.0).f1 == 1.0


def test_a_share_of_nothing_is_none() -> None:
    silent, spurious, nothing = compare(spans((1, 2)), [], 1.0), compare([], spans((1, 2)), 1.0), compare([], [], 1.0)
    assert (silent.precision, silent.recall, silent.f1) == (None, 0.0, 0.0)
    assert (spurious.precision, spurious.recall, spurious.f1) == (0.0, None, None)
    assert (nothing.precision, nothing.recall, nothing.f1) == (None, None, None)
    assert compare([], [], 0.0).false_per_day is None


@given(labels=st.lists(st.booleans(), min_size=1, max_size=60), incidents=lengths(), grace=st.integers(0, 9))
def test_every_count_is_that_of_a_comparison_of_all_pairs(labels: list[bool], incidents: Pairs, grace: int) -> None:
    events = spans_of("a", np.arange(len(labels), dtype=np.int64), np.array(labels), grace)
    opened = [Span("a", start, start + length) for start, length in incidents]
    found = compare(events, opened, 1.0)

    def overlap(one: Span, other: Span) -> bool:
        return bool(set(range(one.start_ns, one.end_ns)) & set(range(other.start_ns, other.end_ns)))

    inside = [[i.start_ns - e.start_ns for i in opened if i.start_ns in range(e.start_ns, e.end_ns)] for e in events]
    assert found.found == sum(any(overlap(event, incident) for incident in opened) for event in events)
    assert found.false == sum(not any(overlap(incident, event) for event in events) for incident in opened)
    assert found.true == sum(map(len, inside))
    assert found.delays_s == tuple(min(delays) / 1e9 for delays in inside if delays)


@given(labels=st.lists(st.booleans(), min_size=2, max_size=60), grace=st.integers(0, 9))
def test_days_outside_are_the_frames_in_no_event(labels: list[bool], grace: int) -> None:
    time = np.arange(len(labels), dtype=np.int64) * SECOND
    events = spans_of("a", time, np.array(labels), grace)
    outside = [t for t in time.tolist() if not any(event.start_ns <= t < event.end_ns for event in events)]
    assert days_outside(time, events) == len(outside) * SECOND / DAY
