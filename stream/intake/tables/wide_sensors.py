"""Finds the sensors of wide data: the columns of numbers that nothing speaks against."""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from stream.errors import DataError
from stream.intake.tables.column_types import is_number, is_text
from stream.intake.tables.identifiers import is_identifier
from stream.intake.tables.labels import is_label_name
from stream.intake.tables.long_columns import added
from stream.intake.tables.merged import gaps, holds_numbers, without_rows
from stream.intake.tables.search import LEFT_OUT, Search
from stream.intake.tables.times import TIMES
from stream.messages import some

# Rows of a column of text that are looked at: do they hold numbers?
_LOOK = 1000
_NUMBER = r"^\s*[-+]?\d+([.,]\d+)?([eE][-+]?\d+)?\s*$"


def find_wide_sensors(search: Search, taken: set[str | None]) -> dict[str, str]:
    """The columns of wide data by their sensor: those configured, else every other column of numbers."""
    if search.hints.sensors is not None:
        return {name: _configured(search, name) for name in search.hints.sensors}
    leave_out_others(search, taken)
    sensors = {name: name for name in search.types if name not in taken and f"{LEFT_OUT}{name}" not in search.why}
    if not sensors:
        doubts = "".join(f"; {doubt}" for doubt in search.doubts)
        raise DataError(
            f"{search.where}: no numeric sensors; there are {search.listed}; "
            f"expected numbers beside the time, name the sensors if they are among these{doubts}"
        )
    search.why["sensors"] = "every other column of numbers"
    return sensors


def _configured(search: Search, name: str) -> str:
    """The column of a configured sensor: its place in a nested record, that as a dotted name, or its own name."""
    path = search.hints.paths.get(name, (name,))
    nested = next((column for column, place in search.nested().items() if place == path), None)
    column = nested or (".".join(path) if ".".join(path) in search.types else name)
    search.configured("sensors", column)
    return column


def leave_out_others(search: Search, taken: set[str | None]) -> None:
    """Gives the reason against each column that has no purpose and is no sensor; in long data, against all others."""
    long = "value" in search.why
    for name, kind in search.types.items():
        reason = None if name in taken else _reason_against(search, name, kind)
        if reason is None and name not in taken and long:
            reason = "not needed: the sensors are rows"
        if reason is not None:
            search.why[f"{LEFT_OUT}{name}"] = reason


def doubt_gaps(search: Search, numbers: Iterable[str]) -> None:
    """Adds a doubt about files without rows, and about those that lack the numbers of a sensor."""
    empty = without_rows(search.files)
    if empty is not None:
        search.doubts.append(empty)
    for sentence, names in gaps(search.files, numbers).items():
        search.doubts.append(f"{some(names)}: {sentence}")


def _reason_against(search: Search, name: str, kind: pa.DataType) -> str | None:
    if name in search.hints.exclude:
        return "configured"
    if name in search.hints.bundle and (is_number(kind) or types.is_null(kind) or holds_numbers(search.files, name)):
        return None
    if name in added(search):
        return "no measurement: InfluxDB adds it to the answer of a query"
    if types.is_null(kind):
        return "without a value"
    if is_label_name(name):
        return "named like a label: a detector must not see the answers; configure it as label or as sensor"
    if not is_number(kind) and not search.text_among_numbers(name):
        return _not_numbers(search, name, kind)
    if name.lower() in TIMES:
        return "named like a time; configure it as sensor if it is one"
    if is_identifier(name):
        return "named like an identifier; configure it as series or as sensor if it is one"
    return None


def _not_numbers(search: Search, name: str, kind: pa.DataType) -> str:
    """The reason against a column of another type; numbers that are written as text are worth a warning."""
    reason = f"not numbers but {kind}"
    if types.is_duration(kind):
        return f"{reason}: a sensor if converted to a number, as with pandas: df[{name!r}].dt.total_seconds()"
    example = _number_as_text(search, name) if is_text(kind) else None
    if example is None:
        return reason
    text = f"df[{name!r}].str.replace(',', '.')" if "," in example else f"df[{name!r}]"
    reason += f", though most hold a number such as {example!r}; a sensor if converted, as with pandas: " + (
        f"pd.to_numeric({text}, errors='coerce')"
    )
    search.doubts.append(f"{name}: left out: {reason}")
    return reason


def _number_as_text(search: Search, name: str) -> str | None:
    """The first number in a column of text, provided that most of the first rows hold one."""
    file = next(file for file in search.files if file.rows and name in file.types())
    if name in file.folders or not is_text(file.columns[name]):
        return None
    texts = next(file.batches([name], _LOOK)).column(0).cast(pa.string()).drop_null()
    numbers = texts.filter(pc.match_substring_regex(texts, _NUMBER))
    return str(numbers[0]) if 2 * len(numbers) > len(texts) else None
