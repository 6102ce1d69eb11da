"""Readings to raw frames: the rows of each series, in strictly ascending time.

`ReadingClock` takes each reading as a frame. `TickClock`, in `ticks`, gathers readings on ticks of a fixed interval.
Both hold the clock of each series; only they decide which readings are late or duplicate.
"""

from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np

from stream.detect.slots import Segments, grown, previous
from stream.intake.columns import Disposition, Float64s, Int32s, Int64s, UInt8s

NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class RawFrames:
    """n frames with the values that the sensors gave, sorted by series, then time.

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
    """A tick that still waits for sensors: its start, and per sensor the sum or last value, count, newest time."""

    tick: int
    value: list[float]
    count: list[int]
    at: list[int]


class TickState(msgspec.Struct):
    """The clock of one series: last frame (start of the last closed tick), newest event time, open ticks."""

    last_frame: int
    newest: int
    open: list[OpenTick]


class Clock(Protocol):
    """Turns readings into raw frames, and keeps the clock of each series."""

    def resize(self, capacity: int) -> None:
        """Makes room for `capacity` slots."""

    def clear(self, slot: int) -> None:
        """Empties a slot."""

    def push(self, slots: Int32s, time: Int64s, values: Float64s) -> tuple[RawFrames, UInt8s]:
        """Raw frames of a batch, and the disposition of each reading, uint8 (n,)."""

    def close(self, slot: int) -> RawFrames:
        """Closes what is open, complete or not: the series has fallen silent."""

    def newest(self, slots: Int32s) -> Int64s:
        """Newest event time of each slot, int64 (len(slots),), ns."""

    def state(self, slot: int) -> TickState:
        """State of a slot for its snapshot."""

    def restore(self, slot: int, state: TickState) -> None:
        """Restores a slot from its snapshot."""


class ReadingClock:
    """Each reading is a frame. A reading older than the last one is late, one of the same time is a duplicate."""

    def __init__(self, sensors: int) -> None:
        self._sensors = sensors
        self._last = np.zeros(0, np.int64)

    def resize(self, capacity: int) -> None:
        """Makes room for `capacity` slots."""
        self._last = grown(self._last, capacity, NEVER)

    def clear(self, slot: int) -> None:
        """Empties a slot."""
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
        """No frames: nothing is ever open here."""
        nothing = np.zeros(0, np.int64)
        return RawFrames(nothing.astype(np.int32), nothing, np.zeros((0, self._sensors)), nothing)

    def newest(self, slots: Int32s) -> Int64s:
        """Newest event time of each slot, int64 (len(slots),), ns."""
        return self._last[slots]

    def state(self, slot: int) -> TickState:
        """State of a slot for its snapshot."""
        last = int(self._last[slot])
        return TickState(last_frame=last, newest=last, open=[])

    def restore(self, slot: int, state: TickState) -> None:
        """Restores a slot from its snapshot."""
        self._last[slot] = state.last_frame


def newest_before(when: Int64s, runs: Segments, already: Int64s) -> Int64s:
    """Newest time before each row in its run, int64 (n,); `already`, int64 (G,), is the newest before each run."""
    before = previous(when, runs, already)
    if (when > before).all():
        return before
    into = np.arange(len(when)) - runs.start_of_row
    reach, longest = 1, int(runs.length.max(initial=0))
    # Each round doubles the number of earlier rows that `before` covers.
    while reach < longest:
        older = np.where(into[reach:] >= reach, before[:-reach], NEVER)
        before[reach:] = np.maximum(before[reach:], older)
        reach *= 2
    return before
