"""Converts columns of times to nanoseconds since 1970 UTC, by the functions that convert those of messages."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import types

from stream.intake.calendar import localised
from stream.intake.columns import Bools, Int64s
from stream.intake.tables.column_types import is_text
from stream.intake.time_formats import UTC_ZONE, TimeFormat
from stream.intake.timestamps import LAST_NS, clock_to_ns, floats_to_ns, ints_to_ns, plausible, texts_to_ns

_UNITS: dict[str, TimeFormat] = {"s": "epoch_s", "ms": "epoch_ms", "us": "epoch_us", "ns": "epoch_ns"}


@dataclass(frozen=True, slots=True)
class TimeForm:
    """The form of the times of a data set.

    Attributes:
        time_format: form of numbers and texts; timestamps have their own.
        zone: IANA zone of times that name none.
        date: the column of the date, where that of the time holds times of day; None: one column holds both.
    """

    time_format: TimeFormat
    zone: str
    date: str | None


def column_to_ns(column: pa.Array, dates: pa.Array | None, form: TimeForm) -> tuple[Int64s, Bools, Bools]:
    """Times in ns (n,), a mask of the valid ones, and a mask of the nulls, both bool (n,).

    Args:
        column: n times; times of day where there are dates.
        dates: n dates.
    """
    null: Bools = column.is_null().to_numpy(zero_copy_only=False)
    if dates is None:
        times, good = _moments(column, form.time_format, form.zone)
        return times, good & ~null, null
    null = null | dates.is_null().to_numpy(zero_copy_only=False)
    days, dated = _moments(dates, form.time_format, UTC_ZONE)
    clocks, timed = _clocks(column, form.time_format)
    times, good = localised(days + clocks, dated & timed, form.zone)
    return times, good & ~null, null


def _moments(column: pa.Array, time_format: TimeFormat, zone: str) -> tuple[Int64s, Bools]:
    """Times in ns (n,), and a mask of the valid ones, bool (n,); both are meaningless where the column is null."""
    kind = column.type
    if types.is_date(kind):
        column, kind = column.cast(pa.timestamp("ms")), pa.timestamp("ms")
    if types.is_timestamp(kind):
        times, good = ints_to_ns(_filled(column.cast(pa.int64())), _UNITS[kind.unit])
        times, good = (times, good) if kind.tz is not None else localised(times, good, zone)
        return times, plausible(times, good, time_format)
    if is_text(kind):
        return texts_to_ns(_texts(column), time_format, zone)
    if types.is_floating(kind):
        return floats_to_ns(_filled(column).astype(np.float64), time_format, zone)
    if not types.is_integer(kind):
        return np.zeros(len(column), np.int64), np.zeros(len(column), np.bool_)
    numbers = _filled(column)
    # A uint64 beyond int64 would wrap to a negative time; -2**63 is no time in any unit.
    return ints_to_ns(np.where(numbers > LAST_NS, -LAST_NS - 1, numbers.astype(np.int64)), time_format, zone)


def _clocks(column: pa.Array, time_format: TimeFormat) -> tuple[Int64s, Bools]:
    """Times of day in ns (n,), and a mask of the valid ones, bool (n,)."""
    if types.is_time(column.type):
        clocks = _filled(column.cast(pa.time64("ns")).cast(pa.int64()))
        return clocks, np.ones(len(clocks), np.bool_)
    if is_text(column.type):
        return clock_to_ns(_texts(column), time_format)
    is_plain = types.is_integer(column.type) or types.is_floating(column.type)
    return clock_to_ns(column.to_pylist() if is_plain else [None] * len(column), time_format)


def _texts(column: pa.Array) -> list[str]:
    texts: list[str] = column.cast(pa.string()).fill_null("").to_pylist()
    return texts


def _filled(column: pa.Array) -> NDArray[Any]:
    filled: NDArray[Any] = column.fill_null(0).to_numpy(zero_copy_only=False)
    return filled
