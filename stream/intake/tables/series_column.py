"""Finds the column that names the series of each row."""

from itertools import combinations

from pyarrow import types

from stream.intake.field_paths import as_setting, joined
from stream.intake.tables.column_types import first_named, is_name, is_number, is_text
from stream.intake.tables.identifiers import SERIES, preference
from stream.intake.tables.labels import is_label_name
from stream.intake.tables.long_columns import SENSORS, VALUES, added
from stream.intake.tables.search import Search
from stream.intake.tables.times import TIMES

_DATE_FOLDERS = ("year", "month", "day", "hour", "date", "dt")
# Names that are rather of a series than of a sensor, where one of two columns is each.
_PLACES = ("instance", "host", "hostname", "server", "pod", "site", "plant", "line", "location")
# Rows that repeat a time, as a share, that are worth a warning.
_MANY = 0.1
# Columns in which values are looked for that take turns, at most: quick on any history.
_MOST = 20


def find_series(search: Search, keys: list[str], value: str | None) -> tuple[str | None, bool]:
    """The column of the series, and True where its content gave it away.

    Args:
        keys: the column of times, and that of sensors where there is one.
        value: long: the column of values.
    """
    if search.hints.series_name is not None:
        search.why["series"] = "`input.series_name` names all rows"
        return None, False
    named = _named(search, keys)
    if named is not None:
        if value is None and search.hints.series is None:
            _doubt_wide(search, keys, named)
        return named, False
    inferred = _explaining(search, keys, value) or _named_integers(search, keys)
    return inferred, inferred is not None


def _named(search: Search, keys: list[str]) -> str | None:
    """The column that is configured, or named like a series, or the only one that folders give."""
    configured = search.configured("series", search.hints.series)
    if configured is not None:
        return configured
    texts = [name for name, kind in search.types.items() if is_text(kind) and name not in keys]
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


def _named_integers(search: Search, keys: list[str]) -> str | None:
    """The column of integers or text that is named like one of assets: their times need not overlap."""
    ranks = {name: rank for name in _candidates(search, keys) if (rank := preference(name)) is not None}
    for name in sorted(ranks, key=lambda name: ranks[name]):
        if search.rows.names_all_rows(name):
            search.why["series"] = f"a column of {_kind(search, name)} named {name!r}"
            left = search.rows.share([*keys, name])
            if left > _MANY:
                search.doubts.append(
                    f"{name} is taken for the series, but {left:.0%} of rows repeat a time of it; if another column "
                    f"is needed too, make one of both for `input.series`"
                )
            return name
    return None


def _explaining(search: Search, keys: list[str], value: str | None) -> str | None:
    """The only column that makes times unique, or that of several which is named like one of assets."""
    names = _candidates(search, [*keys, *([] if value is None else [value])])
    share, explaining = search.rows.share(keys), search.rows.explaining(keys, names)
    named = [name for name in explaining if preference(name) is not None]
    explained = named if len(named) == 1 else explaining
    if len(explained) == 1:
        kind = _kind(search, explained[0])
        search.why["series"] = (
            f"the only column of {kind} that makes times unique: without it {share:.0%} of rows repeat one"
        )
        _doubt_purpose(search, explained[0], value)
        return explained[0]
    if explaining:
        search.why["series"] = (
            f"each file is one, but {share:.0%} of rows repeat a time; {' or '.join(explaining)} "
            f"would tell them apart: name one as `input.series`"
        )
        search.doubts.append(search.why["series"])
    elif any(preference(name) is not None for name in names):
        return None
    elif share > _MANY:
        search.doubts.append(_unexplained(search, keys, names, share))
    elif len(names) <= _MOST:
        turns = " or ".join(search.rows.taking_turns(keys[0], names))
        if turns:
            search.doubts.append(f"each file is one series, but {turns} changes from row to row: `input.series`?")
    return None


