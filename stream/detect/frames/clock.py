"""Readings to raw frames: which readings become the rows of a series, in strictly ascending time.

`Ordered` takes each reading as a frame; `Ticked`, next door, gathers readings on ticks of a fixed interval.
Both hold the clock of each series; nothing else decides what is late or duplicate.
"""

from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np

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
        before = newest_before(when, segments, self._last[segments.series])
        fresh = when > before
        disposition = np.full(len(time), Disposition.USED, np.uint8)
        disposition[order[~fresh]] = np.where(when == before, Disposition.DUPLICATE, Disposition.LATE)[~fresh]
        rows = order if fresh.all() else order[fresh]
        frames = RawFrames(slots[rows], time[rows], values[rows], rows.astype(np.int64))
        np.maximum.at(self._last, frames.series, frames.time)
        return frames, disposition

    def close(self, slot: int) -> RawFrames:
        """Nothing is ever open here."""
        nothing = np.zeros(0, np.int64)
        return RawFrames(nothing.astype(np.int32), nothing, np.zeros((0, self._sensors)), nothing)

    def newest(self, slots: Int32s) -> Int64s:
        """int64 (len(slots),): newest event time of each."""
        return self._last[slots]

    def state(self, slot: int) -> TickState:
        last = int(self._last[slot])
        return TickState(last_frame=last, newest=last, open=[])

    def restore(self, slot: int, state: TickState) -> None:
        self._last[slot] = state.last_frame


def newest_before(when: Int64s, runs: Segments, already: Int64s) -> Int64s:
    """int64 (n,): the newest time before each row of its run; `already`, int64 (G,), is that of a run's first row."""
    before = np.empty(len(when), np.int64)
    before[1:] = when[:-1]
    before[runs.start] = already
    if (when > before).all():
        return before
    into = np.arange(len(when)) - runs.start_of_row
    reach, longest = 1, int(runs.length.max(initial=0))
    # Each round doubles how many rows back `before` has seen.
    while reach < longest:
        older = np.where(into[reach:] >= reach, before[:-reach], NEVER)
        before[reach:] = np.maximum(before[reach:], older)
        reach *= 2
    return before
