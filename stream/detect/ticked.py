"""Readings gathered on ticks of a fixed interval, all series of a batch at once."""

from dataclasses import dataclass

import numpy as np

from stream.detect.closing import MISSED, closing_rows
from stream.detect.open_ticks import OpenTicks, Ticks
from stream.detect.policy import FramePolicy
from stream.detect.slots import Segments, grown
from stream.detect.ticks import NEVER, OpenTick, RawFrames, TickState, newest_before
from stream.intake.columns import Bools, Disposition, Float64s, Int32s, Int64s, UInt8s

LAST_NS = np.iinfo(np.int64).max


class Arrivals:
    """The readings of a batch by series, each series in order of arrival.

    Attributes:
        order: int64 (n,), rows of the batch.
        runs: one per series.
    """

    def __init__(self, slots: Int32s) -> None:
        self.order: Int64s = np.argsort(slots, kind="stable")
        self.runs = Segments(slots[self.order])

    def first(self, series: Int32s) -> Int64s:
        """int64 (C,): the first reading of each of these series, all of which have one."""
        return self.order[self.runs.start[np.searchsorted(self.runs.series, series)]]

    def first_reaching(self, wanted: Int64s, series: Int32s, own_time: Int64s) -> Int64s:
        """The first reading with which the own time of a series is `wanted` or more.

        Args:
            wanted: int64 (C,), ns. series: int32 (C,), slots.
            own_time: int64 (n,), ns, in the order of `order`; never falls within a series.

        Returns:
            int64 (C,), rows; n where there is none.
        """
        run = np.searchsorted(self.runs.series, series)
        low, high = self.runs.start[run], self.runs.end[run]
        none = high
        # A binary search for all at once.
        while (searching := low < high).any():
            middle = (low + high) // 2
            reached = own_time[np.minimum(middle, len(own_time) - 1)] >= wanted
            high = np.where(reached, middle, high)
            low = np.where(searching & ~reached, middle + 1, low)
        n = len(self.order)
        return np.append(self.order, n)[np.where(low < none, low, n)]


@dataclass(frozen=True, slots=True)
class Placed:
    """Readings on their ticks.

    Attributes:
        ticks: C ticks, sorted by series, then start: those on which readings are and those that were open before.
        first: int64 (C,), the first reading on each; -1: it was open before.
        rows: int64 (r,), the readings, sorted by tick, then arrival.
        tick: int64 (r,), the tick that each is on, 0 <= tick < C.
    """

    ticks: Ticks
    first: Int64s
    rows: Int64s
    tick: Int64s


def placed(carried: Ticks, rows: Int64s, series: Int32s, start: Int64s) -> Placed:
    """Puts the readings `rows`, in order of arrival, on ticks of (`series`, `start`), int32 and int64 (r,)."""
    rows = np.append(np.full(len(carried), -1), rows)
    series, start = np.append(carried.series, series), np.append(carried.start, start)
    # Of the same tick, what was carried comes first.
    order = np.lexsort((start, series))
    rows, series, start = rows[order], series[order], start[order]
    new = np.ones(len(rows), np.bool_)
    new[1:] = (series[1:] != series[:-1]) | (start[1:] != start[:-1])
    tick = np.cumsum(new) - 1
    ticks = Ticks.blank(series[new], start[new], carried.value.shape[1])
    is_old = rows < 0
    ticks.put(tick[is_old], carried[order[is_old]])
    return Placed(ticks, rows[new], rows[~is_old], tick[~is_old])


class Entries:
    """E finite values of readings, sorted by sensor, then tick, then arrival.

    Attributes:
        row: int64 (E,), the reading.
        place: int32 (E,), tick * F + sensor.
        value: float64 (E,).
        runs: one for each place.
    """

    def __init__(self, row: Int64s, place: Int32s, value: Float64s) -> None:
        self.row, self.place, self.value = row, place, value
        self.runs = Segments(place)

    @staticmethod
    def of(values: Float64s, on: Placed) -> "Entries":
        """Those of a batch with `values`, float64 (n, F)."""
        sensor, nth = np.nonzero(np.isfinite(values.T[:, on.rows]))
        row = on.rows[nth]
        place = on.tick[nth] * values.shape[1] + sensor
        return Entries(row, place.astype(np.int32), values[row, sensor])

    def where(self, kept: Bools) -> "Entries":
        return self if kept.all() else Entries(self.row[kept], self.place[kept], self.value[kept])


