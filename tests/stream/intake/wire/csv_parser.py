"""A second wire format, for tests: lines of comma-separated values.

A line is one row, with its values in the order of the fields that are read. An empty value is absent.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from stream.intake.columns import Reason
from stream.intake.field_paths import Path
from stream.intake.wire.parser import Fault, Leaf, Parsed


class CsvParser:
    """Implements `stream.intake.wire.parser.Parser`. Times are integers or text."""

    def __init__(self, leaves: Sequence[Leaf], max_bytes: int, key_is_series: bool, keep_rest: bool = False) -> None:
        self._leaves, self._max_bytes, self._key_is_series = leaves, max_bytes, key_is_series
        self._heads = sum(not leaf.number for leaf in leaves)

    @property
    def unread(self) -> Sequence[Path]:
        """None: a line has no other fields."""
        return ()

    def parse(self, values: Sequence[bytes | None], keys: Sequence[bytes | None]) -> Parsed:
        """All rows of a batch."""
        rows: list[list[Any]] = []
        message, index, faults = list[int](), list[int](), list[tuple[int, Fault]]()
        for i, (value, key) in enumerate(zip(values, keys, strict=True)):
            found = self._rows(value, key)
            if isinstance(found, Fault):
                faults.append((i, found))
                continue
            rows += found
            message += [i] * len(found)
            index += range(len(found)) if len(found) > 1 else [-1]
        heads = [[row[at] for row in rows] for at in range(self._heads)]
        numbers = np.array([row[self._heads :] for row in rows], np.float64)
        numbers = numbers.reshape(len(rows), len(self._leaves) - self._heads)
        return Parsed(heads, numbers, np.array(message, np.int64), np.array(index, np.int64), faults, [])

    def _rows(self, value: bytes | None, key: bytes | None) -> list[list[Any]] | Fault:
        if value is not None and len(value) > self._max_bytes:
            return Fault(Reason.TOO_LARGE, f"{len(value)} bytes")
        if value is None or not value.strip():
            return Fault(Reason.EMPTY, "no value")
        try:
            lines = value.decode().split("\n")
            if self._key_is_series and key is not None:
                key.decode()
            return [self._row(line) for line in lines]
        except UnicodeDecodeError as fault:
            return Fault(Reason.NOT_UTF8, str(fault))
        except ValueError as fault:
            return Fault(Reason.WRONG_TYPE, str(fault))

    def _row(self, line: str) -> list[Any]:
        cells = line.split(",")
        if len(cells) != len(self._leaves):
            raise ValueError(f"{len(cells)} values, {len(self._leaves)} expected")
        return [_typed(leaf, cell) for leaf, cell in zip(self._leaves, cells, strict=True)]


def _typed(leaf: Leaf, cell: str) -> object:
    if leaf.number:
        return float(cell) if cell else np.nan
    if not cell:
        if leaf.default is msgspec.NODEFAULT:
            raise ValueError("a name is missing")
        return leaf.default
    return int(cell) if cell.lstrip("-").isdigit() else cell
