"""Thresholds from data too short for the promise: the promise that they support, and incidents of their own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.settings.detection import ThresholdSettings
from tests.training.calibration.levels import RULES, SECOND, levels_of, slow, white
from training.calibration.calibrate import calibrate
from training.calibration.levels import incidents


@pytest.mark.parametrize("rows", [600, 3_000])
def test_minutes_of_data_promise_one_incident_in_as_long_and_open_alerts(rows: int) -> None:
    """Ten minutes at 1 Hz are a thousandth of a week. One alert a week lies beyond every level that is ever seen."""
    draw = np.random.default_rng(rows)
    levels, later = (levels_of([slow(draw, count)], step=SECOND) for count in (rows, 40 * rows))
    found = calibrate(levels, RULES, ThresholdSettings(method="budget", alerts_per_week=1.0), 0)
    assert (found.promised, found.extrapolated) == (1.0, True)
    assert found.supported == pytest.approx(1 / levels.weeks)
    assert found.facts().alerts_per_week == found.supported
    assert found.implied_per_week == 0.0
    low, high = found.likely
    assert low < found.supported < high
    opened = incidents(later, later.level / found.table.of("s0"), RULES)
    assert 1 <= opened <= 4 * 40, "40 are promised"
    assert found.looser is not None
    assert f"`threshold.alerts_per_week: {found.supported:.4g}`" in found.looser
    assert "as the data are too short for 1" in found.facts().promise


def test_a_percentile_beyond_the_data_is_the_one_that_they_support() -> None:
    levels = levels_of([slow(np.random.default_rng(3), 1_000)])
    found = calibrate(levels, RULES, ThresholdSettings(method="percentile", percentile=99.9999), 0)
    assert 99.0 < found.supported < 99.95
    assert found.q_point == found.ratio.max()
    near = calibrate(levels, RULES, ThresholdSettings(method="percentile", percentile=99.95), 0)
    assert (near.extrapolated, near.supported, near.looser) == (True, 99.95, None)


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), allowed=st.floats(0.02, 2.3), peaks=st.integers(0, 3))
def test_no_threshold_shows_more_incidents_of_its_own_data_than_are_allowed(
    seed: int, allowed: float, peaks: int
) -> None:
    """A few peaks far above a thin tail are taken for no part of it."""
    draw = np.random.default_rng(seed)
    level = white(draw, 1_200)
    level[draw.integers(0, 1_200, peaks)] += 3.0 + draw.random(peaks)
    levels = levels_of([level])
    options = ThresholdSettings(method="budget", alerts_per_week=allowed / levels.weeks)
    found = calibrate(levels, RULES, options, 0)
    assert incidents(levels, found.ratio / found.table.q, RULES) <= int(allowed)
