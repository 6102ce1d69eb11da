"""Sensors that have stopped moving: what the obvious computation finds, and the same bits everywhere."""

import numpy as np
import pytest

from stream.detect.forms.odd_sensors import LEAST, MOST, OddSensors
from stream.detect.forms.stillness import PART, SPANS, Paths, Stillness
from stream.detect.policy import STILL
from stream.errors import ShapeError

WINDOW, SENSORS, ROWS = 32, 3, 600
LOWEST = ((3.0, 0.0, 2.0), (9.0, 6.0, 0.0))
ENDS = np.arange(WINDOW - 1, ROWS)
STILLNESS = Stillness(Paths(LOWEST), WINDOW, SENSORS)


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
        if lowest and path <= PART * lowest:
            found.append(MOST - (MOST - LEAST) * path / (PART * lowest))
    return max(found)


def by_sensor(still: OddSensors, count: int) -> np.ndarray:
    return np.array([still.by_sensor(row, STILL, SENSORS) for row in range(count)])


def test_stillness_is_that_of_the_obvious_computation() -> None:
    frames = frames_of()
    still = STILLNESS.of(frames, ENDS)
    expected = np.array([[obvious(frames[e - WINDOW + 1 : e + 1], f) for f in range(SENSORS)] for e in ENDS.tolist()])
    np.testing.assert_allclose(by_sensor(still, len(ENDS)), expected, rtol=1e-4)
    score, view = still.scores(len(ENDS))
    np.testing.assert_array_equal(score, by_sensor(still, len(ENDS)).max(axis=1))
    np.testing.assert_array_equal(view, np.where(score > 0, STILL, -1))
    found = ENDS[expected.any(axis=1)]
    assert (found[0], len(found)) == (108, 149), "eight or sixteen steps after it stopped, until it moves"
    assert LEAST <= still.score.min() <= still.score.max() <= MOST
    assert LEAST > 1.0, "it opens an incident"


def test_sensors_that_move_are_not_still() -> None:
    frames = np.random.default_rng(1).standard_normal((ROWS, SENSORS)).astype(np.float32)
    assert not len(STILLNESS.of(frames, ENDS).rows)
    assert not len(STILLNESS.of(frames, ENDS[:0]).rows)


@pytest.mark.parametrize("masks", [False, True])
def test_no_split_of_the_windows_changes_a_bit(masks: bool) -> None:
    frames, masked = frames_of(), np.random.default_rng(2).random((ROWS, SENSORS)) < 0.02
    mask = masked if masks else None
    frames[masked & masks] = 0.0
    order = np.random.default_rng(3).permutation(len(ENDS))
    whole = by_sensor(STILLNESS.of(frames, ENDS, mask), len(ENDS))
    assert whole.any()
    parts = [by_sensor(STILLNESS.of(frames, part, mask), len(part)) for part in np.split(ENDS[order], [1, 2, 9, 300])]
    assert np.concatenate(parts).tobytes() == whole[order].tobytes()


def test_a_sensor_with_a_missing_value_among_the_newest_is_not_still() -> None:
    masked = np.zeros((ROWS, SENSORS), np.bool_)
    masked[90:110, 0] = True
    assert ENDS[STILLNESS.of(frames_of(), ENDS, masked).rows[0]] == 118


@pytest.mark.parametrize("lowest", [((1.0, 1.0), (1.0, 1.0)), ((1.0, 1.0, 1.0),)])
def test_paths_of_other_sensors_are_refused(lowest: tuple[tuple[float, ...], ...]) -> None:
    with pytest.raises(ShapeError, match=r"paths: seen .* for a window of 32; train again"):
        Stillness(Paths(lowest), WINDOW, SENSORS)
