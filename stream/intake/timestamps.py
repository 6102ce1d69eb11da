"""Converts event times, as people send them, to int64 nanoseconds since 1970 UTC; the same for messages and Parquet.

Numbers are epochs. With format "auto" the magnitude gives the unit; no plausible sensor time is ambiguous:

    |t| < 1e11   seconds        (until the year 5138)
    |t| < 1e14   milliseconds   (from 1973-03-03 on)
    |t| < 1e17   microseconds   (from 1973-03-03 on)
    otherwise    nanoseconds

A float epoch is rounded to whole microseconds, half to even. Today a float64 of seconds resolves 0.24 us; the digits
beyond are noise. A float of nanoseconds is rounded to whole nanoseconds.

Strings are ISO-8601: `YYYY-MM-DD`, then optionally `T` or a space and `hh[:mm[:ss[.f]]]` with up to 9 digits of
fraction, then optionally `Z`, ` UTC` or `+hh[[:]mm]`. Without an offset the time is local to the configured zone. As
RFC 3339 and ISO 8601 allow, `t` and `z` may be small, and a comma may stand for the point.

Only a format that is named takes other forms: days of Excel, FILETIME, digits of a date, day or month first. With
"auto" a time outside of `FIRST_YEAR` to `LAST_YEAR` is none: 20210101 seconds would be a day in 1970.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from stream.intake.calendar import (
    Order,
    Parsed,
    clocks_to_ns,
    digits_to_local,
    excel_to_local,
    hhmmss_to_ns,
    localised,
    ordered_to_ns,
    zoned,
)
from stream.intake.columns import Bools, Float64s, Int64s
from stream.intake.intervals import DAY, SECOND
from stream.intake.time_formats import EPOCH_UNITS, FILETIME_EPOCH, FIRST_YEAR, LAST_YEAR, UTC_ZONE, TimeFormat

# Legal times: -LAST_NS <= t <= LAST_NS (1677-09-21 to 2262-04-11). -2**63 is NaT in numpy and stands for "no time".
LAST_NS = 2**63 - 1
_FIRST_PLAUSIBLE, _END_PLAUSIBLE = (
    int(np.datetime64(f"{y}", "ns").astype(np.int64)) for y in (FIRST_YEAR, LAST_YEAR + 1)
)
_NO_TIME = -(2**63)
_ORDERS: dict[TimeFormat, Order] = {"year_first": "ymd", "day_first": "dmy", "month_first": "mdy"}
# Ticks of .NET are steps of 100 ns since the year 1; this is 1970.
_TICKS_EPOCH = 621_355_968_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d)(?::(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?"
    r"([Zz]| UTC|([+-])(\d\d)(?::?(\d\d))?)?)?",
    re.ASCII,
)
_NUMBER = re.compile(r"[+-]?\d{1,40}(\.\d*)?", re.ASCII)


def to_ns(values: Sequence[object], time_format: TimeFormat, zone: str = UTC_ZONE) -> tuple[Int64s, Bools]:
    """Event times of one batch.

    Args:
        values: n times: int, float or str. Anything else (None, a bool) is no time.
        zone: the IANA zone of times that name none.

    Returns:
        int64 (n,) ns since 1970 UTC, 0 where there is no time; bool (n,), True where there is one.
    """
    times, good = np.zeros(len(values), np.int64), np.zeros(len(values), np.bool_)
    kinds = set(map(type, values))
    for kind in kinds & {int, float, str}:
        if len(kinds) == 1:
            return _of_kind(kind, values, time_format, zone)
        at = np.flatnonzero(np.fromiter((type(v) is kind for v in values), np.bool_, len(values)))
        times[at], good[at] = _of_kind(kind, [values[i] for i in at.tolist()], time_format, zone)
    return times, good


def sent_to_ns(values: Sequence[object], time_format: TimeFormat, zone: str = UTC_ZONE) -> tuple[Int64s, Bools]:
    """Event times of messages, as `to_ns`; with "auto" an epoch may stand in quotes, which in a table may be an id."""
    times, good = to_ns(values, time_format, zone)
    if time_format == "auto" and not good.all():
        quoted = [(at, value) for at in np.flatnonzero(~good).tolist() if isinstance(value := values[at], str)]
        at = [place for place, _ in quoted]
        times[at], good[at] = to_ns([_number(text) for _, text in quoted], time_format)
    return times, good


def joined_to_ns(
    dates: Sequence[object], clocks: Sequence[object], time_format: TimeFormat, zone: str = UTC_ZONE
) -> tuple[Int64s, Bools]:
    """Event times of one batch, of a date and a time of day each; see `to_ns`.

    Args:
        clocks: texts such as `09:30:00`; with "excel" shares of a day, with "yyyymmdd" numbers such as 93000.
    """
    days, dated = to_ns(dates, time_format)
    times, timed = clock_to_ns(clocks, time_format)
    return localised(days + times, dated & timed, zone)


def clock_to_ns(clocks: Sequence[object], time_format: TimeFormat) -> tuple[Int64s, Bools]:
    """Times of day (n,) as ns of the day (n,), and bool (n,), true where they are such; see `joined_to_ns`."""
    times, good = clocks_to_ns([clock if isinstance(clock, str) else "" for clock in clocks])
    numbers = np.array([float(c) if isinstance(c, int | float) and 0 <= c < 240_000 else -1.0 for c in clocks])
    if time_format == "excel":
        shares = (numbers >= 0) & (numbers < 1)
        of_shares = np.rint(np.where(shares, numbers, 0) * (DAY // 1_000_000)).astype(np.int64) * 1_000_000
        return np.where(shares, of_shares, times), good | shares
    if time_format == "yyyymmdd":
        of_digits, are_digits = hhmmss_to_ns(np.where(np.floor(numbers) == numbers, numbers, -1).astype(np.int64))
        return np.where(are_digits, of_digits, times), good | are_digits
    return times, good


def plausible(times: Int64s, good: Bools, time_format: TimeFormat) -> Bools:
    """Mask (n,) of times that may be: with "auto", those of plausible years."""
    if time_format != "auto":
        return good
    return good & (times >= _FIRST_PLAUSIBLE) & (times < _END_PLAUSIBLE)


def _of_kind(kind: type, values: Sequence[object], time_format: TimeFormat, zone: str) -> tuple[Int64s, Bools]:
    if kind is str:
        return texts_to_ns([v for v in values if isinstance(v, str)], time_format, zone)
    if kind is float:
        return floats_to_ns(np.array(values, np.float64), time_format, zone)
    return ints_to_ns(_int64s([v for v in values if isinstance(v, int)]), time_format, zone)


def texts_to_ns(texts: Sequence[str], time_format: TimeFormat, zone: str = UTC_ZONE) -> tuple[Int64s, Bools]:
    """Texts (n,) as ns (n,), and bool (n,), true where they are times of the format; digits are numbers."""
    if time_format in ("auto", "iso8601"):
        times, good = iso_to_ns(texts, zone)
        return times, plausible(times, good, time_format)
    if time_format in _ORDERS:
        return ordered_to_ns(texts, _ORDERS[time_format], zone)
    return to_ns([_number(text) for text in texts], time_format, zone)


def _number(text: str) -> int | float | None:
    found = _NUMBER.fullmatch(text.strip())
    return None if found is None else int(text) if found[1] is None else float(text)


def _int64s(values: Sequence[int]) -> Int64s:
    """Integers of any size as int64; those beyond become "no time"."""
    try:
        return np.array(values, np.int64)
    except OverflowError:
        return np.array([v if -LAST_NS <= v <= LAST_NS else _NO_TIME for v in values], np.int64)


def ints_to_ns(numbers: Int64s, time_format: TimeFormat, zone: str = UTC_ZONE) -> tuple[Int64s, Bools]:
    """Integers (n,) as ns (n,), and bool (n,), true where they are times of the format within int64."""
    if time_format == "filetime":
        since = numbers - np.where(numbers > 5 * FILETIME_EPOCH // 2, _TICKS_EPOCH, FILETIME_EPOCH)
        good = (numbers >= 0) & (np.abs(since) < LAST_NS // 100)
        return np.where(good, since, 0) * 100, good
    if time_format == "yyyymmdd" or time_format == "yyyymmddhhmmss":
        return localised(*digits_to_local(numbers, 8 if time_format == "yyyymmdd" else 14), zone)
    if time_format == "excel":
        return localised(*excel_to_local(numbers.astype(np.float64)), zone)
    if time_format == "iso8601" or time_format in _ORDERS:
        return np.zeros_like(numbers), np.zeros(len(numbers), np.bool_)
    unit = _unit(numbers, time_format)
    last = LAST_NS // unit
    good = (numbers >= -last) & (numbers <= last)
    times = np.where(good, numbers, 0) * unit
    return times, plausible(times, good, time_format)


def floats_to_ns(numbers: Float64s, time_format: TimeFormat, zone: str = UTC_ZONE) -> tuple[Int64s, Bools]:
    """Floats (n,) as ns (n,), and bool (n,), true where they are in range (its last, partial unit is not)."""
    if time_format == "excel":
        return localised(*excel_to_local(numbers), zone)
    if time_format != "auto" and time_format not in EPOCH_UNITS:
        whole_ones = np.isfinite(numbers) & (np.abs(numbers) < 2**62) & (np.floor(numbers) == numbers)
        times, good = ints_to_ns(np.where(whole_ones, numbers, -1).astype(np.int64), time_format, zone)
        return times, good & whole_ones
    finite = np.where(np.isfinite(numbers), numbers, 0.0)
    unit = _unit(finite, time_format)
    good = np.isfinite(numbers) & (np.abs(finite) < LAST_NS // unit)
    finite = np.where(good, finite, 0.0)
    grain = np.where(unit == 1, 1, 1_000)
    per_unit = unit // grain
    # The fraction is split off first: it and its product are exact. The whole epoch's would be rounded twice.
    whole = np.floor(finite)
    part = np.where(per_unit == 1, np.rint(finite) - whole, np.rint((finite - whole) * per_unit))
    times = whole.astype(np.int64) * unit + part.astype(np.int64) * grain
    return times, plausible(times, good, time_format)


def _unit(epochs: Int64s | Float64s, time_format: TimeFormat) -> Int64s:
    """Nanoseconds per unit of each epoch, int64 (n,)."""
    if time_format in EPOCH_UNITS:
        return np.full(len(epochs), EPOCH_UNITS[time_format], np.int64)
    # abs(-2**63) is negative, so it counts as seconds, and is out of range as it should be.
    size = np.abs(epochs)
    unit = np.full(len(epochs), SECOND, np.int64)
    unit[size >= 10**11] = 1_000_000
    unit[size >= 10**14] = 1_000
    unit[size >= 10**17] = 1
    return unit


def epoch_of(number: object) -> TimeFormat:
    """The format of an epoch by its size; seconds for what is no number."""
    unit = _unit(np.array([number if isinstance(number, int | float) else 0], np.float64), "auto")[0]
    return next(name for name, size in EPOCH_UNITS.items() if size == unit)


def iso_to_ns(texts: Sequence[str], zone: str = UTC_ZONE) -> tuple[Int64s, Bools]:
    """ISO 8601 strings (n,) as ns (n,), and bool (n,), true where they are times. Fast for batches of one kind."""
    fast = _arrow_iso(texts)
    if fast is not None:
        times, aware = fast
        good = np.ones(len(texts), np.bool_)
        return (times, good) if aware else localised(times, good, zone)
    return zoned([_iso_ns(text) for text in texts], zone)


def _arrow_iso(texts: Sequence[str]) -> tuple[Int64s, bool] | None:
    """Times in ns (n,) where all have an offset (true) or none has (false), all well inside the range; else None."""
    # Imported here: it takes 0.2 s, and epochs never need it.
    import pyarrow as pa

    for zone in ("UTC", None):
        try:
            stamps = pa.array(_without_utc(texts), pa.string()).cast(pa.timestamp("ns", zone))
        except pa.ArrowInvalid:
            continue
        times: Int64s = stamps.cast(pa.int64()).to_numpy(zero_copy_only=False)
        # A time that its offset carries over the end of the range wraps to within a day of the other end.
        return (times, zone is not None) if len(times) == 0 or np.abs(times).max() < LAST_NS - 2 * DAY else None
    return None


def _without_utc(texts: Sequence[str]) -> Sequence[str]:
    """The texts with ` UTC`, which Arrow does not know, as `Z`; only where the first of them ends so."""
    if not texts or not texts[0].endswith(" UTC"):
        return texts
    return [text.removesuffix(" UTC") + "Z" if text.endswith(" UTC") else text for text in texts]


def _iso_ns(text: str) -> Parsed:
    """Time of one ISO 8601 string in ns, and true where it has an offset; None where it is no time, or out of range."""
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, suffix, sign, off_hour, off_minute = found.groups(default="0")
    try:
        local = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    except ValueError:
        return None
    if int(off_hour) > 23 or int(off_minute) > 59:
        return None
    offset = (int(off_hour) * 60 + int(off_minute)) * 60 * (-1 if sign == "-" else 1)
    ns = ((local - _EPOCH) // timedelta(seconds=1) - offset) * SECOND + int(fraction.ljust(9, "0"))
    return (ns, suffix != "0") if -LAST_NS <= ns <= LAST_NS else None
