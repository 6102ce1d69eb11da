"""Readings gathered on ticks of a fixed interval, all series of a batch at once."""

import numpy as np

from stream.detect.frames.clock import NEVER, RawFrames, TickState, newest_before
from stream.detect.frames.open_ticks import OpenTicks, Ticks
from stream.detect.frames.tick_closing import MISSED, closing_rows
from stream.detect.frames.tick_entries import Arrivals, Entries, Placed, placed
from stream.detect.policy import FramePolicy
from stream.detect.slots import grown
from stream.intake.columns import Bools, Disposition, Float64s, Int32s, Int64s, UInt8s

LAST_NS = np.iinfo(np.int64).max


class Ticked:
    """Readings on ticks: floor(time / interval). A tick closes when the series' own time has passed its end by `grace`
    or, with `close_complete`, when all F sensors are there; ticks close in order, so a complete one waits for an older.

    A reading is late if its tick has closed, or a later one. Within a tick a value as old as the newest of its sensor
    is a duplicate; an older one is late, unless means are asked for.
    """

    def __init__(self, policy: FramePolicy, sensors: int) -> None:
        self._means = policy.resample == "mean"
        self._interval = policy.interval_ns
        self._patience = policy.interval_ns + policy.grace_ns
        self._close_complete = policy.close_complete
        # Start of the last closed tick of each series. Invariant: its open ticks are later.
        self._last = np.zeros(0, np.int64)
        # Newest time of each series among readings whose tick was open.
        self._newest = np.zeros(0, np.int64)
        # Invariant: the oldest of a series still waits, for its end or a sensor.
        self._open = OpenTicks(sensors)

    def resize(self, capacity: int) -> None:
        self._last, self._newest = grown(self._last, capacity, NEVER), grown(self._newest, capacity, NEVER)
        self._open.resize(capacity)

    def clear(self, slot: int) -> None:
        self._last[slot] = self._newest[slot] = NEVER
        self._open.take(_one(slot))

    def push(self, slots: Int32s, time: Int64s, values: Float64s) -> tuple[RawFrames, UInt8s]:
        """Raw frames of a batch, and the disposition of each reading, uint8 (n,)."""
        n = len(time)
        arrivals, start = Arrivals(slots), self._start(time)
        rows = arrivals.order[start[arrivals.order] > self._last[slots[arrivals.order]]]
        on = placed(self._open.take(arrivals.runs.series), rows, slots[rows], start[rows])
        entries = Entries.of(values, on)
        closing = closing_rows(on.ticks.series, on.first, self._ripe(on, entries, arrivals, time), n)
        taken = np.zeros(n, np.bool_)
        taken[on.rows] = on.rows <= closing[on.tick]
        np.maximum.at(self._newest, slots[taken], time[taken])
        entries = entries.where(taken[entries.row])
        fates = self._gather(on.ticks, entries, time)
        self._open.put(on.ticks[closing == n])
        closed = (closing != MISSED) & (closing < n)
        return self._frames(on.ticks[closed], closing[closed]), _dispositions(taken, entries, fates)

    def _start(self, time: Int64s) -> Int64s:
        """int64 (n,): start of the tick; the first that int64 can hold takes what lies before it, too."""
        start: Int64s = np.maximum(time // self._interval, -(LAST_NS // self._interval)) * self._interval
        return start

    def _ripe(self, on: Placed, entries: Entries, arrivals: Arrivals, time: Int64s) -> Int64s:
        """int64 (C,): the reading that makes each tick ripe; n where none does.

        One that was ripe before the batch waits for an older one, or was not under the bundle before this: its series'
        first reading counts.
        """
        ripe = self._passed(on.ticks, arrivals, time)
        if self._close_complete:
            ripe = np.minimum(ripe, _complete(on.ticks, entries, len(time)))
        return np.maximum(ripe, np.where(on.first < 0, arrivals.first_of(on.ticks.series), on.first))

    def _passed(self, ticks: Ticks, arrivals: Arrivals, time: Int64s) -> Int64s:
        """int64 (C,): the reading with which the series' own time has passed each tick; n where none has.

        Late readings need no exception: their times lie before the end of the last closed tick.
        """
        when, runs = time[arrivals.order], arrivals.runs
        own_time = np.maximum(newest_before(when, runs, self._newest[runs.series]), when)
        passed = np.minimum(ticks.start, LAST_NS - self._patience) + self._patience
        return arrivals.first_reaching(passed, ticks.series, own_time)

    def _gather(self, ticks: Ticks, entries: Entries, time: Int64s) -> UInt8s:
        """Adds values to their ticks; uint8 (E,): the disposition of each value."""
        value, count, at = (column.reshape(-1) for column in (ticks.value, ticks.count, ticks.at))
        when, place = time[entries.row], entries.runs.series
        before = newest_before(when, entries.runs, np.where(count[place] > 0, at[place], NEVER))
        used = when != before if self._means else when > before
        at[place] = np.maximum(before, when)[entries.runs.end - 1]
        taken = entries.where(used)
        count[taken.runs.series] += taken.runs.length
        if self._means:
            # One after the other as they come: the cuts of batches must not decide how a sum is rounded.
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
        """int64 (len(slots),): newest event time of each."""
        return self._newest[slots]

    def state(self, slot: int) -> TickState:
        still_open = self._open.of(_one(slot)).states()
        return TickState(int(self._last[slot]), int(self._newest[slot]), still_open)

    def restore(self, slot: int, state: TickState) -> None:
        self.clear(slot)
        self._last[slot], self._newest[slot] = state.last_frame, state.newest
        self._open.put(Ticks.of(slot, state.open, self._open.sensors))


def _one(slot: int) -> Int32s:
    return np.array([slot], np.int32)


def _complete(ticks: Ticks, entries: Entries, rows: int) -> Int64s:
    """int64 (C,): the reading that brings the last sensor, -1 where all were there before; `rows` where none does."""
    there = np.where(ticks.count > 0, -1, rows)
    first, place = there.reshape(-1), entries.runs.series
    first[place] = np.minimum(first[place], entries.row[entries.runs.start])
    complete: Int64s = there.max(axis=1)
    return complete


def _dispositions(taken: Bools, entries: Entries, fates: UInt8s) -> UInt8s:
    """uint8 (n,): a reading is as fresh as its freshest value; one without values opens its tick and is used."""
    disposition = np.where(taken, Disposition.USED, Disposition.LATE).astype(np.uint8)
    if fates.any():
        disposition[entries.row] = Disposition.DEAD
        np.minimum.at(disposition, entries.row, fates)
    return disposition
