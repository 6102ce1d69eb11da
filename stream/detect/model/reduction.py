"""From what the members made of a tile of windows to errors: of each cell, sensor and member; and how far they differ.

Windows are the last axis throughout, and all is done element by element along it: subtract, multiply, add, divide, each
rounded once. Sums run over a tree whose shape depends on the number of summands alone. So a window's error does not
depend on its neighbours or its place, to the bit.
"""

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stream.detect.policy import ModelSpec

Float32s: TypeAlias = NDArray[np.float32]
Float64s: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]


def cell_errors(residual: Float32s, loss: Literal["mse", "huber"]) -> Float32s:
    """Turns residuals r into errors, in place: r² (mse); r² up to |r| = 1 and 2 |r| - 1 beyond (huber).

    Source: Huber 1964, "Robust estimation of a location parameter", section 4, delta 1; twice as large as there, so
    that both losses are the same on small residuals.
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
        spread: float64 (F,), the error of each sensor is told in units of this: a noisy sensor must not drown a
            precise one.
    """

    def __init__(self, spec: ModelSpec, spread: Float64s, rows: int) -> None:
        self._loss = spec.loss
        self._spread = spread.astype(np.float32)[:, None]
        frames = 1 if spec.error_span == "newest" else spec.window
        self._shape = (spec.members, frames, spec.sensors, rows)
        self._cells = np.empty((spec.members, frames * spec.sensors, rows), np.float32)
        self._counts = np.full((spec.sensors, rows), frames, np.float32)
        self._from_first = np.empty((3 if spec.members > 1 else 0, frames * spec.sensors, rows), np.float32)

    def errors(self, made: Float32s, seen: Float32s, left_out: Bools | None) -> tuple[Float32s, Float64s, Float64s]:
        """Means over the cells that are not left out, in units of their sensors' spread.

        Args:
            made, seen: float32 (K, frames * F, rows) and (frames * F, rows); 1 frame, or W.
            left_out: bool (frames, F, rows), or None.

        Returns:
            Errors: float32 (K, F, rows) of each sensor and float64 (K, rows) of each member. Disagreement: float64
            (rows,), in [0, 1). NaN where every cell is left out.
        """
        cells = cell_errors(np.subtract(made, seen, out=self._cells), self._loss).reshape(self._shape)
        counts = self._counts  # (F, rows)
        if left_out is not None:
            np.copyto(cells, 0, where=left_out)
            counts = counts - left_out.sum(axis=0, dtype=np.float32)
        sums = tree_sum(cells) / self._spread  # (K, F, rows)
        total = counts.sum(axis=0, dtype=np.float64)
        with np.errstate(invalid="ignore"):  # nothing counts: NaN
            by_sensor = sums / counts
            variance = self._apart(made, left_out) / total
            return by_sensor, tree_sum(sums) / total, variance / (1.0 + variance)

    def _apart(self, made: Float32s, left_out: Bools | None) -> Float32s:
        """(rows,): variance over the members, in units of the sensors' spread, summed over the cells that count.

        As seen from the first member, so it is small numbers whose squares are subtracted, and 0 to the bit where all
        are the same; a member at a time, so always in the same order.
        """
        members = len(made)
        if members == 1:
            return np.zeros(made.shape[2], np.float32)
        total, squares, away = self._from_first
        total.fill(0)
        squares.fill(0)
        for own in made[1:]:
            np.subtract(own, made[0], out=away)
            total += away
            away *= away
            squares += away
        total *= total
        total /= members
        squares -= total
        cells = np.maximum(squares, 0, out=squares).reshape(1, *self._shape[1:])
        if left_out is not None:
            np.copyto(cells, 0, where=left_out)
        apart: Float32s = tree_sum(tree_sum(cells) / self._spread)[0]
        apart /= members
        return apart


def tree_sum(values: Float32s) -> Float32s:
    """Sum over axis 1, (K, n, ...) -> (K, ...); overwrites `values`. numpy's own order depends on the layout."""
    left = values.shape[1]
    while left > 1:
        half = left // 2
        values[:, :half] += values[:, left - half : left]
        left -= half
    return values[:, 0]


def median(values: Float64s) -> Float64s:
    """Over the first axis, which is K."""
    ordered = np.sort(values, axis=0)
    count = len(ordered)
    middle: Float64s = (ordered[(count - 1) // 2] + ordered[count // 2]) / 2.0  # the same one twice where K is odd
    return middle
