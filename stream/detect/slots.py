"""Slots: each series has one, its row in every state array. Arrays grow by doubling."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from stream.intake.columns import Bools, Int32s, Int64s

Scalar = TypeVar("Scalar", bound=np.generic)


def grown(array: NDArray[Scalar], capacity: int, fill: float) -> NDArray[Scalar]:
    """`array` (S, ...) with room for `capacity` rows; new rows hold `fill`."""
    bigger = np.full((capacity, *array.shape[1:]), fill, dtype=array.dtype)
    bigger[: len(array)] = array
    return bigger


class Slots:
    """The slot of each series; a released slot is used again."""

    def __init__(self) -> None:
        self._slot: dict[str, int] = {}
        self._names: list[str] = []
        self._free: list[int] = []

    def __len__(self) -> int:
        """Number of series that have a slot."""
        return len(self._slot)

    @property
    def capacity(self) -> int:
        """Slots that were ever used: state arrays must have room for them."""
        return len(self._names)

    def name(self, slot: int) -> str:
        """The series that has this slot."""
        return self._names[slot]

    def find(self, name: str) -> int | None:
        """The slot of a series; None: it has none."""
        return self._slot.get(name)

    def names(self) -> Iterable[str]:
        """All series that have a slot."""
        return self._slot.keys()

    def missing(self, names: Iterable[str]) -> list[str]:
        """The series of `names` that have no slot."""
        return [name for name in names if name not in self._slot]

    def add(self, name: str) -> int:
        """Gives a slot to a series that has none, and returns it."""
        slot = self._free.pop() if self._free else len(self._names)
        if slot == len(self._names):
            self._names.append(name)
        self._names[slot] = name
        self._slot[name] = slot
        return slot

    def release(self, name: str) -> int:
        """Frees the slot of a series and returns it; the caller clears its rows."""
        slot = self._slot.pop(name)
        self._free.append(slot)
        return slot

    def lookup(self, names: Iterable[str]) -> Int32s:
        """The slot of each series, int32 (len(names),); every series must have one."""
        return np.array([self._slot[name] for name in names], dtype=np.int32)


class Segments:
    """Runs of rows, one per series, of rows that are sorted by series.

    Iteration gives the series, the first row and the row after the last of each run, as plain numbers.

    Attributes:
        series: int32 (G,), the series of each run.
        start: int64 (G,), first row of each run.
        end: int64 (G,), one past its last row.
        of_row: int64 (n,), the run of each row.
    """

    def __init__(self, series: Int32s) -> None:
        n = len(series)
        first = np.ones(n, dtype=np.bool_)
        first[1:] = series[1:] != series[:-1]
        self.start: Int64s = np.flatnonzero(first).astype(np.int64)
        self.end: Int64s = np.append(self.start[1:], n)[: len(self.start)].astype(np.int64)
        self.series: Int32s = series[self.start]
        self.of_row: Int64s = np.cumsum(first, dtype=np.int64) - 1

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        return zip(self.series.tolist(), self.start.tolist(), self.end.tolist(), strict=True)

    @property
    def start_of_row(self) -> Int64s:
        """First row of the run of each row, int64 (n,)."""
        return self.start[self.of_row]

    @property
    def length(self) -> Int64s:
        """Rows of each run, int64 (G,)."""
        return self.end - self.start


def previous(values: NDArray[Scalar], segments: Segments, first: NDArray[Scalar]) -> NDArray[Scalar]:
    """The value of the row before each row of the same run, (n,); `first` (G,) stands before the first row of a run."""
    before = np.empty_like(values)
    before[1:] = values[:-1]
    before[segments.start] = first
    return before


def last_true(flags: Bools, segments: Segments) -> Int64s:
    """The last row of the same run, at or before each row, where `flags` holds; -1: there is none.

    Args:
        flags: bool (n,) or (n, F).
    """
    n = len(flags)
    rows = np.arange(n, dtype=np.int64).reshape((n,) + (1,) * (flags.ndim - 1))
    starts = segments.start_of_row.reshape(rows.shape)
    last = np.maximum.accumulate(np.where(flags, rows, -1), axis=0) if n else np.zeros(flags.shape, np.int64)
    return np.where(last >= starts, last, -1)
