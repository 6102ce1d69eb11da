"""Readings to raw frames: which readings become the rows of a series, in strictly ascending time.

`Ordered` takes each reading as a frame. `Ticked` gathers readings on ticks of a fixed interval.
Both hold the clock of each series; nothing else decides what is late or duplicate.
"""

from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np

from stream.detect.policy import FramePolicy
from stream.detect.slots import Segments, grown
from stream.intake.columns import Disposition, Float64s, Int32s, Int64s, UInt8s

NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class RawFrames:
    """n frames as the sensors gave them, sorted by series, then time.

    Attributes:
        series: int32 (n,), slots.
        time: int64 (n,), ns.
        values: float64 (n, F), NaN where missing.
        row: int64 (n,), the reading of the batch that completed the frame.
    """

    series: Int32s
    time: Int64s
    values: Float64s
    row: Int64s


class OpenTick(msgspec.Struct):
    """A tick that still waits for sensors: per sensor the sum or last value, count, time of the last reading."""

    tick: int
    value: list[float]
    count: list[int]
    at: list[int]


class TickState(msgspec.Struct):
    """The clock of one series: last frame (closed tick's start), newest event time, ticks that are open."""

    last_frame: int
    newest: int
    open: list[OpenTick]


class Clock(Protocol):
    """What turns readings into raw frames and keeps the clocks."""

    def resize(self, capacity: int) -> None: ...
    def clear(self, slot: int) -> None: ...
    def push(self, slots: Int32s, time: Int64s, values: Float64s) -> tuple[RawFrames, UInt8s]: ...
    def close(self, slot: int) -> RawFrames: ...
    def newest(self, slots: Int32s) -> Int64s: ...
    def state(self, slot: int) -> TickState: ...
    def restore(self, slot: int, state: TickState) -> None: ...


def clock(policy: FramePolicy, sensors: int) -> Clock:
    """The clock that `policy.resample` asks for."""
    return Ordered(sensors) if policy.resample == "none" else Ticked(policy, sensors)


class Ordered:
    """Each reading is a frame; older than the last is late, as old is a duplicate."""

    def __init__(self, sensors: int) -> None:
        self._sensors = sensors
        self._last = np.zeros(0, np.int64)

    def resize(self, capacity: int) -> None:
        self._last = grown(self._last, capacity, NEVER)

    def clear(self, slot: int) -> None:
        self._last[slot] = NEVER

    def push(self, slots: Int32s, time: Int64s, values: Float64s) -> tuple[RawFrames, UInt8s]:
        """Raw frames of a batch, and the disposition of each reading, uint8 (n,)."""
        order = np.argsort(slots, kind="stable")
        series, when = slots[order], time[order]
        segments = Segments(series)
        before = self._newest_before(series, when, segments)
        fresh = when > before
        disposition = np.full(len(time), Disposition.USED, np.uint8)
        disposition[order[~fresh]] = np.where(when == before, Disposition.DUPLICATE, Disposition.LATE)[~fresh]
        rows = order if fresh.all() else order[fresh]
        frames = RawFrames(slots[rows], time[rows], values[rows], rows.astype(np.int64))
        np.maximum.at(self._last, frames.series, frames.time)
        return frames, disposition

    def _newest_before(self, series: Int32s, when: Int64s, segments: Segments) -> Int64s:
        """int64 (n,): the newest time of the row's series before the row; rows sorted by series."""
        before = np.empty(len(when), np.int64)
        before[1:] = when[:-1]
        before[segments.start] = self._last[segments.series]
        if (when > before).all():
            return before
        # A running maximum per run: ranks are small, so that a run's number can be put above them.
        times, rank = np.unique(when, return_inverse=True)
        base = segments.of_row * (len(times) + 1)
        highest = times[np.maximum.accumulate(base + rank) - base]
        before[1:] = highest[:-1]
        before[segments.start] = NEVER
        return np.maximum(before, self._last[series])

    def close(self, slot: int) -> RawFrames:
        """Nothing is ever open here."""
        return _raw([], self._sensors)

    def newest(self, slots: Int32s) -> Int64s:
        """int64 (len(slots),): newest event time of each."""
        return self._last[slots]

    def state(self, slot: int) -> TickState:
        last = int(self._last[slot])
        return TickState(last_frame=last, newest=last, open=[])

    def restore(self, slot: int, state: TickState) -> None:
        self._last[slot] = state.last_frame


