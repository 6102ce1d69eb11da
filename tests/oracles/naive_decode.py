"""The slow, obvious decoder of a batch of JSON messages. Imports nothing of the product."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from tests.oracles.naive_iso import iso

LAST = 2**63 - 1
FIRST, END = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 10**9 for year in (1990, 2101))
UNITS = {"epoch_s": 10**9, "epoch_ms": 10**6, "epoch_us": 10**3, "epoch_ns": 1}


@dataclass(frozen=True)
class Layout:
    """Settings of the input, by the names that they have in the configuration."""

    time: str = "time"
    time_format: str = "auto"
    series: str = ""
    format: str = "wide"
    sensors: dict[str, str] = field(default_factory=dict)
    sensor: str = "sensor"
    value: str = "value"
    max_future_ns: int = 300 * 10**9
    max_bytes: int = 1 << 20
    bad_values: str = "dead"


@dataclass(frozen=True)
class Number:
    """A JSON number as it was written; `whole` where it has neither fraction nor exponent."""

    text: str
    whole: bool

    def as_float(self) -> float:
        """An integer has no negative zero."""
        return 0.0 if self.whole and self.text == "-0" else float(self.text)


class Literal(str):
    """NaN, Infinity or -Infinity."""


class Object(list[tuple[str, Any]]):
    """A JSON object as its pairs."""


class DeadMessageError(Exception):
    """A message that goes to the dead letters as a whole; the text is its reason."""


class DeadElementError(Exception):
    """One element of an array that goes to the dead letters; the text is its reason."""


def decode(
    layout: Layout,
    names: tuple[str, ...],
    known: Any,
    values: Sequence[bytes | None],
    keys: Sequence[bytes | None],
    positions: Sequence[int],
    stamps_ms: Sequence[int],
) -> tuple[list[tuple[str, int, tuple[float, ...], int]], list[tuple[int, int, str]], int]:
    """Returns readings [(series, ns, values, position)], dead [(position, index, reason)], ignored."""
    readings: list[tuple[str, int, tuple[float, ...], int]] = []
    dead: list[tuple[int, int, str]] = []
    ignored = 0
    for value, key, position, stamp in zip(values, keys, positions, stamps_ms, strict=True):
        try:
            message = whole_message(layout, names, value, key)
        except DeadMessageError as fault:
            dead.append((position, -1, str(fault)))
            continue
        elements = list(enumerate(message)) if not isinstance(message, Object) else [(-1, message)]
        for index, element in elements:
            try:
                reading = one_reading(layout, names, known, element, key, stamp)
            except DeadElementError as fault:
                dead.append((position, index, str(fault)))
                continue
            if reading is None:
                ignored += 1
            else:
                readings.append((*reading, position))
    return readings, dead, ignored


def whole_message(layout: Layout, names: tuple[str, ...], value: bytes | None, key: bytes | None) -> Any:
    if value is not None and len(value) > layout.max_bytes:
        raise DeadMessageError("too_large")
    if value is None or all(byte in b" \t\r\n" for byte in value):
        raise DeadMessageError("empty")
    text = utf8(value)
    if layout.series == "" and key is not None:
        utf8(key)
    message = parsed(text)
    everything = list(walk(message))
    if any(isinstance(part, str) and any("\ud800" <= c <= "\udfff" for c in part) for part in everything):
        raise DeadMessageError("not_utf8")
    if layout.bad_values == "dead" and any(isinstance(part, Literal) for part in everything):
        raise DeadMessageError("not_a_number")
    for part in everything:
        found = [pair[0] for pair in part] if isinstance(part, Object) else []
        if any(found.count(name) > 1 for name in names_in_paths(layout, names)):
            raise DeadMessageError("duplicate_key")
    return checked(layout, names, message)


def parsed(text: str) -> Any:
    try:
        message = json.loads(
            text,
            object_pairs_hook=Object,
            parse_constant=Literal,
            parse_int=lambda t: Number(t, True),
            parse_float=lambda t: Number(t, False),
        )
    except (json.JSONDecodeError, RecursionError):
        raise DeadMessageError("not_json") from None
    if depth(message) > 64:
        raise DeadMessageError("not_json")
    return message


def checked(layout: Layout, names: tuple[str, ...], message: Any) -> Any:
    if message == [] and not isinstance(message, Object):
        raise DeadMessageError("empty")
    if not isinstance(message, list):
        raise DeadMessageError("wrong_type")
    elements = [message] if isinstance(message, Object) else message
    for element in elements:
        check_types(layout, names, element)
    for element in elements:
        for path in value_paths(layout, names) if layout.bad_values == "dead" else ():
            number = at(element, path)
            if isinstance(number, Number) and math.isinf(number.as_float()):
                raise DeadMessageError("not_a_number")
    return message


def check_types(layout: Layout, names: tuple[str, ...], element: Any) -> None:
    time = at(element, layout.time)
    good = time is None or isinstance(time, Number | Literal) or type(time) is str
    for path in [layout.series] * bool(layout.series) + [layout.sensor] * (layout.format == "long"):
        name = at(element, path)
        integer = isinstance(name, Number) and name.whole and -(2**63) <= long_int(name.text) < 2**63
        good = good and (type(name) is str or integer or (name is None and path == layout.series))
    for path in value_paths(layout, names):
        value = at(element, path)
        good = good and (layout.bad_values == "missing" or value is None or isinstance(value, Number | bool))
    if not good:
        raise DeadMessageError("wrong_type")


def one_reading(
    layout: Layout, names: tuple[str, ...], known: Any, element: Any, key: bytes | None, stamp: int
) -> tuple[str, int, tuple[float, ...]] | None:
    ns = event_time(layout, at(element, layout.time))
    if stamp >= 0 and ns > stamp * 10**6 + layout.max_future_ns:
        raise DeadElementError("future_time")
    series = at(element, layout.series) if layout.series else utf8(key or b"")
    if isinstance(series, Number):
        series = str(int(series.text))
    if series is None or series == "":
        raise DeadElementError("missing_series")
    if known is not None and series not in known:
        raise DeadElementError("unknown_series")
    found = [at(element, path) for path in value_paths(layout, names)]
    floats = list(map(as_number, found))
    if layout.format == "long":
        sensor = at(element, layout.sensor)
        if sensor not in names:
            return None
        floats = [floats[0] if name == sensor else math.nan for name in names]
    bad = [n for n, number in zip(found, map(as_number, found), strict=True) if n is not None and math.isnan(number)]
    if bad and all(map(math.isnan, floats)):
        raise DeadElementError("not_a_number" if isinstance(bad[0], Number | Literal) else "wrong_type")
    return series, ns, tuple(floats)


def as_number(value: Any) -> float:
    number = value.as_float() if isinstance(value, Number) else float(value) if type(value) is bool else math.nan
    return math.nan if math.isinf(number) else number


def event_time(layout: Layout, time: Any) -> int:
    if time is None:
        raise DeadElementError("missing_time")
    if isinstance(time, Literal):
        raise DeadElementError("bad_time")
    form = layout.time_format
    if form in ("auto", "iso8601") and type(time) is str:
        ns = iso(time)
    if type(time) is str and (form not in ("auto", "iso8601") or (form == "auto" and ns is None)):
        is_number = re.fullmatch("[+-]?[0-9]{1,40}([.][0-9]*)?", time.strip())
        ns = epoch(form, Number(time.strip(), "." not in time)) if is_number else None
    elif type(time) is not str:
        ns = None if form == "iso8601" else epoch(form, time)
    if ns is None or not -LAST <= ns <= LAST or (form == "auto" and not FIRST <= ns < END):
        raise DeadElementError("bad_time")
    return ns


def epoch(time_format: str, number: Number) -> int | None:
    if number.whole:
        value = Fraction(long_int(number.text))
    else:
        if math.isinf(number.as_float()):
            return None
        value = Fraction(number.as_float())
    size = abs(value)
    unit = UNITS.get(time_format)
    if unit is None:
        unit = 10**9 if size < 10**11 else 10**6 if size < 10**14 else 10**3 if size < 10**17 else 1
    if number.whole:
        return int(value * unit)
    if size >= LAST // unit:
        return None
    return round(value) if unit == 1 else round(value * unit / 1000) * 1000


def steps_of(path: str) -> list[str]:
    """The names along a path; a dot after a backslash is part of one."""
    steps = [""]
    for place, character in enumerate(path):
        if character == "." and path[place - 1 : place] == "\\":
            steps[-1] = steps[-1][:-1] + "."
        elif character == ".":
            steps.append("")
        else:
            steps[-1] += character
    return steps


def at(element: Any, path: str) -> Any:
    """The value at a path; None where it is absent or null."""
    for name in steps_of(path):
        if not isinstance(element, Object):
            raise DeadMessageError("wrong_type")
        element = next((value for key, value in element if key == name), None)
        if element is None:
            return None
    return element


def value_paths(layout: Layout, names: tuple[str, ...]) -> list[str]:
    """A sensor without a path of its own is the field of its name."""
    own = [layout.sensors.get(name, name.replace(".", "\\.")) for name in names]
    return [layout.value] if layout.format == "long" else own


def names_in_paths(layout: Layout, names: tuple[str, ...]) -> set[str]:
    paths = [layout.time, *value_paths(layout, names)]
    paths += [layout.series] if layout.series else []
    paths += [layout.sensor] if layout.format == "long" else []
    return {name for path in paths for name in steps_of(path)}


def walk(part: Any) -> Any:
    yield part
    for child in part if isinstance(part, list | tuple) else ():
        yield from walk(child)


def depth(part: Any) -> int:
    if isinstance(part, Object):
        return 1 + max((depth(value) for _, value in part), default=0)
    return 1 + max(map(depth, part), default=0) if isinstance(part, list) else 0


def long_int(text: str) -> int:  # int() refuses more than 4,300 digits
    return int(text) if len(text) < 4000 else 10**4000


def utf8(text: bytes) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        raise DeadMessageError("not_utf8") from None
