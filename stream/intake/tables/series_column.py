"""Finds the column that names the series of each row."""

from stream.intake.tables.column_types import first_named, is_text
from stream.intake.tables.labels import LABELS
from stream.intake.tables.long_columns import SENSORS
from stream.intake.tables.repeated_times import repeated_times
from stream.intake.tables.search import Search
from stream.intake.tables.times import TIMES

SERIES = ("series", "asset", "device", "machine", "id", "key", "series_id", "asset_id", "device_id", "machine_id")
_DATE_FOLDERS = ("year", "month", "day", "hour", "date", "dt")


def find_series(search: Search, keys: list[str]) -> tuple[str | None, bool]:
    """The column of the series, and True where its content gave it away.

    Args:
        keys: the column of times, and that of sensors where there is one.
    """
    if search.hints.series_name is not None:
        search.why["series"] = f"`input.series_name`: all rows are {search.hints.series_name!r}"
        return None, False
    named = _named(search)
    if named is not None:
        return named, False
    explaining = _explaining(search, keys)
    return explaining, explaining is not None


def _named(search: Search) -> str | None:
    """The column that is configured, or named like a series, or the only one that folders give."""
    configured = search.configured("series", search.hints.series)
    if configured is not None:
        return configured
    texts = [name for name, kind in search.types.items() if is_text(kind)]
    named = first_named(texts, SERIES)
    if named is not None:
        search.why["series"] = f"a column of text named {named!r}"
        return named
    folders = [name for name in search.files[0].folders if name.lower() not in (*_DATE_FOLDERS, *SENSORS)]
    if len(folders) == 1:
        search.why["series"] = f"folders are named {folders[0]}=..."
        return folders[0]
    search.why["series"] = "no column of series: each file is one, named by its metadata or its path"
    return None


def _explaining(search: Search, keys: list[str]) -> str | None:
    """The only column of text that makes times unique; several are named in `why`."""
    texts = [name for name in _texts(search) if name not in keys]
    if not texts or set(keys) & set(search.files[0].folders):
        return None
    found = repeated_times(search.files, keys, texts)
    if len(found.explained_by) == 1:
        search.why["series"] = (
            f"the only column of text that makes times unique: without it {found.share:.0%} of rows repeat one"
        )
        return found.explained_by[0]
    if found.explained_by:
        search.why["series"] = (
            f"each file is one, but {found.share:.0%} of rows repeat a time; {' or '.join(found.explained_by)} "
            f"would tell them apart: name one as `input.series`"
        )
    return None


def _texts(search: Search) -> list[str]:
    """Columns of text, in every file, that may name a series."""
    given = {*search.hints.exclude, *(search.hints.sensors or ()), search.hints.label}
    in_all = set.intersection(*(set(file.schema.names) for file in search.files))
    texts = [name for name, kind in search.types.items() if is_text(kind) and name in in_all - given]
    return [name for name in texts if name.lower() not in (*LABELS, *TIMES)]
