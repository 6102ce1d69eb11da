"""Two views of a reconstruction: the newest frame, and the window; the larger error counts."""

import msgspec
import numpy as np
import pytest

from stream.detect.model.autoencoders import build
from stream.detect.model.ensemble import Ensemble
from stream.detect.policy import VIEWS, ModelSpec
from stream.errors import ShapeError
from tests.support.builders import a_spec, weights_of

WINDOW, SENSORS = 8, 6
TAILS = np.array([2.0, 0.5])
ENDS = np.arange(WINDOW - 1, 30)


def spec_of(span: str, window: int = WINDOW) -> ModelSpec:
    return a_spec("linear", window, 1, SENSORS, 0, 2, error_span=span)


def silent(tails: np.ndarray | None = TAILS) -> Ensemble:
    """A model that expects 0 always."""
    spec = spec_of("both")
    return Ensemble(spec, {name: value * 0 for name, value in build(spec, [0]).weights().items()}, tails=tails)


def a_burst_and_a_shift() -> np.ndarray:
    """One sensor in frame 10; all sensors in frames 15 to 24."""
    frames = np.zeros((30, SENSORS), np.float32)
    frames[10, 2], frames[15:25] = 3.0, 1.0
    return frames


def test_a_burst_shows_in_the_newest_frame_and_a_lasting_shift_in_the_window() -> None:
    found = silent().errors(a_burst_and_a_shift(), ENDS)
    burst, after, shift = (np.searchsorted(ENDS, end) for end in (10, 11, 24))
    np.testing.assert_allclose(found.error[[burst, after, shift]], [9 / 6 / 2, 9 / 48 / 0.5, 1 / 0.5])
    assert [VIEWS[view] for view in found.view[[burst, after, shift]]] == ["newest", "window", "window"]
    np.testing.assert_allclose(found.per_sensor(int(burst)), [0, 0, 9 / 2, 0, 0, 0])
    np.testing.assert_allclose(found.per_sensor(int(after)), [0, 0, 9 / 8 / 0.5, 0, 0, 0])


def test_the_model_sees_values_within_the_clip_and_the_error_sees_all_of_them() -> None:
    """In any order of calls: a batch with a value beyond the clip has no effect on the next."""
    plain = spec_of("both")
    clipped, weights = msgspec.structs.replace(plain, clip=2.0), weights_of(plain, [0])
    frames = np.random.default_rng(0).standard_normal((30, SENSORS)).astype(np.float32).clip(-2, 2)
    far = frames.copy()
    far[20, 1], far[25, 0] = 5.0, -4.0
    ensemble, before = Ensemble(clipped, weights), Ensemble(plain, weights).errors(frames, ENDS)
    found, after = ensemble.errors(far, ENDS), ensemble.errors(frames, ENDS)
    assert after.error.tobytes() == before.error.tobytes()
    limited = Ensemble(plain, weights).errors(far.clip(-2, 2), ENDS)
    assert found.members.tobytes() == limited.members.tobytes()
    at = int(np.searchsorted(ENDS, 20))
    residual = limited.members[0, 1, at] - 5.0
    newest = Ensemble(clipped.of_view("newest"), weights).errors(far, ENDS)
    np.testing.assert_allclose(newest.by_sensor[0, 1, at], residual**2, rtol=1e-5)
    cuts = [ensemble.errors(far, part).error for part in np.split(ENDS, [3, 11, 14])]
    assert np.concatenate(cuts).tobytes() == found.error.tobytes()


def test_without_a_value_in_the_newest_frame_the_window_counts() -> None:
    frames, masked = a_burst_and_a_shift(), np.zeros((30, SENSORS), np.bool_)
    masked[24], frames[24] = True, 0.0
    found = silent(TAILS * [1e-6, 1]).errors(frames, ENDS, masked)
    at = np.searchsorted(ENDS, 24)
    np.testing.assert_allclose(found.error[at], 2.0)
    assert VIEWS[found.view[at]] == "window"


def test_a_window_of_one_frame_has_one_view() -> None:
    newest, both = spec_of("newest", 1), spec_of("both", 1)
    assert both.views == newest.views == ("newest",)
    frames, ends = np.random.default_rng(0).standard_normal((9, SENSORS)).astype(np.float32), np.arange(9)
    alone, same = (Ensemble(spec, weights_of(newest, [0])).errors(frames, ends) for spec in (newest, both))
    assert same.error.tobytes() == alone.error.tobytes()
    assert not same.view.any()


@pytest.mark.parametrize("tails", [[1.0], [1.0, 0.0], [np.nan, 1.0]])
def test_tails_that_are_not_a_positive_number_for_each_view_are_refused(tails: list[float]) -> None:
    with pytest.raises(ShapeError, match=r"error tails: seen .*, expected 2 finite values > 0; retrain"):
        silent(np.array(tails))
