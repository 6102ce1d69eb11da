"""The view of a sensor that has stopped moving: what the obvious computation finds, and the same bits everywhere."""

import numpy as np
import pytest

from stream.detect.model.ensemble import TILE_ROWS, Ensemble
from stream.detect.model.stillness import BOUNDARY, SHARE, SPANS, Paths
from stream.detect.policy import VIEWS
from stream.errors import ShapeError
from tests.support.builders import a_spec, weights_of

WINDOW, SENSORS, ROWS = 32, 3, 600
LOWEST = ((3.0, 0.0, 2.0), (9.0, 6.0, 0.0))
SPEC = a_spec("dense", WINDOW, 1, SENSORS, 8, 2, 2, error_span="both")
ENDS = np.arange(WINDOW - 1, ROWS)


def ensemble_of(unit: float = 1e6) -> Ensemble:
    """Any stillness counts more than any error."""
    return Ensemble(SPEC, weights_of(SPEC, [0, 1]), paths=Paths(LOWEST, unit))


def frames_of() -> np.ndarray:
    """Sensor 0 stops at 100, sensor 1 at 200, sensor 2 trembles from 300 on; each for 60 frames."""
    frames = np.random.default_rng(0).standard_normal((ROWS, SENSORS)).astype(np.float32)
    frames[100:160, 0], frames[200:260, 1] = frames[100, 0], frames[200, 1]
    frames[300:360, 2] *= np.float32(1e-3)
    return frames


def obvious(window: np.ndarray, sensor: int) -> float:
    steps = [abs(float(b) - float(a)) for a, b in zip(window[:-1, sensor], window[1:, sensor], strict=True)]
    found = [0.0]
    for span, lowest in zip(SPANS, (LOWEST[0][sensor], LOWEST[1][sensor]), strict=True):
        path = sum(steps[-span:])
        if lowest and sum(steps[:-span]) > path + 1e-6:
            found.append(lowest / (path + SHARE * lowest) / BOUNDARY)
    return max(found) if max(found) >= 1 else 0.0


def test_stillness_is_that_of_the_obvious_computation() -> None:
    frames, found, seen = frames_of(), ensemble_of().errors(frames_of(), ENDS), []
    for row, end in enumerate(ENDS.tolist()):
        window = frames[end - WINDOW + 1 : end + 1]
        expected = [obvious(window, sensor) for sensor in range(SENSORS)]
        assert (VIEWS[found.view[row]] == "still") == any(expected)
        if any(expected):
            seen.append(end)
            np.testing.assert_allclose(found.per_sensor(row), np.array(expected) * 1e6, rtol=1e-5)
            np.testing.assert_allclose(found.error[row], max(expected) * 1e6, rtol=1e-5)
    assert (seen[0], len(seen)) == (108, 92), "eight steps after it stopped, until most of the window is still"


def test_without_a_sensor_that_stops_nothing_changes() -> None:
    frames = np.random.default_rng(1).standard_normal((ROWS, SENSORS)).astype(np.float32)
    plain, found = Ensemble(SPEC, weights_of(SPEC, [0, 1])).errors(frames, ENDS), ensemble_of().errors(frames, ENDS)
    for name in ("error", "view", "by_sensor", "disagreement"):
        assert getattr(found, name).tobytes() == getattr(plain, name).tobytes()


def test_a_larger_error_counts_more_than_a_still_sensor() -> None:
    assert not (ensemble_of(unit=1e-9).errors(frames_of(), ENDS).view == VIEWS.index("still")).any()


@pytest.mark.parametrize("masks", [False, True])
def test_no_split_of_the_windows_changes_a_bit(masks: bool) -> None:
    frames, masked = frames_of(), np.random.default_rng(2).random((ROWS, SENSORS)) < 0.02
    mask = masked if masks else None
    frames[masked & masks] = 0.0
    ensemble, order = ensemble_of(), np.random.default_rng(3).permutation(len(ENDS))
    whole = ensemble.errors(frames, ENDS, mask)
    assert (whole.view == VIEWS.index("still")).any()
    parts = [ensemble.errors(frames, part, mask) for part in np.split(ENDS[order], [1, 2, 9, TILE_ROWS, 300])]
    for name in ("error", "view"):
        joined = np.concatenate([getattr(part, name) for part in parts])
        assert joined.tobytes() == getattr(whole, name)[order].tobytes()
    assert np.concatenate([part.by_sensor for part in parts], axis=2).tobytes() == whole.by_sensor[..., order].tobytes()


def test_a_sensor_with_a_missing_value_in_the_window_is_not_still() -> None:
    masked = np.zeros((ROWS, SENSORS), np.bool_)
    masked[90:101, 0] = True
    found = ensemble_of().errors(frames_of(), ENDS, masked)
    assert not (found.view[: 132 - WINDOW + 1] == VIEWS.index("still")).any()


@pytest.mark.parametrize("lowest", [((1.0, 1.0), (1.0, 1.0)), ((1.0, 1.0, 1.0),)])
def test_paths_of_other_sensors_are_refused(lowest: tuple[tuple[float, ...], ...]) -> None:
    with pytest.raises(ShapeError, match=r"paths: seen .* for a window of 32; train again"):
        Ensemble(SPEC, weights_of(SPEC, [0, 1]), paths=Paths(lowest, 1.0))
