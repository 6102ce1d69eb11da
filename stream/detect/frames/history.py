"""The last frames of all series, and the frames that windows are cut from."""

from dataclasses import dataclass

import numpy as np

from stream.detect.frames.frames import Fitness, Frames
from stream.detect.frames.scale import ScaleTable, scaled
from stream.detect.policy import FramePolicy, ModelSpec
from stream.detect.slots import Segments, grown, last_true
from stream.intake.columns import Bools, Float32s, Float64s, Int32s, Int64s


@dataclass(frozen=True, slots=True)
class WindowFrames:
    """New frames, each series with the W - 1 frames before them, one series after the other: windows are cut from it.

    Attributes:
        scaled: float32 (P, F), C-contiguous; masked sensors are 0.
        masked: bool (P, F); None: nothing is masked.
        at: int64 (n,), the row of each new frame in `scaled`: its window ends there.
        run: int64 (n,), frames since the last gap or off frame, the frame itself counted; 0 for an off frame.
    """

    scaled: Float32s
    masked: Bools | None
    at: Int64s
    run: Int64s


class History:
    """Rings of the last D = W + M - 1 frames per series: enough for the windows of M errors."""

    def __init__(self, spec: ModelSpec, policy: FramePolicy, scales: ScaleTable) -> None:
        self._spec = spec
        self._policy = policy
        self._scales = scales
        self.depth = spec.receptive_field
        # Ring position of the next frame. Invariant: 0 <= head[s] < depth.
        self._head = np.zeros(0, np.int64)
        # Frames since the last gap or off frame. Invariant: 0 <= filled[s] <= depth; older rows are never read.
        self._filled = np.zeros(0, np.int64)
        self._values = np.zeros((0, self.depth, spec.sensors), np.float64)
        self._time = np.zeros((0, self.depth), np.int64)
        # True where a sensor of the frame is masked. Derived: reading all values for each batch would cost more.
        self._has_mask = np.zeros((0, self.depth), np.bool_)
        # Derived from _values: scaling W - 1 old frames for each new one would cost more than the model.
        self._scaled = np.zeros((0, self.depth, spec.sensors), np.float32)
        self._mean = np.zeros((0, spec.sensors))
        self._scale = np.ones((0, spec.sensors))
        self._still = np.zeros((0, spec.sensors), np.bool_)

    def resize(self, capacity: int) -> None:
        """Makes room for `capacity` slots."""
        self._head, self._filled = grown(self._head, capacity, 0), grown(self._filled, capacity, 0)
        self._values, self._time = grown(self._values, capacity, np.nan), grown(self._time, capacity, 0)
        self._scaled, self._has_mask = grown(self._scaled, capacity, 0), grown(self._has_mask, capacity, False)
        self._mean, self._scale = grown(self._mean, capacity, 0), grown(self._scale, capacity, 1)
        self._still = grown(self._still, capacity, False)

    def clear(self, slot: int) -> None:
        """Empties a slot."""
        self._head[slot] = self._filled[slot] = 0

    def set_series(self, slot: int, series: str) -> None:
        """Sets the scale of a slot to that of a series."""
        row = self._scales.row(series)
        self._mean[slot], self._scale[slot] = self._scales.mean[row], self._scales.scale[row]
        self._still[slot] = self._scales.still[row]

    def units(self, slots: Int32s) -> tuple[Float64s, Float64s]:
        """Mean and scale, each (n, F), of n series: value = scaled * scale + mean."""
        return self._mean[slots], self._scale[slots]

    def still(self, slot: int) -> Bools:
        """The sensors that stood still in the training data of a series, bool (F,)."""
        still: Bools = self._still[slot]
        return still

    def with_old(self, frames: Frames) -> WindowFrames:
        """The frames that the windows of a batch are cut from. The caller adds the batch by `keep` afterwards."""
        segments = Segments(frames.series)
        fresh = scaled(frames.values, self._mean[frames.series], self._scale[frames.series], self._policy)
        run = self._run(frames, segments)
        back = self._spec.window - 1
        at = np.arange(len(frames), dtype=np.int64) + (segments.of_row + 1) * back
        old = (segments.start + np.arange(len(segments.start)) * back)[:, None] + np.arange(back)  # (G, W - 1)
        slots = segments.series[:, None].astype(np.int64)
        ring = (self._head[slots] - back + np.arange(back)) % self.depth  # (G, W - 1)
        rows = np.empty((len(frames) + old.size, self._spec.sensors), np.float32)
        rows[at], rows[old] = fresh, self._scaled[slots, ring]
        masked = np.isnan(frames.values)
        mask = self._mask(masked, at, old, slots, ring) if masked.any() or self._old_masks_matter(segments) else None
        return WindowFrames(rows, mask, at, run)

    def window_of(self, frames: Frames, row: int) -> tuple[Int64s, Float64s]:
        """Times int64 (W,) and values float64 (W, F) of the window that ends at `row` of a batch, before `keep`."""
        slot = frames.series[row]
        start = max(int(np.searchsorted(frames.series, slot)), row + 1 - self._spec.window)
        old = self._spec.window - (row + 1 - start)
        ring = (self._head[slot] - old + np.arange(old)) % self.depth
        time = np.concatenate([self._time[slot, ring], frames.time[start : row + 1]])
        return time, np.concatenate([self._values[slot, ring], frames.values[start : row + 1]])

    def masked_last(self, slot: int) -> Bools:
        """Sensors without a value in the last frame of a slot, bool (F,); none where a gap or an off frame followed."""
        last = self._values[slot, (self._head[slot] - 1) % self.depth]
        masked: Bools = np.isnan(last) & (self._filled[slot] > 0)
        return masked

    def _run(self, frames: Frames, segments: Segments) -> Int64s:
        off = frames.fitness == Fitness.OFF
        reset = last_true(frames.after_gap | off, segments)
        rows = np.arange(len(frames), dtype=np.int64)
        since_reset = rows - reset + np.where(off[np.maximum(reset, 0)], 0, 1)
        since_start = self._filled[frames.series] + rows - segments.start_of_row + 1
        return np.where(reset >= 0, since_reset, since_start)

    def _old_masks_matter(self, segments: Segments) -> bool:
        """True if an old frame has a masked sensor and the error spans the window."""
        return self._spec.error_frames > 1 and bool(self._has_mask[segments.series].any())

    def _mask(self, new: Bools, at: Int64s, old: Int64s, slots: Int64s, ring: Int64s) -> Bools:
        mask = np.zeros((len(at) + old.size, self._spec.sensors), np.bool_)
        mask[at], mask[old] = new, np.isnan(self._values[slots, ring])
        return mask

    def keep(self, frames: Frames, windows: WindowFrames) -> None:
        """Adds the frames of a batch; `windows` as `with_old` gave them."""
        segments, rows = Segments(frames.series), np.arange(len(frames), dtype=np.int64)
        kept = segments.end[segments.of_row] - rows <= self.depth
        series = frames.series[kept]
        place = (self._head[series] + (rows - segments.start_of_row)[kept]) % self.depth
        self._values[series, place] = frames.values[kept]
        self._time[series, place] = frames.time[kept]
        self._scaled[series, place] = windows.scaled[windows.at[kept]]
        self._has_mask[series, place] = np.isnan(frames.values[kept]).any(axis=1)
        self._head[segments.series] = (self._head[segments.series] + segments.length) % self.depth
        self._filled[segments.series] = np.minimum(windows.run[segments.end - 1], self.depth)

    def frames(self, slot: int) -> tuple[Int64s, Float64s]:
        """Times int64 (n,) and values float64 (n, F) of the frames since the last gap, oldest first, n <= D."""
        ring = (self._head[slot] - self._filled[slot] + np.arange(self._filled[slot])) % self.depth
        return self._time[slot, ring], self._values[slot, ring]

    def restore(self, slot: int, time: Int64s, values: Float64s) -> None:
        """Restores the frames that `frames` gave; only the newest ones if the ring is now shorter."""
        time, values = time[-self.depth :], values[-self.depth :]
        n = len(time)
        self._filled[slot], self._head[slot] = n, n % self.depth
        self._time[slot, :n], self._values[slot, :n] = time, values
        self._scaled[slot, :n] = scaled(values, self._mean[[slot]], self._scale[[slot]], self._policy)
        self._has_mask[slot, :n] = np.isnan(values).any(axis=1)

    def window_frames(self, slots: Int64s) -> tuple[WindowFrames, Int64s]:
        """All kept frames of `slots`, with W - 1 empty rows before each series, and the slot of each frame."""
        count = self._filled[slots]
        back = self._spec.window - 1
        group = np.repeat(np.arange(len(slots)), count)
        nth = np.arange(len(group)) - np.repeat(np.cumsum(count) - count, count)
        of = slots[group]
        ring = (self._head[of] - self._filled[of] + nth) % self.depth
        at = np.arange(len(group), dtype=np.int64) + (group + 1) * back
        rows = np.zeros((len(group) + len(slots) * back, self._spec.sensors), np.float32)
        mask = np.zeros(rows.shape, np.bool_)
        rows[at], mask[at] = self._scaled[of, ring], np.isnan(self._values[of, ring])
        return WindowFrames(rows, mask, at, nth + 1), of
