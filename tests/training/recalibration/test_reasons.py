"""Drift of sensors against a slow version, and reasons for an advice against known truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.detect.frames.scale import POOLED, ScaleTable
from stream.intake.columns import Float64s
from tests.oracles import naive_drift as naive
from tests.support.recalibration import frames_of
from training.recalibration import batch_means
from training.recalibration.batch_means import Estimate
from training.recalibration.drift import Advice
from training.recalibration.evidence import sensor_drifts
from training.recalibration.reasons import exceedance_reasons, level_reasons, sensor_reasons, shape_reasons

BLOCK = 10


@given(seed=st.integers(0, 1000), rows=st.integers(30, 90), missing=st.sampled_from([0.0, 0.3]))
def test_a_sensor_is_compared_as_the_obvious_version_does(seed: int, rows: int, missing: float) -> None:
    draw = np.random.default_rng(seed)
    values = draw.normal(3.0, 2.0, (2 * rows, 1))
    values[draw.random(2 * rows) < missing] = np.nan
    values[0] = values[rows] = 1.0
    scales = ScaleTable(("s0", POOLED), np.array([[2.5], [0.0]]), np.array([[1.5], [1.0]]), np.array([500, 900]))
    history = frames_of([0] * rows + [1] * rows, values)
    found = sensor_drifts(history, np.ones(2 * rows, np.bool_), scales, ("flow",), 3)
    for s, (mean, scale, old) in enumerate([(2.5, 1.5, 500), (0.0, 1.0, 900)]):
        (drift,) = found[f"s{s}"]
        own = values[s * rows : (s + 1) * rows, 0]
        pairs = list(zip(((own - mean) / scale).tolist(), naive.stretches([0] * rows, 3), strict=True))
        z, stretch = zip(*[pair for pair in pairs if not np.isnan(pair[0])], strict=True)
        middle, widened = sum(z) / len(z), np.sqrt(1 + rows / old)
        squares = [(x - middle) ** 2 for x in z]
        for estimated, of in ((drift.mean, list(z)), (drift.variance, squares)):
            assert estimated.value == pytest.approx(sum(of) / len(of))
            off = batch_means.T_QUANTILE * widened * naive.standard_error(of, list(stretch))
            assert estimated.high - estimated.value == pytest.approx(off)


def wandering(draw: np.random.Generator, rows: int, size: float = 1.0) -> Float64s:
    """A sensor that follows an AR(1) with a half-life of 7 frames and unit variance, times `size`."""
    shocks, value = draw.normal(size=rows) * np.sqrt(1 - 0.81), np.empty(rows)
    value[0] = draw.normal()
    for i in range(1, rows):
        value[i] = 0.9 * value[i - 1] + shocks[i]
    return np.asarray(size * value)


def advice_on(values: Float64s, is_flat: bool = False) -> list[Advice]:
    scales = ScaleTable(("s0", POOLED), np.zeros((2, 1)), np.ones((2, 1)), np.array([4000, 4000]))
    history = frames_of([0] * len(values), values[:, None])
    ((drift,),) = sensor_drifts(history, np.ones(len(values), np.bool_), scales, ("flow",), BLOCK).values()
    return [reason.advice for reason in sensor_reasons(drift, is_flat)]


def test_a_sensor_that_is_as_it_was_says_nothing() -> None:
    """Of 200 sensors with 1,000 frames each, none. Margins are far wider than intervals."""
    draw = np.random.default_rng(0)
    assert not any(advice_on(wandering(draw, 1000)) for _ in range(200))


def test_wild_values_are_no_drift_as_the_scale_left_them_out_too() -> None:
    """2 % of -9999 would be a mean that fell by 200 deviations."""
    values = wandering(np.random.default_rng(1), 1000)
    values[::50] = -9999.0
    assert advice_on(values) == []


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        (lambda x: x + 1.2, [Advice.RETRAIN]),
        (lambda x: x - 1.2, [Advice.RETRAIN]),
        (lambda x: 0.0 * x, [Advice.RETRAIN]),
        (lambda x: 2.0 * x, [Advice.RECALIBRATE]),
    ],
    ids=["higher", "lower", "stuck", "wider"],
)
def test_a_sensor_that_has_changed_says_how(change: object, advice: list[Advice]) -> None:
    draw = np.random.default_rng(1)
    found = [advice_on(change(wandering(draw, 2000))) for _ in range(20)]  # type: ignore[operator]
    assert found.count(advice) >= 19


def test_one_long_incident_moves_no_mean_and_a_flat_sensor_has_no_variance() -> None:
    values = wandering(np.random.default_rng(2), 2000)
    values[400:600] += 8.0
    assert Advice.RETRAIN not in advice_on(values)
    assert advice_on(np.zeros(1000), is_flat=True) == []


EXACT = {value: Estimate(value, value, value) for value in (0.5, 0.79, 0.81, 1.0, 1.04, 1.2, 1.3, 1.9, 2.1)}


@pytest.mark.parametrize(
    ("level", "since", "advice"),
    [
        (1.0, 1.0, []),
        (1.04, 1.0, []),
        (1.2, 1.0, [Advice.RECALIBRATE]),
        (1.2, 1.9, [Advice.RETRAIN]),
        (1.9, 1.0, [Advice.RECALIBRATE]),
        (2.1, 1.0, [Advice.RETRAIN]),
        (0.81, 1.0, [Advice.RECALIBRATE]),
        (0.81, 0.9, [Advice.RETRAIN]),
        (0.79, 1.0, [Advice.RETRAIN]),
    ],
)
def test_levels_may_follow_within_bounds_that_count_from_training(
    level: float, since: float, advice: list[Advice]
) -> None:
    assert [reason.advice for reason in level_reasons(EXACT[level], since, margin=1.25, most=2.0)] == advice


def test_what_is_not_sure_is_not_said() -> None:
    assert level_reasons(Estimate(1.3, 0.9, 1.8), 1.0, 1.25, 2.0) == []
    assert shape_reasons(Estimate(1.5, 1.2, 1.8), 1.0, 1.25) == []
    assert exceedance_reasons(Estimate(0.3, 0.0, 0.6), 0.01) == []


def test_levels_that_rose_without_widening_are_shifted() -> None:
    assert [reason.advice for reason in shape_reasons(EXACT[1.3], 1.1, 1.25)] == [Advice.RETRAIN]
    assert shape_reasons(EXACT[1.3], 1.2, 1.25) == []
    assert shape_reasons(EXACT[1.2], 0.9, 1.25) == []
    assert [reason.advice for reason in shape_reasons(EXACT[1.0], 1.6, 1.25)] == [Advice.RETRAIN]
    assert shape_reasons(EXACT[1.0], 1.4, 1.25) == []


def test_exceedances_that_growth_does_not_explain_take_a_person() -> None:
    assert [reason.advice for reason in exceedance_reasons(Estimate(0.1, 0.06, 0.14), 0.01)] == [Advice.RETRAIN]
    assert exceedance_reasons(Estimate(0.1, 0.06, 0.14), 0.02) == []