def _doubt_purpose(search: Search, name: str, value: str | None) -> None:
    """Says what a column may be that is taken for the series by its content alone."""
    values = first_named([other for other, kind in search.types.items() if is_number(kind)], VALUES)
    if value is None and values is not None and search.hints.format is None:
        search.doubts.append(
            f"{name} is taken for the series: {search.why['series']}; if it names the sensor of each row, set "
            f"{_long(name, values)}"
        )
    elif not is_text(search.types[name]) and preference(name) is None:
        search.doubts.append(
            f"{name} is taken for the series: {search.why['series']}; if it is measured, name it in `input.sensors`"
        )


def _doubt_wide(search: Search, keys: list[str], series: str) -> None:
    """Says that data with one column of values may be long, where another column tells apart rows of a series."""
    hints, values = search.hints, first_named([name for name, kind in search.types.items() if is_number(kind)], VALUES)
    if values is None or hints.format is not None or hints.bundle:
        return
    share = search.rows.share([*keys, series])
    others = [name for name in _candidates(search, [*keys, series, values]) if search.rows.tells_apart(name)]
    sensor = next((name for name in others if search.rows.share([*keys, series, name]) <= _MANY), None)
    if share > _MANY and sensor is not None:
        search.doubts.append(
            f"{share:.0%} of rows repeat a time of their {series}; if {sensor} names the sensor of each row, set "
            f"{_long(sensor, values)}"
        )


def _long(sensor: str, value: str, series: str | None = None) -> str:
    """The settings of long data, complete: also where a file names sensors of wide data."""
    of = [] if series is None else [as_setting("series", joined([series]))]
    named = [as_setting("sensor", joined([sensor])), *of, as_setting("value", joined([value]))]
    return ", ".join(f"`{one}`" for one in ("input.format: long", *named)) + " and `input.sensors: {}`"


def _unexplained(search: Search, keys: list[str], names: list[str], share: float) -> str:
    """The sentence about repeated times that no single column explains."""
    seen = f"each file is one, but {share:.0%} of rows repeat a time"
    names = [name for name in names if search.rows.tells_apart(name)]
    pairs = (list(pair) for pair in combinations(names[:_MOST], 2))
    pair = next((pair for pair in pairs if search.rows.explain_together(keys, pair)), None)
    if pair is None:
        floats = [name for name in search.in_all(types.is_floating) if name not in keys][:_MOST]
        whole = [name for name in floats if preference(name) is not None and search.rows.tells_apart(name)]
        found = search.rows.explaining(keys, floats) or [*names, *whole]
        listed = f": {' or '.join(found)}?" if found else ""
        return f"{seen}; name the column that tells assets apart as `input.series`{listed}"
    pair = sorted(pair, key=lambda name: (name.lower() in SENSORS, not _is_place(name)))
    together = f"{seen}; {' and '.join(pair)} together tell them apart"
    taken = {*keys, *names, *added(search)}
    numbers = [name for name, kind in search.types.items() if is_number(kind) and name not in taken]
    numbers = [name for name in numbers if name.lower() in VALUES] or numbers
    if len(numbers) != 1 or len(keys) > 1:
        return f"{together}: make one column of both for `input.series`"
    return (
        f"{together}: if one names the sensor of each row, set {_long(pair[1], numbers[0], pair[0])}, "
        f"or sensor and series the other way round"
    )


def _is_place(name: str) -> bool:
    """True for a name of assets, or of what people call so beside the names of sensors."""
    return preference(name) is not None or name.lower() in _PLACES


def _kind(search: Search, name: str) -> str:
    return "text" if is_text(search.types[name]) else "integers"


def _candidates(search: Search, keys: list[str]) -> list[str]:
    """Columns of text and of integers, in every file with rows, that may name a series."""
    in_all = [name for name in search.in_all(is_name) if name not in search.files[0].folders]
    others = {name.lower() for name in in_all if name in search.no_series | added(search)} | set(map(str.lower, keys))
    return [name for name in in_all if name.lower() not in {*TIMES, *others} and not is_label_name(name)]
