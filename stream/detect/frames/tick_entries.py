"""The readings of a batch put in order: by series, by tick, by sensor."""

from dataclasses import dataclass

import numpy as np

from stream.detect.frames.open_ticks import Ticks
from stream.detect.slots import Segments
from stream.intake.columns import Bools, Float64s, Int32s, Int64s


class Arrivals:
    """The n readings of a batch by series, those of a series in order of arrival.

    Attributes:
        order: int64 (n,), rows of the batch.
        runs: one per series.
    """

    def __init__(self, slots: Int32s) -> None:
        self.order: Int64s = np.argsort(slots, kind="stable")
        self.runs = Segments(slots[self.order])

    def first_of(self, series: Int32s) -> Int64s:
        """int64 (C,): the first reading of each of `series`, int32 (C,), which all have readings."""
        first: Int64s = self.order[self.runs.start[np.searchsorted(self.runs.series, series)]]
        return first

    def first_reaching(self, wanted: Int64s, series: Int32s, own_time: Int64s) -> Int64s:
        """The reading with which the own time of a series gets to what is wanted.

        Args:
            wanted: int64 (C,), ns, of `series`, int32 (C,), which all have readings.
            own_time: int64 (n,), ns, after each reading of `order`; it never falls within a series.

        Returns:
            int64 (C,), rows of the batch; n where none does.
        """
        run = np.searchsorted(self.runs.series, series)
        low, high = self.runs.start[run], self.runs.end[run]
        end = high
        # One binary search for all. Invariant: before `low` none reaches it, from `high` to `end` all do.
        while (searching := low < high).any():
            middle = (low + high) // 2
            reached = own_time[np.minimum(middle, len(own_time) - 1)] >= wanted
            high = np.where(searching & reached, middle, high)
            low = np.where(searching & ~reached, middle + 1, low)
        n = len(self.order)
        return np.append(self.order, n)[np.where(low < end, low, n)]


@dataclass(frozen=True, slots=True)
class Placed:
    """Readings on their ticks.

    Attributes:
        ticks: C ticks that were open before or have readings, sorted by series, then start.
        first: int64 (C,), the first reading on each; -1: it was open before.
        rows: int64 (r,), the readings, sorted by tick, then arrival.
        tick: int64 (r,), the tick that each is on, 0 <= tick < C.
    """

    ticks: Ticks
    first: Int64s
    rows: Int64s
    tick: Int64s


def placed(carried: Ticks, rows: Int64s, series: Int32s, start: Int64s) -> Placed:
    """Puts readings (r,), in order of arrival, on the ticks of their `series` and `start`, beside those carried."""
    rows = np.concatenate([np.full(len(carried), -1), rows])
    series, start = np.concatenate([carried.series, series]), np.concatenate([carried.start, start])
    # What was carried stands before the readings on the same tick.
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
    """E finite values, sorted by sensor, then tick, then arrival.

    Attributes:
        row: int64 (E,), the reading each comes from.
        place: int32 (E,), where it goes: tick * F + sensor.
        value: float64 (E,).
        runs: one per place.
    """

    def __init__(self, row: Int64s, place: Int32s, value: Float64s) -> None:
        self.row, self.place, self.value = row, place, value
        self.runs = Segments(place)

    @staticmethod
    def of(values: Float64s, on: Placed) -> "Entries":
        """Those of a batch with `values`, float64 (n, F)."""
        by_sensor = np.ascontiguousarray(values[on.rows].T)  # (F, r)
        there = np.isfinite(by_sensor)
        sensor, nth = np.nonzero(there)
        place = on.tick[nth] * len(there) + sensor
        return Entries(on.rows[nth], place.astype(np.int32), by_sensor[there])

    def where(self, kept: Bools) -> "Entries":
        return self if kept.all() else Entries(self.row[kept], self.place[kept], self.value[kept])
