"""The scale of each sensor's error: its mean on held-out normal data, and its effect."""

import numpy as np
import pytest
from numpy.typing import NDArray

from stream.detect.model.autoencoders import build
from stream.detect.model.ensemble import Ensemble
from tests.support.builders import a_spec, weights_of
from training.fitting.error_scale import LEAST, LEAST_SHARE, error_scales, view_ensemble, view_scales, view_tails

WINDOW, SENSORS = 3, 4


def ensemble_of(members: int = 3, span: str = "window", sensors: int = SENSORS) -> Ensemble:
    spec = a_spec("dense", WINDOW, 1, sensors, 8, 2, members, error_span=span)
    return Ensemble(spec, build(spec, range(members)).weights())


def frames_of(rows: int = 200) -> NDArray[np.float32]:
    """Noise of another size in each sensor."""
    noise = np.random.default_rng(0).standard_normal((rows, SENSORS)) * [0.5, 1.0, 2.0, 4.0]
    return noise.astype(np.float32)


ENDS = np.arange(WINDOW - 1, 200)


def scales_of(
    ensemble: Ensemble, frames: NDArray[np.float32], masked: NDArray[np.bool_] | None, ends: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Error scales of a single series."""
    return error_scales(ensemble, frames, masked, ends, np.zeros(len(ends), np.int32))


@pytest.mark.parametrize("span", ["newest", "window"])
def test_it_is_the_mean_error_over_the_windows_in_which_a_sensor_is_seen_median_over_members(span: str) -> None:
    ensemble, frames = ensemble_of(span=span), frames_of(10_000)  # more than are looked at at once
    ends = np.arange(WINDOW - 1, 10_000)
    masked = np.random.default_rng(1).random(frames.shape) < 0.3
    frames[masked] = 0.0
    errors = ensemble.errors(frames, ends, masked).by_sensor.astype(np.float64)
    expected = np.median(np.nanmean(errors, axis=2), axis=0)
    np.testing.assert_allclose(scales_of(ensemble, frames, masked, ends), expected, rtol=1e-9)


def test_counted_in_it_every_sensor_is_off_by_one_on_average() -> None:
    plain, frames = ensemble_of(members=1), frames_of()
    spread = scales_of(plain, frames, None, ENDS)
    assert spread.max() > 10 * spread.min(), "the sensors must differ for this to say something"
    counted = Ensemble(plain.spec, build(plain.spec, [0]).weights(), spread)
    np.testing.assert_allclose(counted.errors(frames, ENDS).by_sensor.mean(axis=2), 1.0, rtol=1e-4)


def test_a_noisy_sensor_does_not_drown_a_precise_one() -> None:
    """A stray value of a precise sensor raises the error more than the same value of a noisy one."""
    plain, frames = ensemble_of(members=1), frames_of()
    counted = Ensemble(plain.spec, build(plain.spec, [0]).weights(), scales_of(plain, frames, None, ENDS))
    strays = np.repeat(frames[None, 50 : 50 + WINDOW], 2, axis=0)
    strays[0, -1, 0] += 4.0
    strays[1, -1, 3] += 4.0
    ends = np.array([WINDOW - 1, 2 * WINDOW - 1])
    precise, noisy = counted.errors(strays.reshape(-1, SENSORS), ends).error
    assert precise > 3 * noisy


def test_a_sensor_that_stood_still_is_precise_but_not_without_bound() -> None:
    """Its scale is a share of the median sensor's. Where all sensors are constant, it is a bound above rounding."""
    ensemble = ensemble_of(members=1)
    masked = np.zeros((200, SENSORS), np.bool_)
    weights = build(ensemble.spec, [0]).weights()
    weights["output.weight"].zero_()
    weights["output.bias"].zero_()
    zero = Ensemble(ensemble.spec, weights)
    frames = frames_of()
    frames[:, 1] = 0.0  # made to the last bit
    spread = scales_of(zero, frames, masked, ENDS)
    assert spread[1] == pytest.approx(LEAST_SHARE * np.median(spread), rel=1e-9)
    np.testing.assert_array_equal(scales_of(zero, 0 * frames, masked, ENDS), LEAST)


def test_a_sensor_that_was_never_seen_has_the_scales_of_the_median_sensor() -> None:
    ensemble, frames = ensemble_of(), frames_of()
    masked = np.zeros(frames.shape, np.bool_)
    masked[:, 2] = True
    frames[masked] = 0.0
    spread = scales_of(ensemble, frames, masked, ENDS)
    assert spread[2] == np.median(spread[[0, 1, 3]])
    masked[:] = True
    np.testing.assert_array_equal(scales_of(ensemble, 0 * frames, masked, ENDS), LEAST)


def test_a_series_that_went_wrong_in_held_out_data_does_not_decide_for_all() -> None:
    """One of five series becomes ten times as large. The scale stays the same, within the noise."""
    ensemble, frames = ensemble_of(), frames_of(1000)
    series = (np.arange(1000) // 200).astype(np.int32)
    ends = np.flatnonzero(np.arange(1000) % 200 >= WINDOW - 1)
    usual = error_scales(ensemble, frames, None, ends, series[ends])
    wrong = np.where((series == 2)[:, None], 10 * frames, frames).astype(np.float32)
    np.testing.assert_allclose(error_scales(ensemble, wrong, None, ends, series[ends]), usual, rtol=0.2)
    assert (scales_of(ensemble, wrong, None, ends) > 5 * usual).all()


def test_a_sensor_that_some_series_lack_has_the_scales_of_the_others() -> None:
    ensemble, frames = ensemble_of(), frames_of(600)
    series = (np.arange(600) // 200).astype(np.int32)
    masked = np.zeros(frames.shape, np.bool_)
    masked[series == 1, 2] = True
    frames[masked] = 0.0
    ends = np.flatnonzero(np.arange(600) % 200 >= WINDOW - 1)
    others = ends[series[ends] != 1]
    expected = error_scales(ensemble, frames, masked, others, series[others])
    assert error_scales(ensemble, frames, masked, ends, series[ends])[2] == expected[2]


@pytest.mark.parametrize("discriminator", [0, 4])
def test_the_tail_of_a_view_is_the_error_that_one_held_out_window_of_a_hundred_exceeds(discriminator: int) -> None:
    """In units of the view's own error scales; a discriminator raises the tail of the window alone."""
    spec = a_spec("dense", WINDOW, 1, SENSORS, 8, 2, 3, error_span="both", discriminator=discriminator)
    weights, frames = weights_of(spec, [0, 1, 2]), frames_of(10_000)
    ends, series = np.arange(WINDOW - 1, 10_000), np.zeros(10_000 - WINDOW + 1, np.int32)
    scales = view_scales(spec, weights, frames, None, ends, series)
    tails = view_tails(spec, weights, scales, frames, None, ends)
    assert tails is not None
    for row, view in enumerate(spec.views):
        alone = view_ensemble(spec, weights, view, scales[row]).errors(frames, ends)
        assert (alone.error > tails[row]).mean() == pytest.approx(0.01, abs=0.001)
        if not discriminator:
            np.testing.assert_allclose(np.median(alone.by_sensor.mean(axis=2), axis=0), 1.0, rtol=1e-4)
    larger = Ensemble(spec, weights, scales, tails).errors(frames, ends).error
    assert 0.01 <= (larger > 1).mean() <= 0.02
