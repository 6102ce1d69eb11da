"""Volumes under the range-aware surfaces are those of the reference implementation and of an oracle; their buffer."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.oracles import naive_metrics
from tests.training.metrics.cases import VUS_CASES, Case
from training.metrics.period import strongest_period
from training.metrics.vus import Volume, vus

Scored = tuple[NDArray[np.float64], NDArray[np.bool_]]
ROWS = np.arange(3000.0)
NOISE = np.random.default_rng(0).random(3000)


@st.composite
def scored(draw: st.DrawFn) -> Scored:
    """Whole scores with ties; labels of both kinds, often in runs."""
    runs = draw(st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=1, max_size=8))
    labels = np.array([True, False] + [label for length, label in runs for _ in range(length)])
    score = draw(st.lists(st.integers(0, 9), min_size=len(labels), max_size=len(labels)))
    return np.array(score, np.float64), labels


@pytest.mark.parametrize(("case", "buffer", "roc", "pr"), VUS_CASES, ids=[case.name for case, *_ in VUS_CASES])
def test_volumes_are_those_of_the_reference(case: Case, buffer: int, roc: float, pr: float) -> None:
    found = vus(*case.make(), buffer)
    assert found.vus_roc == pytest.approx(roc, abs=1e-9)
    assert found.vus_pr == pytest.approx(pr, abs=1e-9)


@given(frames=scored(), buffer=st.integers(0, 15))
def test_volumes_are_those_of_their_definition(frames: Scored, buffer: int) -> None:
    found = vus(*frames, buffer)
    roc, pr = naive_metrics.vus(frames[0].tolist(), frames[1].tolist(), buffer)
    assert found.vus_roc == pytest.approx(roc, abs=1e-12)
    assert found.vus_pr == pytest.approx(pr, abs=1e-12)


@given(frames=scored(), buffer=st.integers(0, 15))
def test_neither_the_unit_of_scores_nor_the_direction_of_time_matters(frames: Scored, buffer: int) -> None:
    """Buffers before and after an event are equal."""
    score, labels = frames
    found, back = vus(score, labels, buffer), vus(score[::-1], labels[::-1], buffer)
    assert vus(score**3 + 5 * score, labels, buffer) == found
    assert back.vus_roc == pytest.approx(found.vus_roc, abs=1e-12)
    assert back.vus_pr == pytest.approx(found.vus_pr, abs=1e-12)


@given(frames=scored(), buffer=st.integers(0, 15))
def test_scores_equal_to_the_labels_have_all_of_the_volume(frames: Scored, buffer: int) -> None:
    _, labels = frames
    found = vus(labels.astype(np.float64), labels, buffer)
    assert [found.vus_roc, found.vus_pr] == pytest.approx([1.0, 1.0])


def test_an_alarm_just_beside_an_event_is_worth_more_the_closer_it_is() -> None:
    def shifted(by: int) -> float:
        labels = (np.arange(500) >= 200) & (np.arange(500) < 220)
        found = vus(np.roll(labels, by).astype(np.float64), labels, 40)
        assert found.vus_pr is not None
        return found.vus_pr

    worth = [shifted(by) for by in (0, 5, 15, 25, 100)]
    assert worth == sorted(worth, reverse=True)
    assert worth[-1] < 0.1


def test_memory_does_not_grow_with_thresholds_or_buffers_times_frames() -> None:
    """A plane of frames and thresholds, or of frames and buffers, would take 100 to 200 MB here."""
    draw = np.random.default_rng(0)
    score, labels = draw.random(100_000), np.arange(100_000) % 500 < 20
    tracemalloc.start()
    found = vus(score, labels, 300)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.buffer == 300
    assert peak < 40_000_000


@pytest.mark.parametrize(
    ("values", "period"),
    [
        (np.sin(2 * np.pi * ROWS / 50) + NOISE / 2, 50),
        (np.sin(2 * np.pi * ROWS / 20) + 2 * np.sin(2 * np.pi * ROWS / 77), 79),
        (NOISE, 111),
        (np.cumsum(NOISE - 0.5), 125),
        (np.full(3000, 0.1), 125),
        (ROWS, 125),
        (np.sin(2 * np.pi * ROWS / 350), 125),
        (np.sin(2 * np.pi * ROWS / 300), 300),
        (np.sin(np.pi * ROWS / 2), 125),
        (np.sin(np.pi * ROWS / 3), 6),
        ((ROWS % 64 == 0).astype(np.float64), 64),
        (np.sin(ROWS[:100] / 3), 19),
        (np.append(np.sin(np.arange(20_000) / 5), 9 * np.sin(np.arange(50_000) * np.pi / 20)), 63),
    ],
)
def test_the_buffer_is_the_period_that_the_reference_finds(values: NDArray[np.float64], period: int) -> None:
    """Numbers by `find_length_rank` of TSB-AD 1.5 with statsmodels 0.15.0."""
    assert strongest_period(values) == period


def test_a_period_is_that_of_the_values_that_are_not_missing() -> None:
    wave = np.sin(2 * np.pi * ROWS / 50)
    assert strongest_period(np.insert(wave, [7, 1000, 1000], np.nan)) == 50
    assert strongest_period(np.full(9, np.nan)) == strongest_period(np.zeros(0)) == strongest_period(wave[:3]) == 125


def test_volumes_have_their_buffer_where_there_is_nothing_to_rank() -> None:
    assert vus(np.zeros(4), np.zeros(4, np.bool_), 7) == Volume(None, None, 7)
