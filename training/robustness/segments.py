"""Strips: the W + M - 1 frames that one level rests on, as an attacker holds them."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stream.detect.definition import Definition
from stream.detect.frames.frames import Fitness
from stream.detect.frames.ranges import Ranges
from stream.detect.slots import Segments, last_true
from stream.intake.columns import Bools, Float64s, Int64s
from training.data.framing import FramedHistory
from training.data.scaling import scaled_frames
from training.data.windows import evenly

Float32s = NDArray[np.float32]
# Of strips that are held at once: 64 MB of float32.
CELLS = 1 << 24


@dataclass(frozen=True)
class Strips:
    """N strips of L = W + M - 1 frames, scaled; the level of the last frame is what is attacked.

    Attributes:
        series: of each strip.
        values: float32 (N, L, F), finite; masked cells hold 0.
        masked: bool (N, L, F), cells without a value: they count for nothing, and nobody can change them.
        low, high: float32 (N, L, F), what each cell may be changed to; low <= values <= high.
    """

    series: tuple[str, ...]
    values: Float32s
    masked: Bools
    low: Float32s
    high: Float32s

    def __len__(self) -> int:
        return len(self.values)

    @property
    def tensors(self) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
        """Values, 1 where a cell counts, and the box: what an attack takes."""
        kept = torch.from_numpy(1.0 - self.masked.astype(np.float32))
        return torch.from_numpy(self.values), kept, (torch.from_numpy(self.low), torch.from_numpy(self.high))

    def changed(self, values: Float32s) -> "Strips":
        """The same strips with other values."""
        return replace(self, values=values)

    def rows(self, chosen: Int64s) -> "Strips":
        """Some of them."""
        arrays = {name: getattr(self, name)[chosen] for name in ("values", "masked", "low", "high")}
        return Strips(tuple(self.series[i] for i in chosen.tolist()), **arrays)


def cut(frames: FramedHistory, ends: Int64s, definition: Definition, seen: tuple[Float32s, Float32s]) -> Strips:
    """The strips that end at these rows, all of them whole and without a gap.

    A cell may be changed to what its sensor can show: its valid range where a rule has one, else what it has shown in
    training, and never beyond the clip. Where its true value is further out, it may stay there.

    Args:
        seen: float32 (F,) each, the smallest and the largest scaled value of each sensor in training.
    """
    scaled, holes = scaled_frames(frames, definition.scales, definition.policy.clip), np.isnan(frames.values)
    rows = ends[:, None] + np.arange(1 - definition.spec.receptive_field, 1)  # (N, L)
    values, masked = scaled[rows], holes[rows]
    series = tuple(frames.names[i] for i in frames.series[ends].tolist())
    low, high = (np.broadcast_to(limit[:, None], values.shape) for limit in _limits(series, definition, seen))
    return Strips(
        series,
        values,
        masked,
        np.where(masked, 0.0, np.minimum(low, values)).astype(np.float32),
        np.where(masked, 0.0, np.maximum(high, values)).astype(np.float32),
    )


def whole_rows(frames: FramedHistory, definition: Definition, most: int, *, of_events: bool) -> Int64s:
    """At most so many rows, evenly spaced, whose strips are whole and hold a labelled frame, or none."""
    length = definition.spec.receptive_field
    whole = frames.run_within(frames.fitness == Fitness.WHOLE) >= length
    labelled = last_true(frames.marked, Segments(frames.series))
    event = (labelled >= 0) & (np.arange(len(frames)) - labelled < length)
    return evenly(np.flatnonzero(whole & (event == of_events)), affordable(definition, most))


def affordable(definition: Definition, most: int) -> int:
    """So many strips at most, fewer where they are large."""
    return max(1, min(most, CELLS // (definition.spec.receptive_field * definition.spec.sensors)))


def _limits(
    series: tuple[str, ...], definition: Definition, seen: tuple[Float32s, Float32s]
) -> tuple[Float64s, Float64s]:
    """Smallest and largest scaled value of each strip's sensors: float64 (N, F) each."""
    rows = np.array([definition.scales.row(name) for name in series], np.int64)
    mean, scale, clip = definition.scales.mean[rows], definition.scales.scale[rows], definition.policy.clip
    ranges = Ranges(definition.policy.valid, definition.sensors)

    def scaled_limit(limit: Float64s, shown: Float32s) -> Float64s:
        return np.clip(np.where(np.isfinite(limit), (limit - mean) / scale, shown), -clip, clip)

    return scaled_limit(ranges.low, seen[0]), scaled_limit(ranges.high, seen[1])
