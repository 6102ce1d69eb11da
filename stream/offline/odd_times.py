"""Times that cannot be right beside the others of a data set: far from all of them, or after a clock was set back."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stream.events.record import rfc3339
from stream.intake.columns import LongReadings, Readings
from stream.intake.intervals import DAY
from stream.messages import some

# A gap of so many times the span of the others divides a time from them; a span counts as so many days, at least.
_GAP, _LEAST_DAYS = 5, 60
# More readings beyond a gap than this share are no few odd ones.
_FEW = 0.1
# A clock is set back in few places, and many readings stand behind each; a late reading stands alone.
MOST_STEPS, _LEAST_BEHIND = 3, 10


class Place(NamedTuple):
    """A reading: its row in the data set, its series and its time in ns; `before`: the time of the one before it."""

    row: int
    series: str
    time: int
    before: int = 0

    def __str__(self) -> str:
        return f"row {self.row:,} of {self.series!r} at {rfc3339(self.time)}"


@dataclass(slots=True)
class _Day:
    """The readings of one day: their number and the first one."""

    readings: int
    first: Place


class Days:
    """The days that the readings of a data set are on."""

    def __init__(self) -> None:
        self._days: dict[int, _Day] = {}

    def add(self, columns: Readings | LongReadings) -> None:
        """Counts the readings of the next batch."""
        day_of = columns.time // DAY
        # Rows of one day stand together in most files, so runs are far fewer than rows.
        runs = np.concatenate([[0], np.flatnonzero(np.diff(day_of)) + 1])
        days, first, place = np.unique(day_of[runs], return_index=True, return_inverse=True)
        counts = np.bincount(place, np.diff(runs, append=len(day_of))).astype(np.int64)
        for day, at, count in zip(days.tolist(), runs[first].tolist(), counts.tolist(), strict=True):
            if day in self._days:
                self._days[day].readings += count
            else:
                name = columns.names[columns.series[at]]
                self._days[day] = _Day(count, Place(int(columns.position[at]), name, int(columns.time[at])))

    def far(self) -> str | None:
        """Says which few readings are far from all others in time; None: none are."""
        days = sorted(self._days)
        counts = np.array([self._days[day].readings for day in days], np.int64)
        low, high = _body(days, counts)
        outside = [self._days[day] for day in (*days[:low], *days[high + 1 :])]
        beyond, total = sum(day.readings for day in outside), int(counts.sum())
        if not 0 < beyond <= _FEW * total:
            return None
        first, last = (str(np.datetime64(days[at], "D")) for at in (low, high))
        places = some([f"{day.first}{f' and {day.readings - 1:,} after it' * (day.readings > 1)}" for day in outside])
        return (
            f"{beyond:,} of {total:,} readings {'is' if beyond == 1 else 'are'} far in time from all others, which are "
            f"from {first} to {last}: {places}"
        )


def _body(days: list[int], counts: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[int, int]:
    """The first and the last of the days around the median reading that no wide gap divides from it, as indices."""
    low = high = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2)) if days else 0
    while True:
        widest = _GAP * max(days[high] - days[low], _LEAST_DAYS) if days else 0
        if low > 0 and days[low] - days[low - 1] <= widest:
            low -= 1
        elif high + 1 < len(days) and days[high + 1] - days[high] <= widest:
            high += 1
        else:
            return low, high


def set_back(steps: int, places: list[Place], behind: int, clocks: int) -> str | None:
    """Says where clocks were set back; None where they were not: late readings are many steps, each alone.

    Args:
        steps: readings with an earlier time than the one before them on their clock.
        places: the first few of them.
        behind: readings that stand behind a later one of their series.
        clocks: of a series, at most.
    """
    if not 0 < steps <= MOST_STEPS * clocks or behind < _LEAST_BEHIND * steps:
        return None
    return f"times go back, as after a clock is set back: {'; '.join(_steps(places))}; correct the times of one side"


def _steps(places: list[Place]) -> Iterator[str]:
    for place in places:
        yield f"row {place.row:,} of {place.series!r}, from {rfc3339(place.before)} to {rfc3339(place.time)}"