class Ticked:
    """Readings on ticks: floor(time / interval). A tick closes when all F sensors are there or the series' own
    time has passed its end by `grace`; ticks close in order, so a complete tick waits for an older open one.

    One reading at a time on purpose: whether a reading is late depends on the ticks that the one before it closed.
    """

    def __init__(self, policy: FramePolicy, sensors: int) -> None:
        self._policy = policy
        self._sensors = sensors
        self._state: dict[int, TickState] = {}

    def resize(self, capacity: int) -> None:
        pass

    def clear(self, slot: int) -> None:
        self._state.pop(slot, None)

    def push(self, slots: Int32s, time: Int64s, values: Float64s) -> tuple[RawFrames, UInt8s]:
        """Raw frames of a batch, and the disposition of each reading, uint8 (n,)."""
        closed: list[tuple[int, int, list[float], int]] = []
        disposition = np.full(len(time), Disposition.USED, np.uint8)
        given = [np.flatnonzero(finite).tolist() for finite in np.isfinite(values)]
        for row, (slot, when) in enumerate(zip(slots.tolist(), time.tolist(), strict=True)):
            state = self._state.setdefault(slot, TickState(NEVER, NEVER, []))
            disposition[row] = self._add(state, when, values[row], given[row])
            for tick, frame in self._due(state):
                closed.append((slot, tick, frame, row))
        return _raw(closed, self._sensors), disposition

    def _add(self, state: TickState, when: int, values: Float64s, given: list[int]) -> Disposition:
        tick = when // self._policy.interval_ns * self._policy.interval_ns
        if tick <= state.last_frame:
            return Disposition.LATE
        state.newest = max(state.newest, when)
        cell = self._cell(state, tick)
        seen = [self._put(cell, sensor, float(values[sensor]), when) for sensor in given]
        # A reading is as fresh as its freshest value; one without values opens its tick and is used.
        return min(seen, default=Disposition.USED)

    def _cell(self, state: TickState, tick: int) -> OpenTick:
        for cell in state.open:
            if cell.tick == tick:
                return cell
        cell = OpenTick(tick, [0.0] * self._sensors, [0] * self._sensors, [0] * self._sensors)
        state.open.append(cell)
        state.open.sort(key=lambda open_tick: open_tick.tick)
        return cell

    def _put(self, cell: OpenTick, sensor: int, value: float, when: int) -> Disposition:
        if cell.count[sensor] and when == cell.at[sensor]:
            return Disposition.DUPLICATE
        late = cell.count[sensor] > 0 and when < cell.at[sensor]
        if self._policy.resample == "mean":
            cell.value[sensor] += value
        elif late:
            return Disposition.LATE
        else:
            cell.value[sensor] = value
        cell.count[sensor] += 1
        cell.at[sensor] = max(cell.at[sensor], when) if cell.count[sensor] > 1 else when
        return Disposition.USED

    def _due(self, state: TickState) -> list[tuple[int, list[float]]]:
        due = []
        while state.open and (all(state.open[0].count) or self._passed(state)):
            cell = state.open.pop(0)
            state.last_frame = cell.tick
            due.append((cell.tick, self._frame(cell)))
        return due

    def _passed(self, state: TickState) -> bool:
        return state.newest >= state.open[0].tick + self._policy.interval_ns + self._policy.grace_ns

    def _frame(self, cell: OpenTick) -> list[float]:
        if self._policy.resample == "last":
            return [value if count else np.nan for value, count in zip(cell.value, cell.count, strict=True)]
        return [value / count if count else np.nan for value, count in zip(cell.value, cell.count, strict=True)]

    def close(self, slot: int) -> RawFrames:
        """Closes what is open, complete or not: the series has fallen silent."""
        state = self._state.get(slot)
        cells = state.open if state is not None else []
        closed = [(slot, cell.tick, self._frame(cell), 0) for cell in cells]
        if state is not None and cells:
            state.last_frame, state.open = cells[-1].tick, []
        return _raw(closed, self._sensors)

    def newest(self, slots: Int32s) -> Int64s:
        """int64 (len(slots),): newest event time of each."""
        return np.array([self.state(slot).newest for slot in slots.tolist()], np.int64)

    def state(self, slot: int) -> TickState:
        return self._state.get(slot, TickState(NEVER, NEVER, []))

    def restore(self, slot: int, state: TickState) -> None:
        self._state[slot] = state


def _raw(closed: list[tuple[int, int, list[float], int]], sensors: int) -> RawFrames:
    series = np.array([c[0] for c in closed], np.int32)
    order = np.argsort(series, kind="stable")
    return RawFrames(
        series=series[order],
        time=np.array([c[1] for c in closed], np.int64)[order],
        values=np.array([c[2] for c in closed], np.float64).reshape(-1, sensors)[order],
        row=np.array([c[3] for c in closed], np.int64)[order],
    )
