"""Converts event times, as people send them, to int64 nanoseconds since 1970 UTC.

Numbers are epochs. With format "auto" the magnitude gives the unit; no plausible sensor time is ambiguous:

    |t| < 1e11   seconds        (until the year 5138)
    |t| < 1e14   milliseconds   (from 1973-03-03 on)
    |t| < 1e17   microseconds   (from 1973-03-03 on)
    otherwise    nanoseconds

A float epoch is rounded to whole microseconds, half to even. Today a float64 of seconds resolves 0.24 us; the digits
beyond are noise. A float of nanoseconds is rounded to whole nanoseconds.

Strings are ISO-8601: `YYYY-MM-DD`, then optionally `T` or a space and `hh[:mm[:ss[.f]]]` with up to 9 digits of
fraction, then optionally `Z` or `+hh[[:]mm]`. Without an offset the time is UTC.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np

from stream.intake.columns import Bools, Float64s, Int64s

TimeFormat = Literal["auto", "iso8601", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns"]

# Legal times: -LAST_NS <= t <= LAST_NS (1677-09-21 to 2262-04-11). -2**63 is NaT in numpy and stands for "no time".
LAST_NS = 2**63 - 1
_NO_TIME = -(2**63)
_SECOND = 1_000_000_000
_DAY = 86_400 * _SECOND
_UNITS = {"epoch_s": _SECOND, "epoch_ms": 1_000_000, "epoch_us": 1_000, "epoch_ns": 1}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?(?:Z|([+-])(\d\d)(?::?(\d\d))?)?)?",
    re.ASCII,
)


def to_ns(values: Sequence[object], time_format: TimeFormat) -> tuple[Int64s, Bools]:
    """Event times of one batch.

    Args:
        values: n times: int, float or str. Anything else (None, a bool) is no time.

    Returns:
        int64 (n,) ns since 1970 UTC, 0 where there is no time; bool (n,), True where there is one.
    """
    times, good = np.zeros(len(values), np.int64), np.zeros(len(values), np.bool_)
    kinds = set(map(type, values))
    for kind in kinds & {int, float, str}:
        if len(kinds) == 1:
            return _of_kind(kind, values, time_format)
        at = np.flatnonzero(np.fromiter((type(v) is kind for v in values), np.bool_, len(values)))
        times[at], good[at] = _of_kind(kind, [values[i] for i in at.tolist()], time_format)
    return times, good


def _of_kind(kind: type, values: Sequence[object], time_format: TimeFormat) -> tuple[Int64s, Bools]:
    if kind is str:
        return iso_to_ns([v for v in values if isinstance(v, str)])
    if kind is float:
        return floats_to_ns(np.array(values, np.float64), time_format)
    return ints_to_ns(_int64s([v for v in values if isinstance(v, int)]), time_format)


def _int64s(values: Sequence[int]) -> Int64s:
    """Integers of any size as int64; those beyond become "no time"."""
    try:
        return np.array(values, np.int64)
    except OverflowError:
        return np.array([v if -LAST_NS <= v <= LAST_NS else _NO_TIME for v in values], np.int64)


def ints_to_ns(epochs: Int64s, time_format: TimeFormat) -> tuple[Int64s, Bools]:
    """Integer epochs (n,) as ns (n,), and bool (n,), true where they are within int64."""
    unit = _unit(epochs, time_format)
    last = LAST_NS // unit
    good = (epochs >= -last) & (epochs <= last)
    return np.where(good, epochs, 0) * unit, good


def floats_to_ns(epochs: Float64s, time_format: TimeFormat) -> tuple[Int64s, Bools]:
    """Float epochs (n,) as ns (n,), and bool (n,), true where they are in range (its last, partial unit is not)."""
    finite = np.where(np.isfinite(epochs), epochs, 0.0)
    unit = _unit(finite, time_format)
    good = np.isfinite(epochs) & (np.abs(finite) < LAST_NS // unit)
    finite = np.where(good, finite, 0.0)
    grain = np.where(unit == 1, 1, 1_000)
    per_unit = unit // grain
    # The fraction is split off first: it and its product are exact. The whole epoch's would be rounded twice.
    whole = np.floor(finite)
    part = np.where(per_unit == 1, np.rint(finite) - whole, np.rint((finite - whole) * per_unit))
    return whole.astype(np.int64) * unit + part.astype(np.int64) * grain, good


def _unit(epochs: Int64s | Float64s, time_format: TimeFormat) -> Int64s:
    """Nanoseconds per unit of each epoch, int64 (n,)."""
    if time_format in _UNITS:
        return np.full(len(epochs), _UNITS[time_format], np.int64)
    # abs(-2**63) is negative, so it counts as seconds, and is out of range as it should be.
    size = np.abs(epochs)
    unit = np.full(len(epochs), _SECOND, np.int64)
    unit[size >= 10**11] = 1_000_000
    unit[size >= 10**14] = 1_000
    unit[size >= 10**17] = 1
    return unit


def iso_to_ns(texts: Sequence[str]) -> tuple[Int64s, Bools]:
    """ISO 8601 strings (n,) as ns (n,), and bool (n,), true where they are times. Fast for batches of one kind."""
    fast = _arrow_iso(texts)
    if fast is not None:
        return fast, np.ones(len(texts), np.bool_)
    slow = [_iso_ns(text) for text in texts]
    good = np.array([ns is not None for ns in slow], np.bool_)
    return np.array([0 if ns is None else ns for ns in slow], np.int64), good


def _arrow_iso(texts: Sequence[str]) -> Int64s | None:
    """Times in ns (n,) where all have an offset or none has, and all are well inside the range; else None."""
    # Imported here: it takes 0.2 s, and epochs never need it.
    import pyarrow as pa

    for zone in ("UTC", None):
        try:
            stamps = pa.array(texts, pa.string()).cast(pa.timestamp("ns", zone))
        except pa.ArrowInvalid:
            continue
        times: Int64s = stamps.cast(pa.int64()).to_numpy(zero_copy_only=False)
        # A time that its offset carries over the end of the range wraps to within a day of the other end.
        return times if len(times) == 0 or np.abs(times).max() < LAST_NS - 2 * _DAY else None
    return None


def _iso_ns(text: str) -> int | None:
    """Time of one ISO 8601 string in ns; None where it is no time, or out of range."""
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, off_hour, off_minute = found.groups(default="0")
    try:
        local = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    except ValueError:
        return None
    if int(off_hour) > 23 or int(off_minute) > 59:
        return None
    offset = (int(off_hour) * 60 + int(off_minute)) * 60 * (-1 if sign == "-" else 1)
    ns = ((local - _EPOCH) // timedelta(seconds=1) - offset) * _SECOND + int(fraction.ljust(9, "0"))
    return ns if -LAST_NS <= ns <= LAST_NS else None
