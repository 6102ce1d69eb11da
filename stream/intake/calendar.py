"""Converts times as a calendar and a clock show them, without a zone, to nanoseconds; and places them in a zone.

A local time is int64 nanoseconds from 1970-01-01 00:00 on the clock of the place. `localised` makes UTC of it.
"""

import re
from collections.abc import Sequence
from datetime import date
from typing import Literal

import numpy as np

from stream.intake.columns import Bools, Float64s, Int64s
from stream.intake.intervals import DAY, SECOND
from stream.intake.time_formats import UTC_ZONE

# Farthest local time that a zone may still shift: two days within int64.
_FARTHEST = 2**63 - 1 - 2 * DAY
# Day 0 of Excel, counted back from 1970-01-01; its 1900 was no leap year, so this holds from March 1900 on.
_EXCEL_EPOCH = 25_569
_MILLISECOND = 1_000_000
_CLOCK_TEXT = r"(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?: ?([AaPp])\.?[Mm]\.?)?"
_CLOCK = re.compile(_CLOCK_TEXT, re.ASCII)
# A day of the week, three parts of a date in any order, a time of day, and a zone.
_ORDERED = re.compile(
    r"(?:[A-Za-z]{3,9},? )?(\d{1,4}|[A-Za-z]{3,9})[-./ ] ?(\d{1,2}|[A-Za-z]{3,9})(?:[-./]|,? ) ?(\d{1,4})"
    rf"(?:(?:,? |T){_CLOCK_TEXT}(?: ?(Z|UTC|GMT|[+-][01]\d:?[0-5]\d))?)?",
    re.ASCII,
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# Two digits from here on are a year of the last century.
_CENTURY = 70
Order = Literal["ymd", "dmy", "mdy"]
# A time in ns, and true where it names its zone; None where there is no time.
Parsed = tuple[int, bool] | None


def localised(local: Int64s, good: Bools, zone: str) -> tuple[Int64s, Bools]:
    """Local times (n,) as ns since 1970 UTC (n,), and bool (n,), true where they are times.

    An hour that comes twice in autumn is the earlier one. A time in the hour that spring leaves out is no time. From
    2038 on there is no summer time: pyarrow knows the changes of a zone until then.

    Args:
        good: bool (n,), true where `local` is a time.
        zone: an IANA name.
    """
    good = good & (np.abs(local) < _FARTHEST)
    if zone == UTC_ZONE or not good.any():
        return np.where(good, local, 0), good
    # Imported here: it takes 0.2 s, and epochs never need it.
    import pyarrow as pa
    import pyarrow.compute as pc

    stamps = pa.array(np.where(good, local, 0), pa.int64()).cast(pa.timestamp("ns"))
    moments = pc.assume_timezone(stamps, zone, ambiguous="earliest", nonexistent="earliest")
    exists: Bools = pc.equal(pc.local_timestamp(moments), stamps).to_numpy(zero_copy_only=False)
    times: Int64s = moments.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return np.where(good & exists, times, 0), good & exists


def digits_to_local(numbers: Int64s, digits: Literal[8, 14]) -> tuple[Int64s, Bools]:
    """Numbers (n,) such as 20210131 or 20210131235959 as local times (n,), and bool (n,), true where they are times.

    Args:
        digits: 8: the date alone. 14: also 12, which lack the seconds, and 10, which lack the minutes.
    """
    clock = np.zeros_like(numbers)
    if digits == 14:
        numbers = np.where((numbers >= 10**9) & (numbers < 10**10), numbers * 100, numbers)
        short = numbers < 10**13
        clock = np.where(short, numbers % 10**4 * 100, numbers % 10**6)
        numbers = np.where(short, numbers // 10**4, numbers // 10**6)
    year, month, day = numbers // 10_000, numbers // 100 % 100, numbers % 100
    good = (year >= 1678) & (year <= 2261) & (month >= 1) & (month <= 12) & (day >= 1)
    months = np.where(good, (year - 1970) * 12 + month - 1, 0)
    first, following = (m.astype("M8[M]").astype("M8[D]").astype(np.int64) for m in (months, months + 1))
    good &= day <= following - first
    times, clocks_good = hhmmss_to_ns(clock)
    return np.where(good, first + day - 1, 0) * DAY + times, good & clocks_good


def hhmmss_to_ns(numbers: Int64s) -> tuple[Int64s, Bools]:
    """Numbers (n,) such as 93000 for 09:30:00 as ns of the day (n,), and bool (n,), true where they are such."""
    hour, minute, second = numbers // 10_000, numbers // 100 % 100, numbers % 100
    good = (numbers >= 0) & (hour <= 23) & (minute <= 59) & (second <= 59)
    return np.where(good, (hour * 60 + minute) * 60 + second, 0) * SECOND, good


def excel_to_local(days: Float64s) -> tuple[Int64s, Bools]:
    """Serial days of Excel (n,) as local times (n,) in whole milliseconds, and bool (n,), true where they are times.

    Excel shows no more than milliseconds; a float64 of today's days resolves half a microsecond.
    """
    good = np.isfinite(days) & (np.abs(days) < 100_000)
    since = np.where(good, days, _EXCEL_EPOCH) - _EXCEL_EPOCH
    return np.rint(since * (DAY // _MILLISECOND)).astype(np.int64) * _MILLISECOND, good


def ordered_to_ns(texts: Sequence[str], order: Order, zone: str) -> tuple[Int64s, Bools]:
    """Texts (n,) such as `31.12.2024 23:59:59` as ns since 1970 UTC (n,), and bool (n,), true where they are times.

    Also with `/`, `-` or names of months, two digits of the year, AM and PM, a zone, or without a time of day.
    """
    return zoned([_ordered_ns(text, order) for text in texts], zone)


def zoned(parsed: Sequence[Parsed], zone: str) -> tuple[Int64s, Bools]:
    """Parsed times (n,) as ns since 1970 UTC (n,), and bool (n,); those that name no zone are local to `zone`."""
    good = np.array([one is not None for one in parsed], np.bool_)
    times = np.array([0 if one is None else one[0] for one in parsed], np.int64)
    naive = np.flatnonzero([one is not None and not one[1] for one in parsed])
    if zone != UTC_ZONE and len(naive):
        times[naive], good[naive] = localised(times[naive], good[naive], zone)
    return times, good


def clocks_to_ns(texts: Sequence[str]) -> tuple[Int64s, Bools]:
    """Times of day (n,) such as `9:30`, `09:30:00.5`, `9:30 PM` as ns of the day, and bool (n,), true where such."""
    known = {text: _clock_text_ns(text) for text in set(texts)}
    return zoned([None if (ns := known[text]) is None else (ns, True) for text in texts], UTC_ZONE)


def _ordered_ns(text: str, order: Order) -> Parsed:
    found = _ORDERED.fullmatch(text.strip())
    if found is None:
        return None
    part = dict(zip(order, found.groups()[:3], strict=True))
    *clock, zone = found.groups()[3:]
    try:
        month = _MONTHS.index(part["m"][:3].lower()) + 1 if part["m"].isalpha() else int(part["m"])
        year = int(part["y"]) + (0 if len(part["y"]) == 4 else 1900 if int(part["y"]) >= _CENTURY else 2000)
        days = date(year, month, int(part["d"])).toordinal() - date(1970, 1, 1).toordinal()
    except ValueError:
        return None
    ns = 0 if clock[0] is None else _clock_ns(clock)
    if ns is None or len(part["y"]) not in (2, 4) or (order == "ymd" and len(part["y"]) == 2):
        return None
    if abs(days) * DAY > _FARTHEST:
        return None
    ns += days * DAY
    if zone is None or zone.isalpha():
        return ns, zone is not None
    minutes = int(zone[1:3]) * 60 + int(zone[-2:])
    return ns - (minutes if zone[0] == "+" else -minutes) * 60 * SECOND, True


def _clock_text_ns(text: str) -> int | None:
    found = _CLOCK.fullmatch(text.strip())
    return None if found is None else _clock_ns(found.groups())


def _clock_ns(parts: Sequence[str | None]) -> int | None:
    """Ns of the day of hour, minute, second, fraction and a or p; None where there is no such time."""
    hour, minute, second = (int(part or 0) for part in parts[:3])
    fraction, half = parts[3] or "", (parts[4] or "").lower()
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    return ((hour * 60 + minute) * 60 + second) * SECOND + int(fraction.ljust(9, "0"))
