"""Finds the columns of long data: one that names the sensor of each row, one of its value."""

from pyarrow import types

from stream.errors import DataError
from stream.intake.tables.column_types import first_named, is_number, is_text
from stream.intake.tables.search import Search
from stream.messages import some

_SENSORS = ("sensor", "tag", "channel", "metric", "_field", "field", "signal", "variable", "parameter", "point")
_PARTS = ("{}", "{}_id", "{}id", "{}_name", "{}name")
SENSORS = ("__name__", *(part.format(name) for name in _SENSORS for part in _PARTS), "entity_id")
VALUES = ("value", "_value", "val", "reading", "state")
# The same where no other column of numbers is left.
_ONLY_VALUES = ("wert", "messwert", "valor", "valeur", "valore", "waarde", "data_value", "numeric_value", "measurement")
# Columns that InfluxDB adds to the answer of a query, beside `_time`.
_FLUX = ("result", "table", "_start", "_stop", "_measurement")
# Of the rows that repeat a time, those that have another sensor are at least a tenth.
_FEWER = 0.9
# Names that a sentence lists.
_SHOWN = 20


def find_long_columns(search: Search, time: str, taken: set[str | None]) -> tuple[str, str] | tuple[None, None]:
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
    as_text = [name for name, kind in free.items() if is_text(kind) and name.lower() in (*VALUES, *_ONLY_VALUES)]
    numbers = [name for name, kind in free.items() if is_number(kind)]
    numbers += [name for name in as_text if search.text_among_numbers(name)]
    sensor_found = sensor or first_named([name for name, kind in free.items() if is_text(kind)], SENSORS)
    value_found = value or first_named(numbers, VALUES)
    if value_found is None and len(numbers) == 1:
        value_found = first_named(numbers, _ONLY_VALUES)
    if sensor_found is None and value_found is not None:
        sensor_found = _numbered(search, time, [name for name in numbers if name != value_found])
    if sensor_found is None or value_found is None:
        if sensor or value or hints.format == "long":
            lacking = "value" if sensor_found else "sensor"
            raise DataError(
                f"{search.where}: long data need a {lacking} column; there are {search.listed}; "
                f"name it as `input.{lacking}`"
            )
        return None, None
    kind = "text" if is_text(search.types[sensor_found]) else "integers"
    search.why.setdefault("sensor", f"a column of {kind} named {sensor_found!r}")
    search.why.setdefault("value", f"a column of numbers named {value_found!r}")
    return sensor_found, value_found


def _numbered(search: Search, time: str, numbers: list[str]) -> str | None:
    """The column of integers that is named like one of sensors, and differs between rows with one time."""
    name = first_named([name for name in search.in_all(types.is_integer) if name in numbers], SENSORS)
    if name is None or not search.rows.tells_apart(name):
        return None
    return name if search.rows.share([time, name]) < _FEWER * search.rows.share([time]) else None


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
                f"{sensor!r} names {some(sorted(names), _SHOWN) or 'none'}; configure names that occur, or all by "
                "`input.sensors: {}`"
            )
        search.why["sensors"] = "configured"
        return tuple(name for name in search.hints.sensors if name in names)
    sensors = tuple(sorted(names - set(search.hints.exclude)))
    if not sensors:
        raise DataError(f"{search.path}: the column {sensor!r} names no sensors; expected a name in every row")
    search.why["sensors"] = f"the distinct values of {sensor!r}"
    return sensors
