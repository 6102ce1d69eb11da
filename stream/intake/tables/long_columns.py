"""Finds the columns of long data: one that names the sensor of each row, one of its value."""

from stream.errors import DataError
from stream.intake.tables.column_types import first_named, is_number, is_text
from stream.intake.tables.search import Search

SENSORS = ("sensor", "tag", "channel", "metric")


def find_long_columns(search: Search) -> tuple[str, str] | tuple[None, None]:
    """The columns of sensor and value of long data."""
    sensor = search.configured("sensor", search.hints.sensor)
    value = search.configured("value", search.hints.value)
    numbers = [name for name, kind in search.types.items() if is_number(kind)]
    texts = [name for name, kind in search.types.items() if is_text(kind)]
    sensor_found = sensor or first_named(texts, SENSORS)
    value_found = value or first_named(numbers, ("value",))
    if sensor_found is None or value_found is None:
        if sensor or value:
            lacking = "value" if sensor else "sensor"
            raise DataError(f"{search.where}: long data need a {lacking} column; there are {search.listed}; name it")
        return None, None
    search.why.setdefault("sensor", f"a column of text named {sensor_found!r}")
    search.why.setdefault("value", f"a column of numbers named {value_found!r}")
    return sensor_found, value_found


def find_named_sensors(search: Search, sensor: str) -> tuple[str, ...]:
    """The sensors of long data: those configured, else all that the rows name."""
    if search.hints.sensors is not None:
        search.why["sensors"] = "configured"
        return tuple(search.hints.sensors)
    names = {name for file in search.files for name in file.distinct(sensor) if name}
    sensors = tuple(sorted(names - set(search.hints.exclude)))
    if not sensors:
        raise DataError(f"{search.path}: the column {sensor!r} names no sensors; expected a name in every row")
    search.why["sensors"] = f"the distinct values of {sensor!r}"
    return sensors
