"""Ticks with the values gathered on them, and the pool of ticks that are open between batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.detect.frames.clock import OpenTick
from stream.detect.slots import grown
from stream.intake.columns import Float64s, Int32s, Int64s

FREE = -1


@dataclass(frozen=True, slots=True)
class Ticks:
    """C ticks of some series.

    Attributes:
        series: int32 (C,), slots.
        start: int64 (C,), ns.
        value: float64 (C, F), per sensor the last value or the sum of values; 0 where `count` is 0.
        count: int64 (C, F), number of values.
        at: int64 (C, F), newest time of the values, ns; 0 where `count` is 0.
    """

    series: Int32s
    start: Int64s
    value: Float64s
    count: Int64s
    at: Int64s

    @staticmethod
    def blank(series: Int32s, start: Int64s, sensors: int) -> "Ticks":
        """Ticks without a value."""
        shape = (len(start), sensors)
        return Ticks(series, start, np.zeros(shape), np.zeros(shape, np.int64), np.zeros(shape, np.int64))

    @staticmethod
    def of(slot: int, states: Sequence[OpenTick], sensors: int) -> "Ticks":
        """Ticks of one series, from its snapshot."""
        start = np.array([state.tick for state in states], np.int64)
        ticks = Ticks.blank(np.full(len(states), slot, np.int32), start, sensors)
        for row, state in enumerate(states):
            ticks.value[row], ticks.count[row], ticks.at[row] = state.value, state.count, state.at
        return ticks

    def states(self) -> list[OpenTick]:
        """The ticks as a snapshot holds them."""
        columns = (column.tolist() for column in (self.start, self.value, self.count, self.at))
        return [OpenTick(*tick) for tick in zip(*columns, strict=True)]

    @property
    def columns(self) -> tuple[NDArray[Any], ...]:
        """The arrays, in the order of the fields."""
        return self.series, self.start, self.value, self.count, self.at

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, rows: NDArray[Any]) -> "Ticks":
        """Copies of some ticks, by indices or by a mask."""
        return Ticks(*(column[rows] for column in self.columns))

    def put(self, rows: NDArray[Any], ticks: "Ticks") -> None:
        """Overwrites these rows."""
        for column, values in zip(self.columns, ticks.columns, strict=True):
            column[rows] = values


class OpenTicks:
    """The open ticks of all series in one pool. Most series have none or one; there is no limit."""

    def __init__(self, sensors: int) -> None:
        self.sensors = sensors
        self._slots = 0
        # `series` is FREE where a row holds no tick. Invariant: the ticks of a series stand oldest first, each once;
        # they join and leave together.
        self._pool = Ticks.blank(np.zeros(0, np.int32), np.zeros(0, np.int64), sensors)

    def resize(self, capacity: int) -> None:
        """Makes room for `capacity` slots."""
        self._slots = capacity

    def of(self, slots: Int32s) -> Ticks:
        """Copies of the ticks of some series, each series oldest first."""
        return self._pool[self._rows(slots)]

    def take(self, slots: Int32s) -> Ticks:
        """Removes the ticks of some series from the pool, and returns them, each series oldest first."""
        rows = self._rows(slots)
        taken = self._pool[rows]
        self._pool.series[rows] = FREE
        return taken

    def put(self, ticks: Ticks) -> None:
        """Adds ticks to the pool, each series oldest first; a series must have none there before."""
        free = np.flatnonzero(self._pool.series == FREE)
        if len(free) < len(ticks):
            capacity = 2 * (len(self._pool) + len(ticks))
            self._pool = Ticks(*(grown(column, capacity, FREE) for column in self._pool.columns))
            free = np.flatnonzero(self._pool.series == FREE)
        self._pool.put(free[: len(ticks)], ticks)

    def _rows(self, slots: Int32s) -> Int64s:
        wanted = np.zeros(self._slots + 1, np.bool_)
        wanted[slots] = True
        # FREE is -1: it reads the last element, which belongs to no slot.
        return np.flatnonzero(wanted[self._pool.series])
