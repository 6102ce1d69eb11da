"""The readings of a batch in three orders: by series, by tick, by sensor."""

from dataclasses import dataclass

import numpy as np

from stream.detect.frames.open_ticks import Ticks
from stream.detect.slots import Segments
from stream.intake.columns import Bools, Float64s, Int32s, Int64s


class Arrivals:
    """The n readings of a batch sorted by series; within a series, in order of arrival.

    Attributes:
        order: int64 (n,), rows of the batch.
        runs: one per series.
    """

    def __init__(self, slots: Int32s) -> None:
        self.order: Int64s = np.argsort(slots, kind="stable")
        self.runs = Segments(slots[self.order])

    def first_of(self, series: Int32s) -> Int64s:
        """First reading of each of `series`, int64 (C,); `series` is int32 (C,), and all of them have readings."""
        first: Int64s = self.order[self.runs.start[np.searchsorted(self.runs.series, series)]]
        return first

    def first_reaching(self, wanted: Int64s, series: Int32s, own_time: Int64s) -> Int64s:
        """The reading with which the own time of a series reaches a wanted time.

        Args:
            wanted: int64 (C,), ns.
            series: int32 (C,); all of them have readings.
            own_time: int64 (n,), ns, after each reading of `order`; it never falls within a series.

        Returns:
            int64 (C,), rows of the batch; n: no reading does.
        """
        run = np.searchsorted(self.runs.series, series)
        low, high = self.runs.start[run], self.runs.end[run]
        end = high
        # One binary search for all. Invariant: no reading before `low` reaches it, all from `high` to `end` do.
        while (searching := low < high).any():
            middle = (low + high) // 2
            reached = own_time[np.minimum(middle, len(own_time) - 1)] >= wanted
            high = np.where(searching & reached, middle, high)
            low = np.where(searching & ~reached, middle + 1, low)
        n = len(self.order)
        return np.append(self.order, n)[np.where(low < end, low, n)]


@dataclass(frozen=True, slots=True)
class ReadingsByTick:
    """Readings on their ticks.

    Attributes:
        ticks: C ticks that were open before or have readings, sorted by series, then start.
        first: int64 (C,), the first reading on each tick; -1: the tick was open before.
        rows: int64 (r,), the readings, sorted by tick, then arrival.
        tick: int64 (r,), the tick that each is on, 0 <= tick < C.
    """

    ticks: Ticks
    first: Int64s
    rows: Int64s
    tick: Int64s


def by_tick(carried: Ticks, rows: Int64s, series: Int32s, start: Int64s) -> ReadingsByTick:
    """Readings (r,), in order of arrival, on the ticks of their `series` and `start`, and the ticks `carried` over."""
    rows = np.concatenate([np.full(len(carried), -1), rows])
    series, start = np.concatenate([carried.series, series]), np.concatenate([carried.start, start])
    # A carried tick stands before the readings on it.
    order = np.lexsort((start, series))
    rows, series, start = rows[order], series[order], start[order]
    new = np.ones(len(rows), np.bool_)
    new[1:] = (series[1:] != series[:-1]) | (start[1:] != start[:-1])
    tick = np.cumsum(new) - 1
    ticks = Ticks.blank(series[new], start[new], carried.value.shape[1])
    is_old = rows < 0
    ticks.put(tick[is_old], carried[order[is_old]])
    return ReadingsByTick(ticks, rows[new], rows[~is_old], tick[~is_old])


class Entries:
    """E finite values, sorted by sensor, then tick, then arrival.

    Attributes:
        row: int64 (E,), the reading each comes from.
        place: int32 (E,), the cell of the value: tick * F + sensor.
        value: float64 (E,).
        runs: one per cell.
    """

    def __init__(self, row: Int64s, place: Int32s, value: Float64s) -> None:
        self.row, self.place, self.value = row, place, value
        self.runs = Segments(place)

    @staticmethod
    def of(values: Float64s, on: ReadingsByTick) -> "Entries":
        """Entries of a batch with `values`, float64 (n, F)."""
        by_sensor = np.ascontiguousarray(values[on.rows].T)  # (F, r)
        finite = np.isfinite(by_sensor)
        sensor, nth = np.nonzero(finite)
        place = on.tick[nth] * len(finite) + sensor
        return Entries(on.rows[nth], place.astype(np.int32), by_sensor[finite])

    def where(self, kept: Bools) -> "Entries":
        """The entries that `kept`, bool (E,), marks."""
        return self if kept.all() else Entries(self.row[kept], self.place[kept], self.value[kept])
