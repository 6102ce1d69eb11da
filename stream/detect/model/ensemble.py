"""The ensemble: K frozen members over the windows of a frame matrix give the error of each window, to the bit.

A window's error depends on the window and the weights alone: not on its neighbours, its place, their number, or the
split into calls. Products are steady in their tiles (`tiles`), and all that follows is element by element
(`reduction`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from torch import Tensor

from stream.detect.model.autoencoders import load, tile_of
from stream.detect.model.discriminator import split_weights
from stream.detect.model.discriminator_penalty import DiscriminatorPenalty
from stream.detect.model.reduction import Reduction, median, newest_errors
from stream.detect.model.tiles import TILE_SIZES, Tile, first_steady
from stream.detect.policy import VIEWS, ModelSpec, View
from stream.errors import ShapeError
from stream.intake.columns import Bools, Float32s, Float64s, Int8s, Int64s


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """The result of the ensemble for N windows. N = 0 is legal.

    Attributes:
        error: float64 (N,), >= 0. The larger of the views' errors; each is the median over K of the mean over the
            unmasked cells of its frames, in units of their sensors' error scales, plus the penalty of a discriminator
            in the last view, over the tail of the view. NaN where all are masked.
        disagreement: float64 (N,), in [0, 1): v / (1 + v), v being the variance over K of the reconstructions, averaged
            as the error is and in the same units. At 0.5 the members differ by as much as sensors usually differ from
            their reconstruction. 0 if they agree and for K = 1; NaN where the error is NaN.
        members: float32 (K, F, N), each member's reconstruction of the newest frame, scaled.
        by_sensor: float32 (K, F, N), each member's error of each sensor, in the view with the larger error and in the
            unit of `error`; NaN where it is left out.
        view: int8 (N,), the place of that view in `VIEWS`.
    """

    error: Float64s
    disagreement: Float64s
    members: Float32s
    by_sensor: Float32s
    view: Int8s

    def per_sensor(self, row: int | Int64s) -> Float64s:
        """Error of each sensor, median over K: (F,) of one row, (F, n) of n rows. NaN where it is left out."""
        return median(self.by_sensor[:, :, row].astype(np.float64))

    def expected(self, row: int | Int64s) -> Float64s:
        """Reconstruction of the newest frame, scaled, median over K: (F,) of one row, (F, n) of n rows."""
        return median(self.members[:, :, row].astype(np.float64))


class Ensemble:
    """Frozen inference. Deterministic on one machine; holds buffers, so for one thread at a time.

    Memory of a result is about 8 * K * F bytes per window: call with some thousands of windows at a time.

    Args:
        weights: as `Autoencoder.weights` gives them, with those of `Discriminator.weights` if `spec` has one.
        error_scales: float64 (V, F), or (F,) for one view, > 0: the unit of each sensor's error in each view of
            `spec.views`, its mean on held-out normal data. None: 1.
        tails: float64 (V,), > 0: the unit of each view, its error that 1 of 100 held-out normal windows exceeds.
            None: 1.

    Raises:
        ShapeError: weights, error scales or tails that do not fit `spec`, or are not finite.
    """

    def __init__(
        self,
        spec: ModelSpec,
        weights: Mapping[str, Tensor],
        error_scales: Float64s | None = None,
        tails: Float64s | None = None,
    ) -> None:
        self.spec = spec
        views = len(spec.views)
        self.error_scales = np.ones((views, spec.sensors)) if error_scales is None else np.atleast_2d(error_scales)
        self.tails = np.ones(views) if tails is None else tails
        _check_units("error spread", self.error_scales, (views, spec.sensors))
        _check_units("error tails", self.tails, (views,))
        autoencoder, discriminator = split_weights(weights)
        packed = load(spec, autoencoder).weights()
        with torch.inference_mode():
            penalties = {rows: _penalty(spec, discriminator, rows) for rows in TILE_SIZES}
            sizes = [rows for rows, penalty in penalties.items() if penalty is None or penalty.is_steady()]
            self._tile: Tile = first_steady(lambda rows: tile_of(spec, packed, rows), sizes)
        self._rows = len(self._tile.windows)
        self._penalty = penalties[self._rows]
        self._reduction = Reduction(spec, self.error_scales[-1], float(self.tails[-1]), self._rows)
        self._observed = torch.empty(spec.error_frames * spec.sensors, self._rows)

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
        members, by_sensor = np.empty((2, spec.members, spec.sensors, count), np.float32)
        by_member, disagreement = np.empty((spec.members, count)), np.empty(count)
        left_out = masked if masked is not None and masked.any() else None
        for first, starts in self._tiles(frames, ends):
            here, used = slice(first, first + self._rows), min(self._rows, count - first)
            reconstructed = self._tile.run().numpy()  # (K, frames * F, rows)
            observed = self._observed.numpy()  # (frames * F, rows)
            cells = self._left_out(left_out, starts)
            by_sensor_here, by_member_here, disagreement_here = self._reduction.errors(reconstructed, observed, cells)
            if self._penalty is not None:
                by_member_here = by_member_here + self._penalty.of(reconstructed, observed, cells) / self.tails[-1]
            by_sensor[:, :, here], by_member[:, here] = by_sensor_here[:, :, :used], by_member_here[:, :used]
            disagreement[here] = disagreement_here[:used]
            members[:, :, here] = reconstructed[:, -spec.sensors :, :used]
        error = median(by_member)
        view = np.full(count, VIEWS.index(spec.views[-1]), np.int8)
        if len(spec.views) > 1:
            self._add_newest(
                members, frames[ends], None if left_out is None else left_out[ends], error, view, by_sensor
            )
        return Reconstruction(error, disagreement, members, by_sensor, view)

    def scales_of(self, view: View) -> Float64s:
        """The error scales of a view: float64 (F,). Those of the last view for a still sensor."""
        scales: Float64s = self.error_scales[0 if view == "newest" else -1]
        return scales

    def _add_newest(
        self,
        members: Float32s,
        observed: Float32s,
        left_out: Bools | None,
        error: Float64s,
        view: Int8s,
        by_sensor: Float32s,
    ) -> None:
        """Replaces `error`, `view` and `by_sensor` by those of the newest frames (N, F) where their error is larger."""
        cells = None if left_out is None or not left_out.any() else left_out.T
        units = self.error_scales[0] * self.tails[0]
        own, by_member = newest_errors(members, np.ascontiguousarray(observed.T), cells, units, self.spec.loss)
        newest = median(by_member)
        larger = newest > error  # False where all sensors of the frame are left out
        error[larger], view[larger] = newest[larger], VIEWS.index("newest")
        np.copyto(by_sensor, own, where=larger)

    @torch.inference_mode()
    def reconstructed(self, frames: Float32s, ends: Int64s) -> Float64s:
        """Reconstruction of the frames that the errors of N windows span, scaled, median over K.

        Args:
            frames, ends: as in `errors`.

        Returns:
            float64 (frames, F, N), frames being 1 or W.
        """
        self._check(frames, ends, None)
        spec, count = self.spec, len(ends)
        made = np.empty((spec.members, spec.error_frames, spec.sensors, count), np.float32)
        for first, _ in self._tiles(frames, ends):
            here = made[..., first : first + self._rows]
            here[...] = self._tile.run().numpy().reshape(*made.shape[:3], self._rows)[..., : here.shape[-1]]
        return median(made.astype(np.float64))

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

    def _tiles(self, frames: Float32s, ends: Int64s) -> Iterator[tuple[int, Int64s]]:
        """Fills the tile with windows, batch by batch; yields the index of the first, and the starts (rows,) of all."""
        if not len(ends):
            return
        window, sensors = self.spec.window, self.spec.sensors
        source = torch.from_numpy(frames if frames.flags.writeable else frames.copy())  # torch takes no read-only array
        runs = source.as_strided((len(frames) - window + 1, window * sensors), (sensors, 1))  # overlapping windows
        clip, (low, high) = self.spec.clip, torch.aminmax(source)
        limit = clip if clip is not None and max(-float(low), float(high)) > clip else None
        rows, count = self._rows, len(ends)
        starts = np.full(-(-count // rows) * rows, ends[0] - (window - 1))  # padding: the first window
        starts[:count] = ends - (window - 1)
        for first in range(0, count, rows):
            here = starts[first : first + rows]
            torch.index_select(runs, 0, torch.from_numpy(here), out=self._tile.windows)
            self._observed.copy_(self._tile.windows[:, -len(self._observed) :].t())
            if limit is not None:
                self._tile.windows.clamp_(-limit, limit)
            yield first, here

    def _left_out(self, masked: Bools | None, starts: Int64s) -> Bools | None:
        """Cells of the windows that are left out of the error, bool (frames, F, rows); None: there are none."""
        if masked is None:
            return None
        window, frames = self.spec.window, len(self._observed) // self.spec.sensors
        rows = masked[starts + np.arange(window - frames, window)[:, None]]  # (frames, rows, F)
        return rows.transpose(0, 2, 1) if rows.any() else None


def _check_units(of: str, seen: Float64s, shape: tuple[int, ...]) -> None:
    if seen.shape != shape or not (np.isfinite(seen) & (seen > 0)).all():
        raise ShapeError(f"{of}: seen {seen.ravel().tolist()}, expected {prod(shape)} finite values > 0; retrain")


def _penalty(spec: ModelSpec, weights: Mapping[str, Tensor], rows: int) -> DiscriminatorPenalty | None:
    """The discriminator's penalty for `rows` windows at a time; None: `spec` has no discriminator."""
    if spec.discriminator:
        return DiscriminatorPenalty(spec, weights, rows)
    if weights:
        raise ShapeError(f"weights of a discriminator, {sorted(weights)}, but the model's sizes have none; retrain")
    return None
