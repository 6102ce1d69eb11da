"""Ownership of series: each series belongs to one partition of this process.

The readings of a series in two partitions have no order, so they cannot be scored. The partition that owns the series
keeps it; in the other one its readings are dead letters. The state topic keeps this decision for a restart.
A series moves where its owner has had no reading of it for `max_gap`, as after a change of the number of partitions.
The other partition then owns it and starts warming. All this works only while one process holds both partitions: the
refusal ends when it no longer does.
"""

from collections.abc import Callable, Iterable
from typing import Protocol


class Owner(Protocol):
    """The part of a partition that ownership needs."""

    number: int

    def last_heard(self, series: str) -> int:
        """Newest event time of the series in this partition, ns."""

    def hand_over(self, series: str) -> None:
        """Closes the incident of a series that has moved, and takes the series out of memory."""


class Owners:
    """Owner of each series that is live in this process. Gaps are in ns of event time.

    Args:
        is_ours: tells if this process holds the partition of a number, live or still recovering.
    """

    def __init__(self, is_ours: Callable[[int], bool] = lambda number: False) -> None:
        self._owner: dict[str, Owner] = {}
        self._is_ours = is_ours

    def holder(self, series: str) -> int | None:
        """Number of the partition that owns the series; None where none does."""
        owner = self._owner.get(series)
        return None if owner is None else owner.number

    def is_awaited(self, series: str, holder: int) -> bool:
        """True while partition `holder` is ours and still recovers, so that it may own the series soon."""
        return series not in self._owner and self._is_ours(holder)

    def claim(self, series: str, owner: Owner, time: int, max_gap: int) -> bool:
        """Claims a series with a reading at `time` for `owner`; False where another partition keeps it."""
        holder = self._owner.setdefault(series, owner)
        if holder is owner:
            return True
        if time - holder.last_heard(series) <= max_gap:
            return False
        holder.hand_over(series)
        self._owner[series] = owner
        return True

    def release(self, series: Iterable[str], owner: Owner) -> None:
        """Ends the ownership of those series that `owner` owns."""
        for name in series:
            if self._owner.get(name) is owner:
                del self._owner[name]
