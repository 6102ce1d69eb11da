"""Finds the column of times."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from pyarrow import types

from stream.errors import DataError
from stream.intake.intervals import DAY
from stream.intake.tables.column_types import first_named, is_text, is_time
from stream.intake.tables.moments.conversion import TimeForm
from stream.intake.tables.moments.sample import Sample, sample
from stream.intake.tables.search import Search
from stream.intake.time_formats import UTC_ZONE, TimeFormat
from stream.intake.timestamps import plausible, texts_to_ns

TIMES = ("time", "timestamp", "ts", "datetime", "date", "_time", "last_changed", "last_updated")
# The forms of text that is nothing but a time; digits may be anything.
_WRITTEN: tuple[TimeFormat, ...] = ("iso8601", "year_first", "day_first", "month_first")


def find_time(search: Search) -> str:
    """The column of times: configured, the only timestamp, named like a time, or the only text that holds times."""
    configured = search.configured("time", search.hints.time)
    if configured is not None:
        return configured
    other = {*search.files[0].folders, search.hints.date}
    columns = {name: kind for name, kind in search.types.items() if name not in other}
    stamps = [name for name, kind in columns.items() if types.is_timestamp(kind)]
    if len(stamps) == 1:
        search.why["time"] = "the only timestamp column"
        return stamps[0]
    named = first_named(stamps or [name for name, kind in columns.items() if is_time(kind)], TIMES)
    for is_typed in (types.is_time, types.is_date):
        typed = [name for name, kind in columns.items() if is_typed(kind)]
        named = typed[0] if named is None and not stamps and len(typed) == 1 else named
    search.why["time"] = f"named {named!r}, of type {columns[named]}" if named is not None else ""
    by_content = [] if named is not None or stamps else _by_content(search, columns)
    if len(by_content) == 1:
        named, search.why["time"] = by_content[0], "the only column of text whose values are all times"
    if named is None:
        several = f"several timestamp columns ({', '.join(stamps)})" if stamps else "no time column"
        what = f"several columns of text that hold times ({', '.join(by_content)})" if by_content else several
        raise DataError(
            f"{search.where}: {what}; expected one timestamp column, or one named {', '.join(TIMES)}; "
            f"there are {search.listed}; name the time as `input.time`"
        )
    return named


def _by_content(search: Search, columns: Mapping[str, pa.DataType]) -> list[str]:
    """The columns of text without another purpose whose values are all times."""
    hints = search.hints
    other = {hints.series, hints.sensor, hints.label, *hints.exclude}
    texts = [name for name, kind in columns.items() if is_text(kind) and name not in other]
    return [name for name in texts if _are_times(sample(search.files, (name,)))]


def _are_times(rows: Sample) -> bool:
    """True for text that holds the times of rows: not one time for all, nor days beside a column of times of day."""
    ends = [value for value in rows.ends() if isinstance(value, str)]
    for form in _WRITTEN if ends else ():
        if not texts_to_ns(ends, form)[1].all():
            continue
        times, good, null = rows.read(TimeForm(form, UTC_ZONE, None))
        if plausible(times, good, "auto")[~null].all():
            distinct = np.unique(times[~null])
            return bool(2 * len(distinct) > len(times) or ((distinct % DAY).any() and len(distinct) > 1))
    return False
