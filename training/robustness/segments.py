"""Segments under attack: the W + M - 1 frames that one level depends on, and the limits of their values."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from stream.detect.definition import Definition
from stream.detect.frames.frames import Fitness
from stream.detect.frames.ranges import Ranges
from stream.detect.slots import Segments, last_true
from stream.intake.columns import Bools, Float32s, Float64s, Int64s
from training.data.framing import FramedHistory
from training.data.scaling import scaled_frames
from training.data.windows import evenly

# Most cells of segments in memory at once: 64 MB of float32.
CELLS = 1 << 24


@dataclass(frozen=True)
class AttackSegments:
    """N segments of L = W + M - 1 frames, scaled. The level of the last frame is attacked.

    Attributes:
        series: of each segment.
        values: float32 (N, L, F), finite; masked cells hold 0.
        masked: bool (N, L, F), cells without a value. They count for nothing, and no attack changes them.
        low, high: float32 (N, L, F), limits of each cell under attack; low <= values <= high.
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
        """Values, weights of cells (1, or 0 where masked), and the limits, as an attack takes them."""
        counted = torch.from_numpy(1.0 - self.masked.astype(np.float32))
        return torch.from_numpy(self.values), counted, (torch.from_numpy(self.low), torch.from_numpy(self.high))

    def changed(self, values: Float32s) -> "AttackSegments":
        """The same segments with other values."""
        return replace(self, values=values)


def cut(
    frames: FramedHistory, ends: Int64s, definition: Definition, trained_range: tuple[Float32s, Float32s]
) -> AttackSegments:
    """Cuts the segments that end at these rows. All of them must be whole and without a gap.

    Limits of a cell are the valid range of its sensor where a rule has one, else the sensor's range in training. They
    never exceed the clip. A true value outside of the limits may stay.

    Args:
        trained_range: float32 (F,) each, the smallest and the largest scaled value of each sensor in training.
    """
    scaled, missing = scaled_frames(frames, definition.scales, definition.policy), np.isnan(frames.values)
    rows = ends[:, None] + np.arange(1 - definition.spec.receptive_field, 1)  # (N, L)
    values, masked = scaled[rows], missing[rows]
    series = tuple(frames.names[i] for i in frames.series[ends].tolist())
    limits = _limits(series, definition, trained_range)
    low, high = (np.broadcast_to(limit[:, None], values.shape) for limit in limits)
    return AttackSegments(
        series,
        values,
        masked,
        np.where(masked, 0.0, np.minimum(low, values)).astype(np.float32),
        np.where(masked, 0.0, np.maximum(high, values)).astype(np.float32),
    )


def whole_rows(frames: FramedHistory, definition: Definition, most: int, *, of_events: bool) -> Int64s:
    """At most `most` rows, evenly spaced, whose segments are whole and hold a labelled frame, or none."""
    length = definition.spec.receptive_field
    whole = frames.run_within(frames.fitness == Fitness.WHOLE) >= length
    labelled = last_true(frames.marked, Segments(frames.series))
    event = (labelled >= 0) & (np.arange(len(frames)) - labelled < length)
    return evenly(np.flatnonzero(whole & (event == of_events)), affordable(definition, most))


def affordable(definition: Definition, most: int) -> int:
    """Number of segments that fit into memory, `most` at most."""
    return max(1, min(most, CELLS // (definition.spec.receptive_field * definition.spec.sensors)))


def nearest(segments: AttackSegments, recorded: Float32s) -> Float32s:
    """float32 (N, L, F): the recorded segment nearest to each, 0 where a cell is masked.

    Args:
        recorded: float32 (n, L, F), scaled.
    """
    distance = torch.cdist(torch.from_numpy(segments.values).flatten(1), torch.from_numpy(recorded).flatten(1))
    chosen: Float32s = recorded[distance.argmin(dim=1).numpy()]
    return np.where(segments.masked, np.float32(0), chosen)


def _limits(
    series: tuple[str, ...], definition: Definition, trained_range: tuple[Float32s, Float32s]
) -> tuple[Float64s, Float64s]:
    """Smallest and largest scaled value of each segment's sensors: float64 (N, F) each."""
    rows = np.array([definition.scales.row(name) for name in series], np.int64)
    mean, scale, clip = definition.scales.mean[rows], definition.scales.scale[rows], definition.policy.clip
    ranges = Ranges(definition.policy.valid, definition.sensors)

    def limits(valid: Float64s, trained: Float32s) -> Float64s:
        return np.clip(np.where(np.isfinite(valid), (valid - mean) / scale, trained), -clip, clip)

    return limits(ranges.low, trained_range[0]), limits(ranges.high, trained_range[1])
