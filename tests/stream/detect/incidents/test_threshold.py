"""Thresholds: one per series, the pooled one for unknown series, never 0."""

import numpy as np
import pytest

from stream.detect.incidents.threshold import ThresholdTable
from stream.errors import ShapeError


def table(scale: list[float], q: float = 2.0, names: tuple[str, ...] = ("a", "b", "")) -> ThresholdTable:
    return ThresholdTable(names, np.array(scale), np.zeros(len(scale), np.int64), q)


def test_a_threshold_is_the_scale_of_the_series_times_q_and_the_pooled_one_for_others() -> None:
    found = table([1.0, 3.0, 0.5])
    assert [found.of(name) for name in ("a", "b", "never seen", "")] == [2.0, 6.0, 1.0, 1.0]


@pytest.mark.parametrize("scale", [[1.0, 0.0, 1.0], [1.0, -1.0, 1.0], [np.nan, 1.0, 1.0], [np.inf, 1.0, 1.0], [1.0]])
def test_a_scale_that_is_not_a_positive_number_for_each_series_is_refused(scale: list[float]) -> None:
    with pytest.raises(ShapeError, match="one scale per series, all finite and > 0: calibrate again"):
        table(scale)


@pytest.mark.parametrize("q", [0.0, -1.0, float("nan"), float("inf")])
def test_a_q_that_is_not_a_positive_number_is_refused(q: float) -> None:
    with pytest.raises(ShapeError, match=f"q {q}"):
        table([1.0, 1.0, 1.0], q)


def test_a_table_without_a_pooled_row_is_refused() -> None:
    with pytest.raises(ShapeError, match="expected a pooled row"):
        table([1.0, 1.0], names=("a", "b"))
