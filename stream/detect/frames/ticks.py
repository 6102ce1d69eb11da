"""Readings gathered on ticks of a fixed interval, all series of a batch at once."""

import numpy as np

from stream.detect.frames.clock import NEVER, RawFrames, TickState, newest_before
from stream.detect.frames.open_ticks import OpenTicks, Ticks
from stream.detect.frames.tick_closing import MISSED, closing_rows
from stream.detect.frames.tick_entries import Arrivals, Entries, ReadingsByTick, by_tick
from stream.detect.policy import FramePolicy
from stream.detect.slots import grown
from stream.intake.columns import Bools, Disposition, Float64s, Int32s, Int64s, UInt8s

LAST_NS = np.iinfo(np.int64).max


class TickClock:
    """Readings on ticks: floor(time / interval).

    A tick closes when the series' own time has passed its end by `grace`. With `close_complete` it closes before that
    once all F sensors have a value. Ticks close in order, so a complete one waits for the older ones.

    A reading is late if its tick, or a later one, has closed. Within a tick, a value of the same time as the newest of
    its sensor is a duplicate. An older one is late, unless `resample` is "mean".
    """

    def __init__(self, policy: FramePolicy, sensors: int) -> None:
        self._means = policy.resample == "mean"
        self._interval = policy.interval_ns
        self._patience = policy.interval_ns + policy.grace_ns
        self._close_complete = policy.close_complete
        # Start of the last closed tick of each series. Invariant: its open ticks are later.
        self._last = np.zeros(0, np.int64)
        # Newest time of each series, that of a late reading included.
        self._newest = np.zeros(0, np.int64)
        # Invariant: the oldest open tick of a series waits for its end or for a sensor.
        self._open = OpenTicks(sensors)

    def resize(self, capacity: int) -> None:
        """Makes room for `capacity` slots."""
        self._last, self._newest = grown(self._last, capacity, NEVER), grown(self._newest, capacity, NEVER)
        self._open.resize(capacity)

    def clear(self, slot: int) -> None:
        """Empties a slot."""
        self._last[slot] = self._newest[slot] = NEVER
        self._open.take(_one(slot))

    def push(self, slots: Int32s, time: Int64s, values: Float64s) -> tuple[RawFrames, UInt8s]:
        """Raw frames of a batch, and the disposition of each reading, uint8 (n,)."""
        n = len(time)
        arrivals, start = Arrivals(slots), self._start(time)
        rows = arrivals.order[start[arrivals.order] > self._last[slots[arrivals.order]]]
        on = by_tick(self._open.take(arrivals.runs.series), rows, slots[rows], start[rows])
        entries = Entries.of(values, on)
        closing = closing_rows(on.ticks.series, on.first, self._ripe(on, entries, arrivals, time), n)
        taken = np.zeros(n, np.bool_)
        taken[on.rows] = on.rows <= closing[on.tick]
        np.maximum.at(self._newest, slots, time)
        entries = entries.where(taken[entries.row])
        value_dispositions = self._gather(on.ticks, entries, time)
        self._open.put(on.ticks[closing == n])
        closed = (closing != MISSED) & (closing < n)
        return self._frames(on.ticks[closed], closing[closed]), _dispositions(taken, entries, value_dispositions)

    def _start(self, time: Int64s) -> Int64s:
        """Start of the tick of each reading, int64 (n,); the first tick of int64 takes earlier times too."""
        start: Int64s = np.maximum(time // self._interval, -(LAST_NS // self._interval)) * self._interval
        return start

    def _ripe(self, on: ReadingsByTick, entries: Entries, arrivals: Arrivals, time: Int64s) -> Int64s:
        """The reading that makes each tick ripe, int64 (C,); n: none does.

        A tick may have been ripe before the batch: it waited for an older one, or the bundle has changed since. Then
        the first reading of its series counts.
        """
        ripe = self._passed(on.ticks, arrivals, time)
        if self._close_complete:
            ripe = np.minimum(ripe, _complete(on.ticks, entries, len(time)))
        return np.maximum(ripe, np.where(on.first < 0, arrivals.first_of(on.ticks.series), on.first))

    def _passed(self, ticks: Ticks, arrivals: Arrivals, time: Int64s) -> Int64s:
        """The reading with which the series' own time has passed each tick, int64 (C,); n: none has.

        Late readings need no exception: their times lie before the end of the last closed tick.
        """
        when, runs = time[arrivals.order], arrivals.runs
        own_time = np.maximum(newest_before(when, runs, self._newest[runs.series]), when)
        passed = np.minimum(ticks.start, LAST_NS - self._patience) + self._patience
        return arrivals.first_reaching(passed, ticks.series, own_time)

    def _gather(self, ticks: Ticks, entries: Entries, time: Int64s) -> UInt8s:
        """Adds values to their ticks; the disposition of each value, uint8 (E,)."""
        value, count, at = (column.reshape(-1) for column in (ticks.value, ticks.count, ticks.at))
        when, place = time[entries.row], entries.runs.series
        before = newest_before(when, entries.runs, np.where(count[place] > 0, at[place], NEVER))
        used = when != before if self._means else when > before
        at[place] = np.maximum(before, when)[entries.runs.end - 1]
        taken = entries.where(used)
        count[taken.runs.series] += taken.runs.length
        if self._means:
            # One after the other, in order of arrival: batch boundaries must not change how a sum is rounded.
            with np.errstate(over="ignore"):
                np.add.at(value, taken.place, taken.value)
        else:
            value[taken.runs.series] = taken.value[taken.runs.end - 1]
        not_used = np.where(when == before, Disposition.DUPLICATE, Disposition.LATE)
        return np.where(used, Disposition.USED, not_used).astype(np.uint8)

    def _frames(self, ticks: Ticks, row: Int64s) -> RawFrames:
        """Closed ticks as frames."""
        np.maximum.at(self._last, ticks.series, ticks.start)
        values = np.full(ticks.value.shape, np.nan)
        np.divide(ticks.value, ticks.count if self._means else 1, out=values, where=ticks.count > 0)
        return RawFrames(ticks.series, ticks.start, values, row)

    def close(self, slot: int) -> RawFrames:
        """Closes what is open, complete or not: the series has fallen silent."""
        ticks = self._open.take(_one(slot))
        return self._frames(ticks, np.zeros(len(ticks), np.int64))

    def newest(self, slots: Int32s) -> Int64s:
        """Newest event time of each slot, int64 (len(slots),), ns."""
        return self._newest[slots]

    def state(self, slot: int) -> TickState:
        """State of a slot for its snapshot."""
        still_open = self._open.of(_one(slot)).states()
        return TickState(int(self._last[slot]), int(self._newest[slot]), still_open)

    def restore(self, slot: int, state: TickState) -> None:
        """Restores a slot from its snapshot."""
        self.clear(slot)
        self._last[slot], self._newest[slot] = state.last_frame, state.newest
        self._open.put(Ticks.of(slot, state.open, self._open.sensors))


def _one(slot: int) -> Int32s:
    return np.array([slot], np.int32)


def _complete(ticks: Ticks, entries: Entries, rows: int) -> Int64s:
    """The reading that brings the last sensor, int64 (C,); -1: all were there before; `rows`: none does."""
    arrival = np.where(ticks.count > 0, -1, rows)
    first, place = arrival.reshape(-1), entries.runs.series
    first[place] = np.minimum(first[place], entries.row[entries.runs.start])
    complete: Int64s = arrival.max(axis=1)
    return complete


def _dispositions(taken: Bools, entries: Entries, value_dispositions: UInt8s) -> UInt8s:
    """Disposition of each reading, uint8 (n,): that of its best value. A reading without values is used."""
    disposition = np.where(taken, Disposition.USED, Disposition.LATE).astype(np.uint8)
    if value_dispositions.any():
        disposition[entries.row] = Disposition.DEAD
        np.minimum.at(disposition, entries.row, value_dispositions)
    return disposition
