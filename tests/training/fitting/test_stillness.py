"""The shortest paths in training, and the sensors that are judged by them."""

import numpy as np
import pytest

from stream.detect.forms.stillness import SPANS
from stream.detect.frames.frames import Fitness
from training.data.framing import FramedHistory
from training.data.split import Part
from training.fitting.stillness import shortest_paths

ROWS, GAP = 1200, 500


def framed_of(values: np.ndarray) -> FramedHistory:
    """Frames of one series with a gap; the last 200 belong to the gate part."""
    none, gap = np.zeros(ROWS, np.bool_), np.arange(ROWS) == GAP
    return FramedHistory(
        names=("a",), series=np.zeros(ROWS, np.int32), time=np.arange(ROWS) * 1_000_000_000, values=values,
        fitness=np.full(ROWS, Fitness.WHOLE, np.uint8), after_gap=gap | (np.arange(ROWS) == 0), marked=none,
        labelled=none, confirmed=none, imputed=none, step=np.full(ROWS, 1_000_000_000), dispositions={},
    )  # fmt: skip


def part_of() -> np.ndarray:
    return np.repeat([Part.FIT, Part.CALIBRATE, Part.GATE], [700, 300, 200]).astype(np.uint8)


def paths(values: np.ndarray, masked: np.ndarray | None = None, max_carry: int = 5, window: int = 32) -> np.ndarray:
    frames = values.astype(np.float32)
    return shortest_paths(framed_of(values), part_of(), frames, masked, window, max_carry)


def moving(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((ROWS, 3))


def test_the_shortest_path_is_that_of_the_obvious_computation() -> None:
    """Not over the gap, not over the edge of a part, not in the gate part, not with a masked value."""
    values, masked = moving(), np.random.default_rng(1).random((ROWS, 3)) < 0.01
    values[GAP - 9 : GAP + 9] *= 0.01
    frames, part = values.astype(np.float32).astype(np.float64), part_of()
    for at, span in enumerate(SPANS):
        for f in range(3):
            lowest = min(
                np.abs(np.diff(frames[end - span : end + 1, f])).sum()
                for end in range(span, 1000)
                if not masked[end - span : end + 1, f].any()
                and not end - span < GAP <= end
                and part[end - span] == part[end]
            )
            np.testing.assert_allclose(paths(values, masked)[at, f], lowest, rtol=1e-6)


def test_a_sensor_that_stands_still_at_times_is_judged_over_a_longer_time_or_not_at_all() -> None:
    values = moving()
    for sensor, still in enumerate((2, 4, 5)):  # steps; three times as many and two more must fit
        values[50 : 51 + still, sensor] = 1.0
    np.testing.assert_array_equal(paths(values) > 0, [[True, False, False], [True, True, False]])


@pytest.mark.parametrize(("max_carry", "judged"), [(5, [True, True]), (6, [False, True]), (14, [False, False])])
def test_a_carried_value_is_no_stillness(max_carry: int, judged: list[bool]) -> None:
    assert (paths(moving(), max_carry=max_carry) > 0).any(axis=1).tolist() == judged


def test_a_short_window_has_no_such_view() -> None:
    assert not paths(moving(), window=9).any()
    assert (paths(moving(), window=12) > 0).any(axis=1).tolist() == [True, False]


def test_a_sensor_that_stops_in_the_gate_part_is_not_judged() -> None:
    values = moving()
    values[1100:1112, 1] = values[1100, 1]
    np.testing.assert_array_equal(paths(values) > 0, [[True, False, True], [True, False, True]])
