"""Finds the column of times."""

from pyarrow import types

from stream.errors import DataError
from stream.intake.tables.column_types import first_named, is_time
from stream.intake.tables.search import Search

TIMES = ("time", "timestamp", "ts", "datetime", "date", "_time", "last_changed", "last_updated")


def find_time(search: Search) -> str:
    """The column of times: configured, the only timestamp, or the one that is named like a time."""
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
    if named is None:
        what = f"several timestamp columns ({', '.join(stamps)})" if stamps else "no time column"
        raise DataError(
            f"{search.where}: {what}; expected one timestamp column, or one named {', '.join(TIMES)}; "
            f"there are {search.listed}; name the time as `input.time`"
        )
    search.why["time"] = f"named {named!r}, of type {columns[named]}"
    return named
