"""Selection of the levels that may set thresholds, against a slow version."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream.detect.frames.frames import Fitness
from tests.oracles import naive_drift as naive
from tests.support.recalibration import MINUTE, frames_of
from training.data.spans import Span
from training.recalibration.observed import NO_END, NewerReadings, newer_data_facts
from training.recalibration.selection import select_levels

BLOCK = 10


@given(
    lengths=st.lists(st.integers(5, 160), min_size=1, max_size=2),
    block=st.integers(3, 6),
    seed=st.integers(0, 10_000),
    rate=st.sampled_from([0.0, 0.01, 0.05]),
)
def test_what_may_set_a_threshold_is_what_the_obvious_version_says(
    lengths: list[int], block: int, seed: int, rate: float
) -> None:
    draw = np.random.default_rng(seed)
    series = [s for s, count in enumerate(lengths) for _ in range(count)]
    size = len(series)
    gap, bad, exceeding = (draw.random(size) < share for share in (0.03, 0.03, rate))
    history = frames_of(series, np.zeros((size, 1)), gap)
    history.fitness[bad] = Fitness.DEGRADED
    begun = draw.random(size) < rate
    alerts = tuple(
        Span(f"s{series[row]}", int(history.time[row]), int(history.time[row]) + 3 * MINUTE)
        for row in np.flatnonzero(begun)
    )
    incident = [
        any(a.series == f"s{s}" and a.start_ns <= t < a.end_ns for a in alerts)
        for s, t in zip(series, history.time.tolist(), strict=True)
    ]
    observed = NewerReadings(
        history,
        np.ones(size),
        np.where(exceeding, 2.0, 0.5),
        np.zeros(size, np.bool_),
        alerts,
        newer_data_facts("", history, ""),
    )
    found = select_levels(observed, (), frozenset(history.names), -1, block)
    expected = naive.selected(series, gap.tolist(), (~bad).tolist(), incident, exceeding.tolist(), block)
    rows = np.flatnonzero(expected)
    assert found.levels.time.tolist() == history.time[rows].tolist()
    assert found.levels.series.tolist() == history.series[rows].tolist()
    assert sum(found.counts.values()) == size


def test_each_reason_is_counted_once_and_first_come() -> None:
    size = 400
    history = frames_of([0] * 200 + [1] * 200, np.zeros((size, 1)))
    history.fitness[:10], history.labelled[5:20] = Fitness.OFF, True
    history = replace(history, imputed=np.arange(size) == 399)
    level = np.where(np.arange(size) == 398, np.nan, 1.0)
    facts = newer_data_facts("", history, "")
    observed = NewerReadings(history, level, 0.5 * level, np.zeros(size, np.bool_), (), facts)
    spans = (Span("s0", 18 * MINUTE, 30 * MINUTE), Span("s1", 0, 10 * MINUTE), Span("", 190 * MINUTE, NO_END))
    counts = select_levels(observed, spans[:2], frozenset({"s0", "s1"}), int(history.time[2]), BLOCK).counts
    reasons = ("old", "labelled", "excluded", "off", "warming", "imputed", "near")
    # Old: three frames of each series. Near: 8 frames (W + M - 2) after each frame that is left out.
    assert [counts[name] for name in reasons] == [6, 15, 10 + 7, 2, 1, 1, 16]
    assert select_levels(observed, spans[2:], frozenset({"s0"}), -1, BLOCK).counts["unknown_series"] == 200