class Ticked:
    """Readings on ticks: floor(time / interval). A tick closes when all F sensors are there or the series' own
    time has passed its end by `grace`; ticks close in order, so a complete tick waits for an older open one.
    """

    def __init__(self, policy: FramePolicy, sensors: int) -> None:
        self._means = policy.resample == "mean"
        self._interval = policy.interval_ns
        self._patience = policy.interval_ns + policy.grace_ns
        self._sensors = sensors
        # Start of the last closed tick of a series. Invariant: its open ticks are later.
        self._last = np.zeros(0, np.int64)
        self._newest = np.zeros(0, np.int64)
        self._open = OpenTicks(sensors)

    def resize(self, capacity: int) -> None:
        self._last, self._newest = grown(self._last, capacity, NEVER), grown(self._newest, capacity, NEVER)
        self._open.resize(capacity)

    def clear(self, slot: int) -> None:
        self._last[slot] = self._newest[slot] = NEVER
        self._open.take(_one(slot))

    def push(self, slots: Int32s, time: Int64s, values: Float64s) -> tuple[RawFrames, UInt8s]:
        """Raw frames of a batch, and the disposition of each reading, uint8 (n,)."""
        arrivals = Arrivals(slots)
        start, rows = self._start(time), arrivals.order
        rows = rows[start[rows] > self._last[slots[rows]]]
        on = placed(self._open.take(arrivals.runs.series), rows, slots[rows], start[rows])
        entries = Entries.of(values, on)
        ripe = np.minimum(_complete(on.ticks, entries, len(time)), self._passed(on.ticks, arrivals, time))
        ripe = np.maximum(ripe, np.maximum(on.first, arrivals.first(on.ticks.series)))
        closing = closing_rows(on.ticks.series, on.first, ripe, len(time))
        taken = np.zeros(len(time), np.bool_)
        taken[on.rows] = on.rows <= closing[on.tick]
        np.maximum.at(self._newest, slots[taken], time[taken])
        entries = entries.where(taken[entries.row])
        fates = self._gather(on.ticks, entries, time)
        self._open.put(on.ticks[closing == len(time)])
        closed = (closing != MISSED) & (closing < len(time))
        return self._close(on.ticks[closed], closing[closed]), _dispositions(taken, entries, fates)

    def _start(self, time: Int64s) -> Int64s:
        """int64 (n,): start of the tick; the first that int64 can hold takes what lies before it, too."""
        start: Int64s = np.maximum(time // self._interval, -(LAST_NS // self._interval)) * self._interval
        return start

    def _passed(self, ticks: Ticks, arrivals: Arrivals, time: Int64s) -> Int64s:
        """int64 (C,): the reading with which the series' own time has passed the tick; n where none has.

        Late readings count, but change nothing: they lie before the end of the last closed tick.
        """
        when, runs = time[arrivals.order], arrivals.runs
        own_time = np.maximum(newest_before(when, runs, self._newest[runs.series]), when)
        end = np.minimum(ticks.start, LAST_NS - self._patience) + self._patience
        return arrivals.first_reaching(end, ticks.series, own_time)

    def _gather(self, ticks: Ticks, entries: Entries, time: Int64s) -> UInt8s:
        """Adds values to their ticks; uint8 (E,): the disposition of each."""
        value, count, at = (column.reshape(-1) for column in (ticks.value, ticks.count, ticks.at))
        place, begin, end = entries.runs.series, entries.runs.start, entries.runs.end - 1
        when = time[entries.row]
        before = newest_before(when, entries.runs, np.where(count[place] > 0, at[place], NEVER))
        used = when != before if self._means else when > before
        at[place] = np.maximum(before, when)[end]
        count[place] += np.cumsum(used)[end] - np.cumsum(used)[begin] + used[begin]
        if self._means:
            # One after the other, as they come: batches must not decide how a sum is rounded.
            with np.errstate(over="ignore", invalid="ignore"):
                np.add.at(value, entries.place[used], entries.value[used])
        else:
            last = np.maximum.accumulate(np.where(used, np.arange(len(used)), -1))[end]
            some = last >= begin
            value[place[some]] = entries.value[last[some]]
        fates = np.where(when == before, Disposition.DUPLICATE, Disposition.LATE)
        return np.where(used, Disposition.USED, fates).astype(np.uint8)

    def _close(self, ticks: Ticks, row: Int64s) -> RawFrames:
        np.maximum.at(self._last, ticks.series, ticks.start)
        values = np.full(ticks.value.shape, np.nan)
        np.divide(ticks.value, ticks.count if self._means else 1, out=values, where=ticks.count > 0)
        return RawFrames(ticks.series, ticks.start, values, row)

    def close(self, slot: int) -> RawFrames:
        """Closes what is open, complete or not: the series has fallen silent."""
        ticks = self._open.take(_one(slot))
        return self._close(ticks[np.argsort(ticks.start)], np.zeros(len(ticks), np.int64))

    def newest(self, slots: Int32s) -> Int64s:
        """int64 (len(slots),): newest event time of each."""
        return self._newest[slots]

    def state(self, slot: int) -> TickState:
        ticks = self._open.of(_one(slot))
        columns = (column[np.argsort(ticks.start)].tolist() for column in ticks.columns[1:])
        still_open = [OpenTick(*tick) for tick in zip(*columns, strict=True)]
        return TickState(int(self._last[slot]), int(self._newest[slot]), still_open)

    def restore(self, slot: int, state: TickState) -> None:
        self.clear(slot)
        self._last[slot], self._newest[slot] = state.last_frame, state.newest
        shape = len(state.open), self._sensors
        self._open.put(
            Ticks(
                np.full(len(state.open), slot, np.int32),
                np.array([tick.tick for tick in state.open], np.int64),
                np.array([tick.value for tick in state.open], np.float64).reshape(shape),
                np.array([tick.count for tick in state.open], np.int64).reshape(shape),
                np.array([tick.at for tick in state.open], np.int64).reshape(shape),
            )
        )


def _one(slot: int) -> Int32s:
    return np.array([slot], np.int32)


def _complete(ticks: Ticks, entries: Entries, rows: int) -> Int64s:
    """int64 (C,): the reading with which the last sensor is there, -1 where it was before the batch, else `rows`."""
    there = np.where(ticks.count > 0, -1, rows)
    first = there.reshape(-1)
    place = entries.runs.series
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
