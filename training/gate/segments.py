"""Held-out segments: runs of frames as long as one level needs, and the scores of their newest frames.

Reports and manifests call a segment a strip.
"""

from dataclasses import dataclass

import numpy as np

from stream.detect.definition import Definition
from stream.detect.frames.scale import scaled
from stream.detect.incidents.level import levels
from stream.detect.policy import ModelSpec
from stream.intake.columns import Bools, Float32s, Float64s, Int64s
from training.data.framing import FramedHistory
from training.data.windows import evenly

# A share of fewer segments means little. More segments only cost time, as do more values in all windows together.
FEWEST, MOST, MOST_VALUES = 20, 128, 1 << 22


@dataclass(frozen=True, slots=True)
class HeldOutSegments:
    """n segments of L frames without a gap.

    Attributes:
        values: float64 (n, L, F), in the sensors' own units, NaN where masked.
        names: the series of each segment.
    """

    values: Float64s
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def masked(self) -> Bools:
        """Cells without a value: bool (n, L, F)."""
        return np.isnan(self.values)

    @property
    def free(self) -> Bools:
        """Sensors without a missing value: bool (n, F)."""
        return np.asarray(~self.masked.any(axis=1))

    def of(self, rows: Int64s) -> "HeldOutSegments":
        """The segments at these rows."""
        return HeldOutSegments(self.values[rows], tuple(self.names[row] for row in rows.tolist()))

    def scaled(self, definition: Definition) -> Float32s:
        """Scaled values, float32 (n, L, F), by the scales of a bundle; masked cells hold 0."""
        return scaled(self.values, *self._scales(definition), definition.policy)

    def unscaled(self, values: Float32s, definition: Definition) -> "HeldOutSegments":
        """The segments whose scaled values are `values` (n, L, F); masked cells stay masked."""
        mean, scale = self._scales(definition)
        raw = values.astype(np.float64) * scale + mean
        return HeldOutSegments(np.where(self.masked, np.nan, raw), self.names)

    def scores(self, definition: Definition, values: Float32s | None = None) -> Float64s:
        """Computes the score of the newest frame of each segment, float64 (n,): by its level, or its oddest sensor.

        L must be at least W + M - 1.

        Args:
            values: scaled, float32 (n, L, F), instead of the segments' own values.
        """
        frames = definition.spec.receptive_field
        values = (self.scaled(definition) if values is None else values)[:, -frames:]
        masked = self.masked[:, -frames:]
        level, _ = newest_frames(definition, values, masked)
        scores: Float64s = level / definition.thresholds.of_each(self.names)
        flat = np.ascontiguousarray(values.reshape(-1, values.shape[2]))
        newest = np.arange(1, len(self) + 1) * frames - 1
        odd = definition.forms.of(flat, newest, masked.reshape(flat.shape))
        return np.maximum(scores, odd.scores(len(self))[0])

    def _scales(self, definition: Definition) -> tuple[Float64s, Float64s]:
        """Mean and scale of each segment's series, float64 (n, 1, F) each."""
        rows = [definition.scales.row(name) for name in self.names]
        return definition.scales.mean[rows][:, None], definition.scales.scale[rows][:, None]


def newest_frames(definition: Definition, values: Float32s, masked: Bools) -> tuple[Float64s, Float64s]:
    """Computes level and disagreement of the newest frame of each segment, float64 (n,) each, by the frozen ensemble.

    Args:
        values: float32 (n, W + M - 1, F), scaled; masked cells hold 0.
        masked: bool (n, W + M - 1, F).
    """
    spec, count, frames = definition.spec, len(values), definition.spec.receptive_field
    flat = np.ascontiguousarray(values.reshape(-1, spec.sensors))
    ends = np.arange(count)[:, None] * frames + np.arange(spec.window - 1, frames)  # (n, M)
    windows = definition.ensemble.errors(flat, ends.ravel(), masked.reshape(flat.shape))
    newest = np.arange(1, count + 1) * spec.smoothing - 1
    level = levels(windows.error, newest, np.full(count, frames), spec.window, spec.smoothing)
    return level, windows.disagreement[newest]


def cut_segments(framed: FramedHistory, ends: Bools, frames: int, most: int, seed: int) -> HeldOutSegments:
    """Cuts evenly spread segments out of a history, in random order.

    Args:
        ends: bool (T,), rows at which a segment may end: `frames` frames of the series end there without a gap.
        frames: frames of each segment.
        most: number of segments at most.
    """
    rows = np.random.default_rng(seed).permutation(evenly(np.flatnonzero(ends), most))
    names = tuple(framed.names[at] for at in framed.series[rows].tolist())
    return HeldOutSegments(framed.values[rows[:, None] + np.arange(1 - frames, 1)], names)


def most_segments(spec: ModelSpec) -> int:
    """Number of segments to cut: fewer where the model has more values to compute."""
    return min(MOST, max(FEWEST, MOST_VALUES // (spec.members * spec.smoothing * spec.window * spec.sensors)))
