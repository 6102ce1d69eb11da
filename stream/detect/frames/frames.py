"""Raw frames to frames: gaps, carried values, masks, operating state."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from stream.detect.frames.clock import NEVER, RawFrames
from stream.detect.frames.condition import Condition
from stream.detect.frames.ranges import Ranges
from stream.detect.policy import FramePolicy
from stream.detect.slots import Segments, grown, last_true, previous
from stream.intake.columns import Bools, Float64s, Int32s, Int64s, UInt8s


class Fitness(IntEnum):
    """The state of a frame before the model: whole, degraded (too many masked sensors), or off."""

    WHOLE = 0
    DEGRADED = 1
    OFF = 2


@dataclass(frozen=True, slots=True)
class Frames:
    """n frames, sorted by series, then time.

    Attributes:
        series: int32 (n,), slots.
        time: int64 (n,), ns, strictly ascending within a series.
        values: float64 (n, F); carried where missing for a short while, NaN where masked.
        imputed: int32 (n,), sensors that are carried or masked.
        fitness: uint8 (n,), `Fitness`.
        after_gap: bool (n,), no window may contain a frame before this one.
        row: int64 (n,), the reading of the batch that completed the frame.
        outside: float64 (n, F), values outside their valid range, which are missing in `values`; NaN elsewhere.
            None: there is no such value.
    """

    series: Int32s
    time: Int64s
    values: Float64s
    imputed: Int32s
    fitness: UInt8s
    after_gap: Bools
    row: Int64s
    outside: Float64s | None

    def __len__(self) -> int:
        return len(self.time)

    @property
    def is_outside(self) -> Bools:
        """Frames with a value outside its valid range, bool (n,). Frames in state `off` are never reported."""
        if self.outside is None:
            return np.zeros(len(self), np.bool_)
        outside: Bools = ~np.isnan(self.outside).all(axis=1) & (self.fitness != Fitness.OFF)
        return outside

    @staticmethod
    def none(sensors: int) -> "Frames":
        """No frame of `sensors` sensors."""
        slots, times, flags = np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.bool_)
        return Frames(slots, times, np.zeros((0, sensors)), slots, np.zeros(0, np.uint8), flags, times, None)

    @staticmethod
    def joined(parts: Sequence["Frames"], starts: Sequence[int]) -> "Frames":
        """Frames of consecutive parts of a batch, of which part i begins at reading starts[i]."""
        order = np.argsort(np.concatenate([part.series for part in parts]), kind="stable")
        columns = {
            name: np.concatenate([getattr(part, name) for part in parts])[order]
            for name in ("series", "time", "values", "imputed", "fitness", "after_gap")
        }
        row = np.concatenate([part.row + start for part, start in zip(parts, starts, strict=True)])
        outside = [np.full_like(part.values, np.nan) if part.outside is None else part.outside for part in parts]
        is_inside = all(part.outside is None for part in parts)
        return Frames(row=row[order], outside=None if is_inside else np.concatenate(outside)[order], **columns)


class Framer:
    """Per series: time of the last frame, carried values and their age, time at which the asset was last off."""

    def __init__(self, policy: FramePolicy, sensors: tuple[str, ...]) -> None:
        self._policy = policy
        self._condition = Condition(policy.score_when, sensors) if policy.score_when else None
        self.ranges = Ranges(policy.valid, sensors)
        self._names: dict[int, str] = {}
        self.last_time = np.zeros(0, np.int64)
        self.last_off = np.zeros(0, np.int64)
        # Invariant: carried[s, f] is NaN exactly where age[s, f] > max_carry.
        self.carried = np.zeros((0, len(sensors)), np.float64)
        self.age = np.zeros((0, len(sensors)), np.int32)

    def resize(self, capacity: int) -> None:
        """Makes room for `capacity` slots."""
        self.last_time = grown(self.last_time, capacity, NEVER)
        self.last_off = grown(self.last_off, capacity, NEVER)
        self.carried = grown(self.carried, capacity, np.nan)
        self.age = grown(self.age, capacity, self._policy.max_carry + 1)

    def clear(self, slot: int) -> None:
        """Empties a slot."""
        self.restart(slot)
        self._names.pop(slot, None)

    def restart(self, slot: int) -> None:
        """Forgets the frames of a series, not its name."""
        self.last_time[slot] = self.last_off[slot] = NEVER
        self.carried[slot] = np.nan
        self.age[slot] = self._policy.max_carry + 1

    def restore(self, slot: int, last_time: int, last_off: int, carried: bytes, age: bytes) -> None:
        """Restores a slot from its snapshot, see `SeriesState`."""
        self.last_time[slot], self.last_off[slot] = last_time, last_off
        self.carried[slot], self.age[slot] = np.frombuffer(carried, "<f8"), np.frombuffer(age, "<i4")

    def set_series(self, slot: int, series: str) -> None:
        """Sets the name of the series in a slot: maintenance spans name their series."""
        if any(span.series in ("", series) for span in self._policy.maintenance):
            self._names[slot] = series

    def push(self, raw: RawFrames) -> Frames:
        """Frames of `raw`, in the same order, with a frame for each empty tick."""
        raw = raw if self._policy.resample == "none" else self._with_empty_ticks(raw)
        segments = Segments(raw.series)
        before = self._time_before(raw, segments)
        after_gap = (before == NEVER) | (_elapsed(raw.time, before) > self._policy.max_gap_ns)
        outside = self.ranges.outside(raw.values)
        possible = raw.values if outside is None else np.where(np.isnan(outside), raw.values, np.nan)
        values, age = self._carry(possible, after_gap, segments)
        masked = np.isnan(values).sum(axis=1)
        fitness = np.where(masked > self._policy.max_missing, Fitness.DEGRADED, Fitness.WHOLE).astype(np.uint8)
        fitness[self._off(raw, values, segments)] = Fitness.OFF
        last = segments.end - 1
        self.last_time[segments.series] = raw.time[last]
        self.carried[segments.series], self.age[segments.series] = values[last], age[last]
        imputed = (age > 0).sum(axis=1).astype(np.int32)
        return Frames(raw.series, raw.time, values, imputed, fitness, after_gap, raw.row, outside)

    def _time_before(self, raw: RawFrames, segments: Segments) -> Int64s:
        return previous(raw.time, segments, self.last_time[segments.series])

    def _with_empty_ticks(self, raw: RawFrames) -> RawFrames:
        """Adds a frame without values for each tick without readings, in gaps no longer than `max_gap`."""
        before = self._time_before(raw, Segments(raw.series))
        step = _elapsed(raw.time, before)
        empty = np.where(step <= self._policy.max_gap_ns, np.maximum(step // self._policy.interval_ns - 1, 0), 0)
        if not empty.any():
            return raw
        source = np.repeat(np.arange(len(empty)), empty + 1)
        # Ticks from each row to the frame it precedes; 0 at the frame itself.
        ahead = np.repeat(np.cumsum(empty + 1), empty + 1) - 1 - np.arange(len(source))
        values = raw.values[source]
        values[ahead > 0] = np.nan
        time = raw.time[source] - ahead * self._policy.interval_ns
        return RawFrames(raw.series[source], time, values, raw.row[source])

    def _carry(self, values: Float64s, after_gap: Bools, segments: Segments) -> tuple[Float64s, Int32s]:
        """Values with each sensor carried forward for `max_carry` frames, and the age of each value in frames."""
        finite = np.isfinite(values)
        if finite.all():
            return values, np.zeros(values.shape, np.int32)
        rows = np.arange(len(values), dtype=np.int64)[:, None]
        last = last_true(finite, segments)
        gap = last_true(after_gap, segments)[:, None]
        oldest = self._policy.max_carry + 1
        # A value from an earlier batch is carried only where no gap lies between.
        old_age = self.age[segments.series][segments.of_row] + rows - segments.start_of_row[:, None] + 1
        old_age = np.where(gap < 0, old_age, oldest)
        age = np.minimum(np.where(last >= 0, np.where(last >= gap, rows - last, oldest), old_age), oldest)
        old = self.carried[segments.series][segments.of_row]
        filled = np.where(last >= 0, np.take_along_axis(values, np.maximum(last, 0), axis=0), old)
        return np.where(age < oldest, filled, np.nan), age.astype(np.int32)

    def _off(self, raw: RawFrames, values: Float64s, segments: Segments) -> Bools:
        off = self._in_maintenance(raw)
        if self._condition is None:
            return off
        idle = ~self._condition.holds(values)
        last = last_true(idle, segments)
        old = self.last_off[raw.series]
        idle_at = np.where(last >= 0, raw.time[np.maximum(last, 0)], old)
        self.last_off[segments.series] = idle_at[segments.end - 1]
        settling = (idle_at != NEVER) & (_elapsed(raw.time, idle_at) < self._policy.settle_ns)
        resting: Bools = off | idle | settling
        return resting

    def _in_maintenance(self, raw: RawFrames) -> Bools:
        off = np.zeros(len(raw.time), np.bool_)
        for span in self._policy.maintenance:
            inside = (raw.time >= span.start_ns) & (raw.time < span.end_ns)
            if span.series and inside.any():
                slots = [slot for slot, name in self._names.items() if name == span.series]
                inside &= np.isin(raw.series, slots)
            off |= inside
        return off


def _elapsed(time: Int64s, since: Int64s) -> Int64s:
    """Time from `since` to `time`, ns; 0 where `since` is NEVER, as the subtraction would overflow."""
    return time - np.where(since == NEVER, time, since)
