"""Finds the columns of long data: one that names the sensor of each row, one of its value."""

from stream.errors import DataError
from stream.intake.tables.column_types import first_named, is_number, is_text
from stream.intake.tables.search import Search
from stream.messages import some

SENSORS = ("sensor", "tag", "channel", "metric", "_field", "field", "signal", "variable", "parameter", "entity_id")
VALUES = ("value", "_value", "val", "reading", "state")
# Columns that InfluxDB adds to the answer of a query, beside `_time`.
_FLUX = ("result", "table", "_start", "_stop", "_measurement")
# Names that a sentence lists.
_SHOWN = 20


def find_long_columns(search: Search, taken: set[str | None]) -> tuple[str, str] | tuple[None, None]:
    """The columns of sensor and value of long data; none where the data are wide, or configured as such.

    Raises:
        DataError: one of them is configured, or long data are, and not both are there.
    """
    hints = search.hints
    sensor = search.configured("sensor", hints.sensor)
    value = search.configured("value", hints.value)
    if hints.format == "wide":
        if sensor or value:
            raise DataError(
                f"{search.where}: `input.format: wide` has no column of sensors or values; "
                "set `input.format: long`, or remove `input.sensor` and `input.value`"
            )
        return None, None
    free = {name: kind for name, kind in search.types.items() if name not in taken and name not in hints.exclude}
    sensor_found = sensor or first_named([name for name, kind in free.items() if is_text(kind)], SENSORS)
    value_found = value or first_named([name for name, kind in free.items() if is_number(kind)], VALUES)
    if sensor_found is None or value_found is None:
        if sensor or value or hints.format == "long":
            lacking = "value" if sensor_found else "sensor"
            raise DataError(
                f"{search.where}: long data need a {lacking} column; there are {search.listed}; "
                f"name it as `input.{lacking}`"
            )
        return None, None
    search.why.setdefault("sensor", f"a column of text named {sensor_found!r}")
    search.why.setdefault("value", f"a column of numbers named {value_found!r}")
    return sensor_found, value_found


def added(search: Search) -> set[str]:
    """The columns that an export adds, and that say nothing about the assets."""
    return {name for name in _FLUX if "_time" in search.types and name in search.types}


def find_named_sensors(search: Search, sensor: str) -> tuple[str, ...]:
    """The sensors of long data: those configured, else all that the rows name.

    Raises:
        DataError: there are none, or configured ones do not occur. Newer data may lack sensors of a bundle.
    """
    names = {name for file in search.files for name in file.distinct(sensor) if name}
    if search.hints.sensors is not None:
        absent = sorted(set(search.hints.sensors) - names)
        if absent and not search.hints.bundle:
            raise DataError(
                f"{search.path}: no row of the sensor {', '.join(absent)}, configured as `input.sensors`; the column "
                f"{sensor!r} names {some(sorted(names), _SHOWN) or 'none'}; configure names that occur"
            )
        search.why["sensors"] = "configured"
        return tuple(name for name in search.hints.sensors if name in names)
    sensors = tuple(sorted(names - set(search.hints.exclude)))
    if not sensors:
        raise DataError(f"{search.path}: the column {sensor!r} names no sensors; expected a name in every row")
    search.why["sensors"] = f"the distinct values of {sensor!r}"
    return sensors
