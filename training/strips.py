"""Strips of held-out frames in the sensors' own units, and the scores that a bundle gives their newest frames."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream.detect.definition import Definition
from stream.detect.level import levels
from stream.detect.scale import scaled
from stream.intake.columns import Bools, Float64s, Int64s
from training.framing import FramedHistory
from training.trial import support

Float32s = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class RawStrips:
    """n strips of L frames, whole ones.

    Attributes:
        values: float64 (n, L, F), NaN where masked.
        names: series of each.
    """

    values: Float64s
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def scaled(self, definition: Definition) -> Float32s:
        """float32 (n, L, F), as the detector of a bundle scales them; masked cells hold 0."""
        return scaled(self.values, *self._scales(definition), definition.policy.clip)

    def unscaled(self, values: Float32s, definition: Definition) -> "RawStrips":
        """The strips that scale to `values` (n, L, F); what is masked stays so."""
        mean, scale = self._scales(definition)
        raw = values.astype(np.float64) * scale + mean
        return RawStrips(np.where(np.isnan(self.values), np.nan, raw), self.names)

    def of(self, rows: Int64s) -> "RawStrips":
        """Some of them."""
        return RawStrips(self.values[rows], tuple(self.names[row] for row in rows.tolist()))

    def masked(self) -> Bools:
        """bool (n, F): sensors with a value missing."""
        return np.asarray(np.isnan(self.values).any(axis=1))

    def scores(self, definition: Definition) -> Float64s:
        """float64 (n,): level / threshold of the newest frame of each; L must be `support` at least."""
        spec = definition.spec
        frames = support(spec)
        values = self.scaled(definition)[:, -frames:]
        holes = np.isnan(self.values[:, -frames:]).reshape(-1, spec.sensors)
        flat = np.ascontiguousarray(values.reshape(-1, spec.sensors))
        ends = (np.arange(len(self))[:, None] * frames + np.arange(spec.window - 1, frames)).ravel()
        errors = definition.ensemble.errors(flat, ends, holes if holes.any() else None).error  # (n * M,)
        newest = np.arange(1, len(self) + 1) * spec.smoothing - 1
        level = levels(errors, newest, np.full(len(self), frames), spec.window, spec.smoothing)
        found: Float64s = level / definition.thresholds.of_each(self.names)
        return found

    def _scales(self, definition: Definition) -> tuple[Float64s, Float64s]:
        """float64 (n, 1, F) each."""
        rows = [definition.scales.row(name) for name in self.names]
        return definition.scales.mean[rows][:, None], definition.scales.scale[rows][:, None]


def raw_strips(framed: FramedHistory, ends: Int64s, frames: int, seed: int) -> RawStrips:
    """The strips of so many frames that end at these rows of the history, in random order."""
    ends = np.random.default_rng(seed).permutation(ends)
    names = tuple(framed.names[at] for at in framed.series[ends].tolist())
    return RawStrips(framed.values[ends[:, None] + np.arange(1 - frames, 1)], names)
