"""A frozen model and the held-out normal strips it is tried on: what it finds in them, gives back, and explains."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stream.detect.definition import Definition
from stream.detect.incidents import EXCEEDS
from stream.detect.level import levels
from stream.detect.models import load
from stream.detect.policy import ModelSpec
from stream.detect.scale import scaled
from stream.intake.columns import Bools, Float64s, Int64s, UInt8s
from training.framing import FramedHistory
from training.split import Part
from training.synthetic import Kind, inject
from training.windows import evenly

Float32s = NDArray[np.float32]

# Deviations of the white noise that tells what a model is free to copy: small, so that all of it is within normal.
SMALL = 0.1


@dataclass(frozen=True, slots=True)
class Strips:
    """n strips of W + M - 1 frames, as many as the errors of one level look at.

    Attributes:
        values: float32 (n, W + M - 1, F), scaled; masked cells hold 0.
        masked: bool, the same shape.
        threshold: float64 (n,), of the series of each.
    """

    values: Float32s
    masked: Bools
    threshold: Float64s

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True)
class Step:
    """A kind of anomaly at a size.

    Attributes:
        n: strips that could have it.
        found: share of them whose level exceeds the threshold.
        given_back: how much of the deviation is in what the model makes of it; 0: nothing, 1: all. None where the
            deviation is in no cell that the error is of.
    """

    size: float
    n: int
    found: float
    given_back: float | None


def strips_of(
    framed: FramedHistory, part: UInt8s, wanted: Part, definition: Definition, most: int, seed: int
) -> Strips:
    """At most so many strips of a part, evenly spread over it, in random order."""
    frames = support(definition.spec)
    ends = evenly(np.flatnonzero(framed.within(part, wanted, frames)), most)
    ends = np.random.default_rng(seed).permutation(ends)
    raw = framed.values[ends[:, None] + np.arange(1 - frames, 1)]  # (n, L, F)
    names = [framed.names[at] for at in framed.series[ends].tolist()]
    scales, rows = definition.scales, [definition.scales.row(name) for name in names]
    values = scaled(raw, scales.mean[rows][:, None], scales.scale[rows][:, None], definition.policy.clip)
    return Strips(values, np.isnan(raw), definition.thresholds.of_each(names))


def support(spec: ModelSpec) -> int:
    """Frames that the errors of one level look at."""
    return spec.window + spec.smoothing - 1


class Trial:
    """Tries them out; at least one strip.

    Args:
        weights: those of the definition's ensemble, which itself gives errors and newest frames only.
    """

    def __init__(self, strips: Strips, definition: Definition, weights: Mapping[str, Tensor]) -> None:
        self._strips, self._definition, self._spec = strips, definition, definition.spec
        self._model = load(definition.spec, weights)
        # Newest frames of a window that its error is of.
        self._counted = 1 if self._spec.error_span == "newest" else self._spec.window

    def step(self, kind: Kind, size: float, seed: int) -> Step | str:
        """What becomes of an anomaly; or the reason that no strip can have it."""
        window, clip = self._spec.window, self._definition.policy.clip
        free = np.asarray(~self._strips.masked.any(axis=1))
        # Where most windows of a level see a spike; it passes, where others stay.
        begin = window - 1 if kind == "spike" else None
        made = inject(self._strips.values, kind, size, seed, begin=begin, clip=clip, allowed=free)
        if made.why_none is not None:
            return made.why_none
        end = window if kind == "spike" else support(self._spec)
        was, now = (values[:, end - window : end] for values in (self._strips.values[made.rows], made.strips))
        return Step(size, len(made.rows), self.found(made.strips, made.rows), self._given_back(was, now))

    def found(self, values: Float32s, rows: Int64s) -> float:
        """Share of the strips (n, W + M - 1, F), made of those at `rows`, whose newest level exceeds the threshold."""
        spec, (count, frames, sensors) = self._spec, values.shape
        flat = np.ascontiguousarray(values.reshape(-1, sensors))
        holes = self._strips.masked[rows].reshape(-1, sensors)
        ends = (np.arange(count)[:, None] * frames + np.arange(spec.window - 1, frames)).ravel()
        errors = self._definition.ensemble.errors(flat, ends, holes if holes.any() else None).error  # (n * M,)
        newest = np.arange(1, count + 1) * spec.smoothing - 1
        level = levels(errors, newest, np.full(count, frames), spec.window, spec.smoothing)
        return float((level / self._strips.threshold[rows] > EXCEEDS).mean())

    def found_in_normal(self) -> float:
        """The same share of the strips as they are."""
        return self.found(self._strips.values, np.arange(len(self._strips)))

    def freedom(self, seed: int) -> float:
        """How much of small white noise the model gives back: its degrees of freedom per value of a window.

        An ideal linear code of `latent` units has latent / (W * F); what copies has 1.

        Source: Efron 2004, "The estimation of prediction error: covariance penalties and cross-validation", section 2:
        degrees of freedom as the sum of d output / d input, here by differences along random directions.
        """
        was, kept = self._newest()
        noise = np.random.default_rng(seed).standard_normal(was.shape, np.float32) * np.float32(SMALL)
        given_back = self._given_back(was, was + np.where(kept, noise, np.float32(0)))
        return 0.0 if given_back is None else given_back

    def explained(self) -> float | None:
        """Share of a sensor's mean square around its training mean that the model explains; mean over sensors.

        0 where it does no better than that mean, 1 where it makes no error. None: no sensor moves.
        """
        windows, kept = self._newest()
        seen, kept = windows[:, -self._counted :], kept[:, -self._counted :]
        total = np.square(np.where(kept, seen, 0), dtype=np.float64).sum(axis=(0, 1))  # (F,)
        left = np.square(np.where(kept, self._made(windows) - seen, 0), dtype=np.float64).sum(axis=(1, 2))  # (K, F)
        moves = total > 0
        if not moves.any():
            return None
        return float(np.maximum(0.0, 1.0 - np.median(left, axis=0)[moves] / total[moves]).mean())

    def _newest(self) -> tuple[Float32s, Bools]:
        """The newest window of each strip (n, W, F), and the cells that are not masked."""
        return self._strips.values[:, -self._spec.window :], ~self._strips.masked[:, -self._spec.window :]

    def _given_back(self, was: Float32s, now: Float32s) -> float | None:
        """Slope of the change of what the model makes over the change of the windows (n, W, F); median over members."""
        put_in = (now - was)[:, -self._counted :].astype(np.float64)
        total = float(np.square(put_in).sum())
        if total == 0.0:
            return None
        change = self._made(now).astype(np.float64) - self._made(was)  # (K, n, counted, F)
        return float(np.median((change * put_in).sum(axis=(1, 2, 3)) / total))

    @torch.inference_mode()
    def _made(self, windows: Float32s) -> Float32s:
        """float32 (K, n, counted, F): what each member makes of the windows (n, W, F)."""
        shape = (self._spec.members, *windows.shape)
        made = self._model(torch.from_numpy(np.ascontiguousarray(windows)).expand(shape))
        return np.asarray(made[:, :, -self._counted :].numpy())
