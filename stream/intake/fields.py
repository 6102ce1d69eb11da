"""The fields of a message as configured, and what is read of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union

import msgspec

from stream.errors import ConfigError
from stream.intake.field_paths import checked, joined
from stream.intake.time_formats import TimeFormat
from stream.intake.wire.parser import ABSENT_NUMBER, Leaf

# Of any format: a form that does not fit is no time, which kills one element, not its message.
_TIME: Any = int | float | str | None | msgspec.UnsetType
_INT64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


@dataclass(frozen=True, slots=True)
class Fields:
    r"""The places of time, series and values in a message, and its limits.

    Paths: "values.temp" is nested, r"temp\.inlet" is one name.

    Attributes:
        time: path of the event time.
        time_format: one format only, or "auto": strings are ISO 8601, numbers by their size (see `timestamps`).
        timezone: the IANA zone of times that name none.
        date: path of the date, where `time` is a time of day. "": `time` is both.
        bad_values: "missing": a value that is no number costs its sensor. "dead": it costs its message.
        late: "dead": a reading that the detector finds late is a dead letter. "count": it is only counted.
        series: path of the series, a string or an int64. "": the series is the Kafka key.
        format: "wide": a message has one value per sensor. "long": one sensor's name and one value.
        sensors: wide: sensor -> path of its value. A sensor that is not named here is the field of its own name.
        sensor: long: path of the sensor's name.
        value: long: path of the value.
        max_future_ns: >= 0; an event time further ahead of the record's own timestamp is dead.
        max_bytes: >= 1; a longer message is dead.
        encoding: the wire format, one of `stream.intake.decode.PARSERS`.
    """

    time: str
    time_format: TimeFormat
    series: str
    format: Literal["wide", "long"]
    sensors: Mapping[str, str]
    sensor: str
    value: str
    max_future_ns: int
    max_bytes: int
    encoding: str
    timezone: str
    date: str
    bad_values: Literal["missing", "dead"]
    late: Literal["count", "dead"]


def leaves(fields: Fields, sensors: Sequence[str]) -> tuple[Leaf, ...]:
    """The fields that are read: time, date where it is apart, series unless the key is it, then sensors or a value.

    Raises:
        ConfigError: no sensors, or a path with an empty or impossible name.
    """
    if not sensors:
        raise ConfigError("fields: no sensors are given, at least one is expected; name them in the configuration")
    # True and false are 1 and 0, as in a history.
    number = float | bool | None
    times = {"time": fields.time} | ({"date": fields.date} if fields.date else {})
    found = [Leaf(checked(name, path), _TIME, msgspec.UNSET) for name, path in times.items()]
    if fields.series:
        series = Union[str, _INT64, None, msgspec.UnsetType]  # noqa: UP007 - Annotated has no `|` in 3.11's typing
        found.append(Leaf(checked("series", fields.series), series, msgspec.UNSET))
    if fields.format == "long":
        found.append(Leaf(checked("sensor", fields.sensor), str | _INT64))
        found.append(Leaf(checked("value", fields.value), number, ABSENT_NUMBER))
    else:
        paths = (checked(f"sensors.{s}", fields.sensors.get(s, joined([s]))) for s in sensors)
        found.extend(Leaf(path, number, ABSENT_NUMBER) for path in paths)
    return tuple(found)
