"""Reduction: from the reconstructions of a tile of windows to errors per sensor and member, and the disagreement.

Windows are the last axis throughout. All operations along it are element by element: subtract, multiply, add, divide,
each rounded once. Sums go over a tree whose shape depends on the number of summands alone. So a window's error does not
depend on its neighbours or its place, to the bit.
"""

from typing import Literal

import numpy as np

from stream.detect.policy import ModelSpec
from stream.intake.columns import Bools, Float32s, Float64s


def cell_errors(residual: Float32s, loss: Literal["mse", "huber"]) -> Float32s:
    """Turns residuals r into errors, in place: r² (mse); r² up to |r| = 1 and 2 |r| - 1 beyond (huber).

    Source: Huber 1964, "Robust estimation of a location parameter", section 4, delta 1. Departs from it by a factor of
    2, so that both losses are the same on small residuals.
    """
    if loss == "mse":
        residual *= residual
        return residual
    size = np.abs(residual, out=residual)
    near = np.minimum(size, 1)
    size *= 2
    size -= near
    size *= near
    return size


class Reduction:
    """Errors of `rows` windows at a time. Holds a buffer: not for several threads at once.

    Args:
        scales: float64 (F,), the usual error of each sensor: a noisy sensor must not drown a precise one.
        tail: errors are in units of `scales` times this; the disagreement is in units of `scales`.
    """

    def __init__(self, spec: ModelSpec, scales: Float64s, tail: float, rows: int) -> None:
        self._loss = spec.loss
        self._scales = scales.astype(np.float32)[:, None]
        self._units = (scales * tail).astype(np.float32)[:, None]
        frames = spec.error_frames
        self._shape = (spec.members, frames, spec.sensors, rows)
        self._cells = np.empty((spec.members, frames * spec.sensors, rows), np.float32)
        self._counts = np.full((spec.sensors, rows), frames, np.float32)
        self._from_first = np.empty((3 if spec.members > 1 else 0, frames * spec.sensors, rows), np.float32)

    def errors(
        self, reconstructed: Float32s, observed: Float32s, left_out: Bools | None
    ) -> tuple[Float32s, Float64s, Float64s]:
        """Mean errors over the cells that are not left out, in the units of their sensors.

        Args:
            reconstructed: float32 (K, frames * F, rows), frames being 1 or W.
            observed: float32 (frames * F, rows).
            left_out: bool (frames, F, rows); None: nothing is left out.

        Returns:
            Errors of each sensor, float32 (K, F, rows), and of each member, float64 (K, rows); disagreement, float64
            (rows,), in [0, 1). NaN where every cell is left out.
        """
        cells = cell_errors(np.subtract(reconstructed, observed, out=self._cells), self._loss).reshape(self._shape)
        counts = self._counts  # (F, rows)
        if left_out is not None:
            np.copyto(cells, 0, where=left_out)
            counts = counts - left_out.sum(axis=0, dtype=np.float32)
        sums = tree_sum(cells) / self._units  # (K, F, rows)
        total = counts.sum(axis=0, dtype=np.float64)
        with np.errstate(invalid="ignore"):  # nothing counts: NaN
            by_sensor = sums / counts
            variance = self._variance(reconstructed, left_out) / total
            return by_sensor, tree_sum(sums) / total, variance / (1.0 + variance)

    def _variance(self, reconstructed: Float32s, left_out: Bools | None) -> Float32s:
        """Variance over the members, in units of the error scales, summed over the cells that count: (rows,).

        Computed from differences to the first member: these are small numbers, and 0 to the bit if all members agree.
        One member at a time, so always in the same order.
        """
        members = len(reconstructed)
        if members == 1:
            return np.zeros(reconstructed.shape[2], np.float32)
        total, squares, difference = self._from_first
        total.fill(0)
        squares.fill(0)
        for own in reconstructed[1:]:
            np.subtract(own, reconstructed[0], out=difference)
            total += difference
            difference *= difference
            squares += difference
        total *= total
        total /= members
        squares -= total
        cells = np.maximum(squares, 0, out=squares).reshape(1, *self._shape[1:])
        if left_out is not None:
            np.copyto(cells, 0, where=left_out)
        variance: Float32s = tree_sum(tree_sum(cells) / self._scales)[0]
        variance /= members
        return variance


def newest_errors(
    members: Float32s, observed: Float32s, left_out: Bools | None, units: Float64s, loss: Literal["mse", "huber"]
) -> tuple[Float32s, Float64s]:
    """Mean errors of the newest frames of N windows over the sensors that are not left out.

    Args:
        members: float32 (K, F, N), each member's reconstruction.
        observed: float32 (F, N).
        left_out: bool (F, N); None: nothing is left out.
        units: float64 (F,), of the errors.

    Returns:
        Errors of each sensor, float32 (K, F, N), and of each member, float64 (K, N). NaN where all are left out.
    """
    by_sensor = cell_errors(members - observed, loss)
    by_sensor /= units.astype(np.float32)[:, None]
    counted = np.full(observed.shape[1], len(observed), np.float64)
    if left_out is None:
        return by_sensor, tree_sum(by_sensor.copy()) / counted
    np.copyto(by_sensor, 0, where=left_out)
    counted -= left_out.sum(axis=0)
    with np.errstate(invalid="ignore"):  # nothing counts: NaN
        by_member = tree_sum(by_sensor.copy()) / counted
    np.copyto(by_sensor, np.nan, where=left_out)
    return by_sensor, by_member


def tree_sum(values: Float32s) -> Float32s:
    """Sum over axis 1, (K, n, ...) -> (K, ...); overwrites `values`. The order of numpy's sum depends on the layout."""
    left = values.shape[1]
    while left > 1:
        half = left // 2
        values[:, :half] += values[:, left - half : left]
        left -= half
    return values[:, 0]


def median(values: Float64s) -> Float64s:
    """Median over the first axis, K."""
    ordered = np.sort(values, axis=0)
    count = len(ordered)
    middle: Float64s = (ordered[(count - 1) // 2] + ordered[count // 2]) / 2.0  # if K is odd, the same row twice
    return middle
