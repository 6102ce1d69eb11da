"""How a message is laid out: the configured paths, and the msgspec type that they make."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from typing import Annotated, Any, Literal, Union

import msgspec

from stream.errors import ConfigError
from stream.intake.field_paths import joined, split
from stream.intake.timestamps import TimeFormat

# Stands for "this number is not in the message"; a null is None. Told apart by identity.
ABSENT_NUMBER = float("nan")
_NOTHING = msgspec.Raw(b"")
_UNNAMEABLE = re.compile(r'["\\\x00-\x1f\ud800-\udfff]')
_INT64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

Path = tuple[str, ...]
Tree = dict[str, "Leaf | Tree"]
Row = msgspec.Struct


@dataclass(frozen=True, slots=True)
class Fields:
    r"""Where in a message its time, series and values are. Paths: "values.temp" is nested, r"temp\.inlet" one name.

    Attributes:
        time: path of the event time.
        time_format: "auto" (strings are ISO-8601, numbers by magnitude: see `timestamps`), or one format only.
        series: path of the series, a string or an int64; "" = the Kafka key.
        format: "wide": a message has a value per sensor. "long": one sensor's name and one value.
        sensors: wide: sensor -> path of its value; a sensor not named here is the field of its own name.
        sensor: long: path of the sensor's name.
        value: long: path of the value.
        max_future_ns: an event time further ahead of the record's own timestamp is dead, >= 0.
        max_bytes: longer messages are dead, >= 1.
    """

    time: str = "time"
    time_format: TimeFormat = "auto"
    series: str = ""
    format: Literal["wide", "long"] = "wide"
    sensors: Mapping[str, str] = field(default_factory=dict)
    sensor: str = "sensor"
    value: str = "value"
    max_future_ns: int = 300_000_000_000
    max_bytes: int = 1_048_576


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value of a message: where it is, of which type, and what stands for it where it is absent."""

    path: Path
    type: Any
    default: Any = msgspec.NODEFAULT


def leaves(fields: Fields, sensors: Sequence[str]) -> tuple[Leaf, ...]:
    """What is read of a message: time, [series,] then the sensors (wide), or sensor and value (long).

    Raises:
        ConfigError: no sensors, an empty name in a path, or two paths of which one is (inside) the other.
    """
    if not sensors:
        raise ConfigError("fields: no sensors are given, at least one is expected; name them in the configuration")
    number = float | None
    found = [Leaf(_path("time", fields.time), _time_type(fields.time_format), msgspec.UNSET)]
    if fields.series:
        series = Union[str, _INT64, None, msgspec.UnsetType]  # noqa: UP007 - Annotated has no `|` in 3.11's typing
        found.append(Leaf(_path("series", fields.series), series, msgspec.UNSET))
    if fields.format == "long":
        found.append(Leaf(_path("sensor", fields.sensor), str))
        found.append(Leaf(_path("value", fields.value), number, ABSENT_NUMBER))
    else:
        paths = (_path(f"sensors.{s}", fields.sensors.get(s, joined([s]))) for s in sensors)
        found.extend(Leaf(path, number, ABSENT_NUMBER) for path in paths)
    return tuple(found)


def _time_type(time_format: TimeFormat) -> Any:  # noqa: ANN401 - a type expression
    kinds = {"auto": int | float | str, "iso8601": str}.get(time_format, int | float)
    return kinds | None | msgspec.UnsetType


def _path(what: str, text: str) -> Path:
    path = split(text)
    if not all(path):
        raise ConfigError(f"fields.{what}: the path {text!r} has an empty name; write names joined by single dots")
    if any(map(_UNNAMEABLE.search, path)):
        raise ConfigError(
            f"fields.{what}: the path {text!r} has a quote, backslash, control character or half a surrogate pair; "
            f"give `{what}` a path without them, and rename the field where it is sent"
        )
    return path


def _plant(tree: Tree, leaf: Leaf) -> None:
    node = tree
    for name in leaf.path[:-1]:
        below = node.setdefault(name, {})
        if isinstance(below, Leaf):
            raise _conflict(below.path, leaf.path)
        node = below
    if leaf.path[-1] in node:
        raise _conflict(next(_paths({"": node[leaf.path[-1]]})), leaf.path)
    node[leaf.path[-1]] = leaf


def _conflict(one: Path, other: Path) -> ConfigError:
    return ConfigError(
        f"fields: the paths {joined(one)!r} and {joined(other)!r} cannot both hold a value; "
        f"give each field a path of its own"
    )


def _paths(tree: Tree) -> Iterator[Path]:
    for node in tree.values():
        if isinstance(node, Leaf):
            yield node.path
        else:
            yield from _paths(node)


