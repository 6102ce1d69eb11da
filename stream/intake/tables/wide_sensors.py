"""Finds the sensors of wide data: the columns of numbers that nothing speaks against."""

import pyarrow as pa

from stream.errors import DataError
from stream.intake.tables.column_types import is_number
from stream.intake.tables.files import File
from stream.intake.tables.hints import Hints
from stream.intake.tables.labels import LABELS
from stream.intake.tables.search import Search
from stream.intake.tables.series_column import SERIES
from stream.intake.tables.times import TIMES


def find_wide_sensors(search: Search, taken: set[str | None]) -> tuple[str, ...]:
    """The sensors of wide data: those configured, else every other column of numbers."""
    if search.hints.sensors is not None:
        for name in search.hints.sensors:
            search.configured("sensors", name)
        return tuple(search.hints.sensors)
    sensors = _numbers(search, search.files[0], taken)
    for file in search.files[1:]:
        odd = sorted(set(_numbers(search, file, taken)) ^ set(sensors))
        if odd:
            raise DataError(
                f"{file.path}: {odd[0]!r} is a column of numbers in only one of this file and "
                f"{search.files[0].path}; name the sensors in the configuration, exclude it, or read them apart"
            )
    if not sensors:
        raise DataError(
            f"{search.where}: no numeric sensors; there are {search.listed}; "
            f"expected numbers beside the time, name the sensors if they are among these"
        )
    search.why["sensors"] = "every other column of numbers"
    return sensors


def _numbers(search: Search, file: File, taken: set[str | None]) -> tuple[str, ...]:
    """Numeric columns that may be sensors; `why` gets the reason against each other column."""
    sensors = []
    for name, kind in file.types().items():
        reason = None if name in taken else _reason_against(search.hints, name, kind)
        if name not in taken and reason is None:
            sensors.append(name)
        elif reason is not None:
            search.why[f"left out: {name}"] = reason
    return tuple(sensors)


def _reason_against(hints: Hints, name: str, kind: pa.DataType) -> str | None:
    if name in hints.exclude:
        return "configured"
    if not is_number(kind):
        return f"not numbers but {kind}"
    if name.lower() in LABELS:
        return "named like a label: a detector must not see the answers; configure it as label or as sensor"
    if name.lower() in TIMES:
        return "named like a time; configure it as sensor if it is one"
    if name.lower() in SERIES or name.startswith("__index_level_"):
        return "named like an identifier; configure it as series or as sensor if it is one"
    return None
