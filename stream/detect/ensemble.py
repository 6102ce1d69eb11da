"""K frozen members over the windows of a frame matrix: the error of each newest frame, to the bit.

A window's error depends on the window and the weights alone: not on its neighbours, its place, their number, or how
calls are split. Products are steady in their tiles (`tiles`); everything after them is element by element, sums run
sensor by sensor in a fixed order, in float64.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stream.detect.models import load
from stream.detect.policy import ModelSpec
from stream.detect.tiles import Tile, steady, tile_of
from stream.errors import ShapeError

Float32s: TypeAlias = NDArray[np.float32]
Float64s: TypeAlias = NDArray[np.float64]
Int64s: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

TILE_ROWS = 256
# Smaller ones only where the machine's matrix products are not steady in the larger: a row for itself always is.
TILE_SIZES = (TILE_ROWS, 64, 16, 1)
CHUNK_ROWS = 4096  # rows reduced at once: their intermediates stay in the cache


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """What the ensemble made of N windows. N = 0 is legal.

    Attributes:
        error: float64 (N,), squared scaled units, >= 0: median over K of the mean over unmasked sensors
            (error_span "window": over the window's unmasked cells). NaN where every one is masked.
        disagreement: float64 (N,), in [0, 1]: (largest - smallest) / (largest + smallest) of the K errors.
            0 when they agree and for K = 1; NaN where the error is.
        members: float32 (K, F, N), each member's expectation of the newest frame, scaled.
        newest: float32 (F, N), the newest frames as they were fed, scaled.
        masked: bool (F, N), cells of the newest frame left out, or None.
        span_errors: float64 (K, F, N), mean over the window's unmasked cells of each sensor; None when error_span is
            "newest".
    """

    error: Float64s
    disagreement: Float64s
    members: Float32s
    newest: Float32s
    masked: Bools | None
    span_errors: Float64s | None

    def per_sensor(self, row: int | Int64s) -> Float64s:
        """Squared error of each sensor (F,), of n rows (F, n), median over K. NaN where it is left out of the error."""
        if self.span_errors is not None:
            return _median(self.span_errors[:, :, row])
        errors = _median((self.members[:, :, row].astype(np.float64) - self.newest[:, row]) ** 2)
        if self.masked is not None:
            errors[self.masked[:, row]] = np.nan
        return errors

    def expected(self, row: int | Int64s) -> Float64s:
        """The newest frame that the model expects (F,), of n rows (F, n), scaled, median over K."""
        return _median(self.members[:, :, row].astype(np.float64))


class Ensemble:
    """Frozen inference. Deterministic on one machine; holds buffers, so for one thread at a time.

    Memory of a result is about 4 * K * F bytes per window: call with some thousands of windows at a time.
    """

    def __init__(self, spec: ModelSpec, weights: Mapping[str, Tensor]) -> None:
        """
        Args:
            weights: as `Autoencoder.weights` gives them.

        Raises:
            ShapeError: weights that are not those of `spec`, or not finite.
        """
        self.spec = spec
        packed = load(spec, weights).weights()
        with torch.inference_mode():
            self._tile: Tile = steady(lambda rows: tile_of(spec, packed, rows), TILE_SIZES)
        self._rows = len(self._tile.windows)

    @torch.inference_mode()
    def errors(self, frames: Float32s, ends: Int64s, masked: Bools | None = None) -> Reconstruction:
        """Scores the windows that end at rows `ends`: frames[e - W + 1 : e + 1] each.

        Args:
            frames: float32 (P, F), C-contiguous, scaled, finite; masked cells hold 0.
            ends: int64 (N,), each in [W - 1, P), in any order.
            masked: bool (P, F), cells to leave out of the error.

        Raises:
            ShapeError: an array of another shape, type or layout, or a window that does not lie inside the frames.
        """
        self._check(frames, ends, masked)
        spec, count = self.spec, len(ends)
        members = np.empty((spec.members, spec.sensors, count), np.float32)
        span = _Span(spec, count) if spec.error_span == "window" else None
        self._reconstruct(frames, ends, masked, members, span)
        newest = np.ascontiguousarray(frames[ends].T)  # (F, N)
        hidden = None if masked is None else np.ascontiguousarray(masked[ends].T)  # (F, N)
        by_member = _newest_errors(members, newest, hidden) if span is None else span.by_member
        error, disagreement = _combine(by_member)
        return Reconstruction(error, disagreement, members, newest, hidden, None if span is None else span.by_sensor)

    def _check(self, frames: Float32s, ends: Int64s, masked: Bools | None) -> None:
        window, sensors = self.spec.window, self.spec.sensors
        if frames.dtype != np.float32 or frames.ndim != 2 or frames.shape[1] != sensors:
            raise ShapeError(f"frames: seen {frames.dtype} {frames.shape}, expected float32 (P, {sensors})")
        if not frames.flags.c_contiguous:
            raise ShapeError("frames: must be C-contiguous; windows are read as runs of memory")
        if masked is not None and masked.shape != frames.shape:
            raise ShapeError(f"masked: seen {masked.shape}, expected the shape of frames, {frames.shape}")
        if ends.dtype != np.int64 or ends.ndim != 1:
            raise ShapeError(f"ends: seen {ends.dtype} {ends.shape}, expected int64 (N,)")
        if len(ends) and not window - 1 <= int(ends.min()) <= int(ends.max()) < len(frames):
            raise ShapeError(
                f"ends: seen {int(ends.min())} to {int(ends.max())}, windows of {window} frames over {len(frames)} "
                f"end at {window - 1} to {len(frames) - 1}"
            )

    def _reconstruct(
        self, frames: Float32s, ends: Int64s, masked: Bools | None, members: Float32s, span: "_Span | None"
    ) -> None:
        """Fills `members`, and `span` where the error spans the window, tile by tile."""
        if not len(ends):
            return
        window, sensors = self.spec.window, self.spec.sensors
        source = torch.from_numpy(frames if frames.flags.writeable else frames.copy())  # torch takes no read-only one
        runs = source.as_strided((len(frames) - window + 1, window * sensors), (sensors, 1))  # overlapping windows
        rows, count = self._rows, len(ends)
        starts = np.full(-(-count // rows) * rows, ends[0] - (window - 1))  # the last tile is filled with the first
        starts[:count] = ends - (window - 1)
        target = torch.from_numpy(members)
        for tile, here in enumerate(torch.from_numpy(starts).view(-1, rows)):
            torch.index_select(runs, 0, here, out=self._tile.windows)
            result = self._tile.run()  # (K, F or W*F, rows)
            first = tile * rows
            used = min(rows, count - first)
            target[:, :, first : first + used].copy_(result[:, -sensors:, :used])
            if span is not None:
                windows = self._tile.windows[:used].numpy()
                span.add(first, ends[first : first + used], result[:, :, :used].numpy(), windows, masked)


class _Span:
    """Errors over whole windows, filled tile by tile."""

    def __init__(self, spec: ModelSpec, count: int) -> None:
        self.by_sensor = np.empty((spec.members, spec.sensors, count))  # mean over unmasked cells; NaN with none
        self.by_member = np.empty((spec.members, count))
        self._shape = (spec.window, spec.sensors)

    def add(self, first: int, ends: Int64s, result: Float32s, windows: Float32s, masked: Bools | None) -> None:
        """Adds the n windows that end at `ends`: result (K, W*F, n), windows (n, W*F), masked (P, F)."""
        window, sensors = self._shape
        count = len(ends)
        square = result.astype(np.float64)
        square -= windows.T
        square *= square
        square = square.reshape(-1, window, sensors, count)  # (K, W, F, n)
        cells = np.full((sensors, count), window, np.int64)
        if masked is not None:
            steps = ends - np.arange(window - 1, -1, -1)[:, None]  # (W, n)
            left_out = masked[steps].transpose(0, 2, 1)  # (W, F, n)
            square[:, left_out] = 0.0
            cells -= left_out.sum(axis=0)
        sums = _ordered_sum(square)  # (K, F, n)
        here = slice(first, first + count)
        self.by_sensor[:, :, here] = _mean(sums, cells)
        self.by_member[:, here] = _mean(_ordered_sum(sums), cells.sum(axis=0))


def _newest_errors(members: Float32s, newest: Float32s, masked: Bools | None) -> Float64s:
    """Mean squared error of each member over unmasked sensors: (K, F, N) and (F, N) -> (K, N)."""
    sensors, count = newest.shape
    errors = np.empty((len(members), count))
    for first in range(0, count, CHUNK_ROWS):
        here = slice(first, first + CHUNK_ROWS)
        square = members[:, :, here].astype(np.float64)
        square -= newest[:, here]
        square *= square
        cells = np.full(square.shape[2], sensors, np.int64)
        if masked is not None:
            square[:, masked[:, here]] = 0.0
            cells -= masked[:, here].sum(axis=0)
        errors[:, here] = _mean(_ordered_sum(square), cells)
    return errors


def _ordered_sum(values: Float64s) -> Float64s:
    """Sum over axis 1 from first to last: (K, n, ...) -> (K, ...). numpy's own order depends on the layout."""
    total = values[:, 0].copy()
    for step in range(1, values.shape[1]):
        total += values[:, step]
    return total


def _mean(sums: Float64s, cells: Int64s) -> Float64s:
    """sums / cells; NaN where there is no cell."""
    with np.errstate(invalid="ignore"):
        return sums / cells


def _combine(by_member: Float64s) -> tuple[Float64s, Float64s]:
    """Median and disagreement over K of (K, N): each (N,)."""
    if len(by_member) == 1:
        return by_member[0], np.where(np.isnan(by_member[0]), np.nan, 0.0)
    ordered = np.sort(by_member, axis=0)
    low, high = ordered[0], ordered[-1]
    total = low + high
    spread = np.divide(high - low, total, out=np.zeros_like(total), where=total != 0)
    return _middle(ordered), spread


def _median(values: Float64s) -> Float64s:
    """Over the first axis, which is K."""
    return _middle(np.sort(values, axis=0))


def _middle(ordered: Float64s) -> Float64s:
    count = len(ordered)
    middle: Float64s = (ordered[(count - 1) // 2] + ordered[count // 2]) / 2.0  # the same one twice where K is odd
    return middle
