"""The msgspec type of a JSON message with the configured fields, and an account of its text."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any

import msgspec

from stream.errors import ConfigError
from stream.intake.field_paths import Path, joined
from stream.intake.wire.parser import Leaf

_NOTHING = msgspec.Raw(b"")

Tree = dict[str, "Leaf | Tree"]
Row = msgspec.Struct


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
    """The msgspec type of a message: its leaves, and `extras`, other fields that occur and are only counted.

    Extras change no result. With them `account` covers messages that have more fields than are read.
    """

    def __init__(self, leaves: Sequence[Leaf], extras: Sequence[Path] = ()) -> None:
        """Makes the type; ConfigError where two paths exclude each other."""
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
        """The struct of an object. Attributes are numbered, so the leaves have the same ones with any extras."""
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
        """Values of n rows: a list of n for each leaf."""
        width = len(self._leaves)
        flat = list(chain.from_iterable(map(self._leaf_values, rows)))
        return [flat[i::width] for i in range(width)]

    def lenient(self, extras: Sequence[Path] = ()) -> "Shape":
        """The same shape, which takes anything for a number. Its rows have the same attributes."""
        loose = [Leaf(leaf.path, Any, msgspec.UNSET) if leaf.number else leaf for leaf in self._leaves]
        return Shape(loose, extras)

    def overflows(self, rows: Iterable[Row]) -> bool:
        """True where a number among the leaves is infinite: its text was beyond float64."""
        columns = zip(self._leaves, self.columns(rows), strict=True)
        return any(v is not None and math.isinf(v) for leaf, column in columns if leaf.number for v in column)

    def account(self, rows: Sequence[Row], columns: Sequence[list[Any]], gaps: bool) -> tuple[int, int] | None:
        """Colons and nested objects in the text of `rows`, provided that no field is repeated or unknown.

        Args:
            gaps: false: no number is absent or null, which spares a count.

        Returns:
            None where an unread field holds objects, whose keys are not counted.
        """
        colons, objects = 0, 0
        for leaf, column in zip(self._leaves, columns, strict=True):
            number = leaf.number
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
        """Paths of values in a JSON object that are neither leaves nor extras."""
        return tuple(path for path, _ in values_beside(message, self.tree)) if isinstance(message, dict) else ()


def values_beside(message: Mapping[str, object], tree: Tree, at: Path = ()) -> Iterator[tuple[Path, object]]:
    """Each value in a JSON object that is not in `tree`, with its path; an object is no value, an array is one."""
    for name, value in message.items():
        node = tree.get(name, {})
        if isinstance(node, Leaf):
            continue
        if isinstance(value, dict):
            yield from values_beside(value, node, (*at, name))
        elif not node:
            yield (*at, name), value


def _required(tree: Tree) -> bool:
    return any(
        node.default is msgspec.NODEFAULT if isinstance(node, Leaf) else _required(node) for node in tree.values()
    )