def _colons(name: str) -> int:
    """Colons that one key of an object costs: its own and those in its name."""
    return 1 + name.count(":")


class Shape:
    """The msgspec type of a message: its leaves, and `extras`, other fields known to occur, which are only counted.

    Extras change no result: they let `colons` account for messages that say more than is read of them.
    """

    def __init__(self, leaves: Sequence[Leaf], extras: Sequence[Path] = ()) -> None:
        """Raises ConfigError where two paths exclude each other."""
        self.tree: Tree = {}
        self._leaves = leaves
        for leaf in chain(leaves, (Leaf(path, msgspec.Raw, _NOTHING) for path in extras)):
            _plant(self.tree, leaf)
        self._attributes: dict[Path, str] = {}
        self._nodes: list[tuple[Callable[[Row], object], object, int]] = []
        self.row = self._grow(self.tree, "")
        row: Any = self.row
        self.decode: Callable[[bytes], Row | list[Row]] = msgspec.json.Decoder(row | list[row]).decode
        self._leaf_values = attrgetter(*(self._attributes[leaf.path] for leaf in leaves))
        self._extra_values = [(attrgetter(self._attributes[path]), _colons(path[-1])) for path in extras]

    def _grow(self, tree: Tree, at: str) -> type[Row]:
        """The struct of an object. Attributes are numbered, so those of the leaves are the same with any extras."""
        members: list[tuple[str, Any, Any]] = []
        names = {f"f{i}": name for i, name in enumerate(tree)}
        for attribute, (name, node) in zip(names, tree.items(), strict=True):
            if isinstance(node, Leaf):
                self._attributes[node.path] = at + attribute
                members.append((attribute, node.type, node.default))
                continue
            kind = self._grow(node, f"{at}{attribute}.")
            absent = msgspec.NODEFAULT if _required(node) else kind()
            self._nodes.append((attrgetter(at + attribute), absent, _colons(name)))
            members.append((attribute, kind, absent))
        return msgspec.defstruct("Message", members, rename=names, kw_only=True, frozen=True, eq=False, gc=False)

    def columns(self, rows: Iterable[object]) -> list[list[Any]]:
        """Values of the n rows, a list of n per leaf."""
        width = len(self._leaves)
        flat = list(chain.from_iterable(map(self._leaf_values, rows)))
        return [flat[i::width] for i in range(width)]

    def overflows(self, rows: Iterable[Row]) -> bool:
        """Whether a number among the leaves is infinite: its text was beyond float64."""
        columns = zip(self._leaves, self.columns(rows), strict=True)
        return any(
            v is not None and math.isinf(v) for leaf, column in columns if leaf.default is ABSENT_NUMBER for v in column
        )

    def account(self, rows: Sequence[Row], columns: Sequence[list[Any]], gaps: bool) -> tuple[int, int] | None:
        """How many colons and nested objects the text of `rows` has if nothing in it is repeated or unknown.

        Args:
            gaps: whether any number is absent or null: spares the count where none is.

        Returns:
            None where an unread field holds objects, which may hide anything.
        """
        colons, objects = 0, 0
        for leaf, column in zip(self._leaves, columns, strict=True):
            number = leaf.default is ABSENT_NUMBER
            absent = column.count(leaf.default) if gaps or not number else 0
            colons += (len(rows) - absent) * _colons(leaf.path[-1])
            if not number:
                colons += "".join([v for v in column if type(v) is str]).count(":")
        for value_of, absent_object, cost in self._nodes:
            present = len(rows) - [value_of(row) for row in rows].count(absent_object)
            objects += present
            colons += present * cost
        for value_of, cost in self._extra_values:
            raw: list[Any] = [value_of(row) for row in rows]
            text = b"".join(raw)
            if b"{" in text:
                return None
            colons += (len(raw) - raw.count(_NOTHING)) * cost + text.count(b":")
        return colons, objects

    def unknown(self, message: object) -> tuple[Path, ...]:
        """Paths of the values in a JSON object that are neither leaves nor extras."""
        return tuple(_unknown(message, self.tree, ())) if isinstance(message, dict) else ()


def _unknown(message: Mapping[str, object], tree: Tree, at: Path) -> Iterator[Path]:
    for name, value in message.items():
        node = tree.get(name, {})
        if isinstance(node, Leaf):
            continue
        if isinstance(value, dict):
            yield from _unknown(value, node, (*at, name))
        elif not node:
            yield (*at, name)


def _required(tree: Tree) -> bool:
    return any(
        node.default is msgspec.NODEFAULT if isinstance(node, Leaf) else _required(node) for node in tree.values()
    )
