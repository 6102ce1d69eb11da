"""Traces of summer time in times without a zone: an hour that comes twice in autumn, one that misses in spring."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from stream.intake.columns import Int64s
from stream.intake.intervals import HOUR

# One zone for each rule of summer time that many plants live by.
_ZONES = (
    "Europe/Berlin",
    "Europe/London",
    "Europe/Helsinki",
    "America/New_York",
    "Australia/Sydney",
    "America/Santiago",
)
# A span longer than this is not looked at: a wrong year makes it centuries.
_MAX_DAYS = 366 * 30


def summer_time(times: Int64s) -> str | None:
    """Describes the traces, and names a zone that explains them; None where there are none.

    Args:
        times: (n,) local times, ns, in any order.
    """
    hours, counts = np.unique(times // HOUR, return_counts=True)
    if len(hours) < 3:
        return None
    count = dict(zip(hours.tolist(), counts.tolist(), strict=True))
    usual = float(np.median(counts))
    for zone in _ZONES:
        traces = [
            _trace(count, usual, hour, forward) for hour, forward in _changes(zone, int(hours[0]), int(hours[-1]))
        ]
        found = [trace for trace in traces if trace]
        if found and "" not in traces:
            return f"{' and '.join(found[:2])}, as in {zone}"
    return None


def _changes(zone: str, first: int, last: int) -> Iterator[tuple[int, bool]]:
    """The local hours, from 1970, that a zone leaves out (true) or has twice (false), well within first to last."""
    if (last - first) // 24 > _MAX_DAYS:
        return
    place = ZoneInfo(zone)
    for hour in range((first + 2) // 24 * 24, last, 24):
        day = datetime.fromtimestamp(hour * 3600, UTC).replace(tzinfo=place)
        change = _offset(day + timedelta(days=1)) - _offset(day)
        if not change:
            continue
        forward = change > 0
        at = next(h for h in range(24) if _is_change(day + timedelta(hours=h)))
        if first < hour + at < last - 1:
            yield hour + at, forward


def _offset(moment: datetime) -> float:
    offset = moment.utcoffset()
    return 0.0 if offset is None else offset.total_seconds()


def _is_change(moment: datetime) -> bool:
    """True in the hour that is left out or comes twice: there, the two readings of a local time differ."""
    return _offset(moment.replace(fold=0)) != _offset(moment.replace(fold=1))


def _trace(count: dict[int, int], usual: float, hour: int, forward: bool) -> str | None:
    """The trace in this hour, in words; "" where it is an hour like others; None where the data do not tell."""
    before, here, after = (count.get(h, 0) / usual for h in (hour - 1, hour, hour + 1))
    if not (0.8 <= before <= 1.2 and 0.8 <= after <= 1.2):
        return None
    name = f"the hour {np.datetime64(hour * 3600, 's').item():%Y-%m-%d %H:00}"
    if forward and here == 0:
        return f"{name} is missing"
    if not forward and 1.8 <= here <= 2.2:
        return f"{name} comes twice"
    return "" if 0.8 <= here <= 1.2 else None
