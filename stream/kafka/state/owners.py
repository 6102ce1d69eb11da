"""Which partition of this process has which series: one series belongs to one partition.

A series in two partitions has no order of its readings, hence no score. The partition that has it keeps it; in the
other its readings are dead letters, written into the state topic so that a restart decides alike. A series that its
partition has not heard of for `max_gap` has moved (the number of partitions was raised, say): the other takes it over
and starts warming. Seen where one process holds both partitions; where it no longer does, the refusal ends.
"""

from collections.abc import Callable, Iterable
from typing import Protocol


class Owner(Protocol):
    """A partition, as far as ownership goes."""

    number: int

    def last_heard(self, series: str) -> int:
        """Newest event time of the series, ns."""

    def hand_over(self, series: str) -> None:
        """The series has moved: it leaves memory, and its incident is closed."""


class Owners:
    """Series to the partition that has them. Gaps are in ns of event time.

    Args:
        is_ours: whether this process holds the partition of a number, live or still recovering.
    """

    def __init__(self, is_ours: Callable[[int], bool] = lambda number: False) -> None:
        self._owner: dict[str, Owner] = {}
        self._is_ours = is_ours

    def holder(self, series: str) -> int | None:
        """The number of the partition that has the series."""
        owner = self._owner.get(series)
        return None if owner is None else owner.number

    def is_awaited(self, series: str, holder: int) -> bool:
        """Whether partition `holder` is ours and has not come alive with the series yet."""
        return series not in self._owner and self._is_ours(holder)

    def claim(self, series: str, owner: Owner, time: int, max_gap: int) -> bool:
        """Whether the series, with a reading at `time`, is `owner`'s from now on."""
        holder = self._owner.setdefault(series, owner)
        if holder is owner:
            return True
        if time - holder.last_heard(series) <= max_gap:
            return False
        holder.hand_over(series)
        self._owner[series] = owner
        return True

    def release(self, series: Iterable[str], owner: Owner) -> None:
        """`owner` no longer has them."""
        for name in series:
            if self._owner.get(name) is owner:
                del self._owner[name]
