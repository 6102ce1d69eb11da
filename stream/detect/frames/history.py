"""The last frames of all series at once, and the windows over them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream.detect.frames.frames import Fitness, Frames
from stream.detect.frames.scale import ScaleTable, scaled
from stream.detect.policy import FramePolicy, ModelSpec
from stream.detect.slots import Segments, grown, last_true
from stream.intake.columns import Bools, Float64s, Int32s, Int64s


@dataclass(frozen=True, slots=True)
class Strip:
    """New frames with the W - 1 frames before them, per series one after the other: what windows are cut from.

    Attributes:
        scaled: float32 (P, F), C-contiguous; masked sensors are 0.
        masked: bool (P, F), or None where nothing is masked.
        at: int64 (n,), where each new frame stands in `scaled`: its window ends there.
        run: int64 (n,), frames since the last gap or off frame, the frame itself counted; 0 for an off frame.
    """

    scaled: NDArray[np.float32]
    masked: Bools | None
    at: Int64s
    run: Int64s


class History:
    """Rings of the last D = W + M - 1 frames per series: enough to derive W-frame windows for M errors."""

    def __init__(self, spec: ModelSpec, policy: FramePolicy, scales: ScaleTable) -> None:
        self._spec = spec
        self._clip = policy.clip
        self._scales = scales
        self.depth = spec.receptive_field
        # Ring position of the next frame. Invariant: 0 <= head[s] < depth.
        self._head = np.zeros(0, np.int64)
        # Frames since the last gap or off frame. Invariant: 0 <= filled[s] <= depth; older rows are never read.
        self._filled = np.zeros(0, np.int64)
        self._values = np.zeros((0, self.depth, spec.sensors), np.float64)
        self._time = np.zeros((0, self.depth), np.int64)
        # Whether a sensor is masked, derived: of all values of all series it would be asked for each batch.
        self._holed = np.zeros((0, self.depth), np.bool_)
        # Derived from _values and kept because scaling W - 1 old frames for each new one costs more than the model.
        self._scaled = np.zeros((0, self.depth, spec.sensors), np.float32)
        self._mean = np.zeros((0, spec.sensors))
        self._scale = np.ones((0, spec.sensors))

    def resize(self, capacity: int) -> None:
        self._head, self._filled = grown(self._head, capacity, 0), grown(self._filled, capacity, 0)
        self._values, self._time = grown(self._values, capacity, np.nan), grown(self._time, capacity, 0)
        self._scaled, self._holed = grown(self._scaled, capacity, 0), grown(self._holed, capacity, False)
        self._mean, self._scale = grown(self._mean, capacity, 0), grown(self._scale, capacity, 1)

    def clear(self, slot: int) -> None:
        self._head[slot] = self._filled[slot] = 0

    def name(self, slot: int, series: str) -> None:
        row = self._scales.row(series)
        self._mean[slot], self._scale[slot] = self._scales.mean[row], self._scales.scale[row]

    def units(self, slots: Int32s) -> tuple[Float64s, Float64s]:
        """Mean and scale, each (n, F), of n series: value = scaled * scale + mean."""
        return self._mean[slots], self._scale[slots]

    def push(self, frames: Frames) -> Strip:
        """Takes the frames in and returns the strip their windows are cut from."""
        segments = Segments(frames.series)
        fresh = scaled(frames.values, self._mean[frames.series], self._scale[frames.series], self._clip)
        run = self._run(frames, segments)
        back = self._spec.window - 1
        at = np.arange(len(frames), dtype=np.int64) + (segments.of_row + 1) * back
        old = (segments.start + np.arange(len(segments.start)) * back)[:, None] + np.arange(back)  # (G, W - 1)
        slots = segments.series[:, None].astype(np.int64)
        ring = (self._head[slots] - back + np.arange(back)) % self.depth  # (G, W - 1)
        strip = np.empty((len(frames) + old.size, self._spec.sensors), np.float32)
        strip[at], strip[old] = fresh, self._scaled[slots, ring]
        masked = np.isnan(frames.values)
        mask = self._mask(masked, at, old, slots, ring) if masked.any() or self._old_masks_count(segments) else None
        self._keep(frames, fresh, masked, run, segments)
        return Strip(strip, mask, at, run)

    def _run(self, frames: Frames, segments: Segments) -> Int64s:
        off = frames.fitness == Fitness.OFF
        reset = last_true(frames.after_gap | off, segments)
        rows = np.arange(len(frames), dtype=np.int64)
        since_reset = rows - reset + np.where(off[np.maximum(reset, 0)], 0, 1)
        since_start = self._filled[frames.series] + rows - segments.start_of_row + 1
        return np.where(reset >= 0, since_reset, since_start)

    def _old_masks_count(self, segments: Segments) -> bool:
        """Whether an old frame's mask matters: only where the error spans the window."""
        return self._spec.error_span == "window" and bool(self._holed[segments.series].any())

    def _mask(self, new: Bools, at: Int64s, old: Int64s, slots: Int64s, ring: Int64s) -> Bools:
        mask = np.zeros((len(at) + old.size, self._spec.sensors), np.bool_)
        mask[at], mask[old] = new, np.isnan(self._values[slots, ring])
        return mask

    def _keep(self, frames: Frames, fresh: NDArray[np.float32], masked: Bools, run: Int64s, segments: Segments) -> None:
        rows = np.arange(len(frames), dtype=np.int64)
        kept = segments.end[segments.of_row] - rows <= self.depth
        series = frames.series[kept]
        place = (self._head[series] + (rows - segments.start_of_row)[kept]) % self.depth
        self._values[series, place] = frames.values[kept]
        self._time[series, place] = frames.time[kept]
        self._scaled[series, place] = fresh[kept]
        self._holed[series, place] = masked[kept].any(axis=1)
        self._head[segments.series] = (self._head[segments.series] + segments.length) % self.depth
        self._filled[segments.series] = np.minimum(run[segments.end - 1], self.depth)

    def frames(self, slot: int) -> tuple[Int64s, Float64s]:
        """Times int64 (n,) and values float64 (n, F) of the frames since the last gap, oldest first, n <= D."""
        ring = (self._head[slot] - self._filled[slot] + np.arange(self._filled[slot])) % self.depth
        return self._time[slot, ring], self._values[slot, ring]

    def restore(self, slot: int, time: Int64s, values: Float64s) -> None:
        """Puts back what `frames` gave, or its newest rows where the ring has become shorter."""
        time, values = time[-self.depth :], values[-self.depth :]
        n = len(time)
        self._filled[slot], self._head[slot] = n, n % self.depth
        self._time[slot, :n], self._values[slot, :n] = time, values
        self._scaled[slot, :n] = scaled(values, self._mean[[slot]], self._scale[[slot]], self._clip)
        self._holed[slot, :n] = np.isnan(values).any(axis=1)

    def strip(self, slots: Int64s) -> tuple[Strip, Int64s]:
        """All kept frames of `slots` as one strip, W - 1 empty rows before each; and the slot of each frame."""
        count = self._filled[slots]
        back = self._spec.window - 1
        group = np.repeat(np.arange(len(slots)), count)
        nth = np.arange(len(group)) - np.repeat(np.cumsum(count) - count, count)
        of = slots[group]
        ring = (self._head[of] - self._filled[of] + nth) % self.depth
        at = np.arange(len(group), dtype=np.int64) + (group + 1) * back
        strip = np.zeros((len(group) + len(slots) * back, self._spec.sensors), np.float32)
        mask = np.zeros(strip.shape, np.bool_)
        strip[at], mask[at] = self._scaled[of, ring], np.isnan(self._values[of, ring])
        return Strip(strip, mask, at, nth + 1), of
