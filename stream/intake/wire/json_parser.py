"""Parses JSON messages to rows of the configured fields, or to the reason why a message has none.

A message is an object or an array of objects. Values are JSON numbers; true and false are 1 and 0. There are two
readers with the same result.
The fast one is msgspec. It accepts faults that we do not: a repeated key, any depth, and text that is not UTF-8 in a
field that is not read. So its rows count only where a few counts over the whole batch prove that it has none of these.
Otherwise each message is examined, and `strict_json` reads the doubtful ones again.
Where a value that is no number costs its sensor alone, msgspec reads the messages at fault a second time: with anything
for a number, and with NaN and Infinity in quotes. A sensor that is bad in every message then costs little.
"""

import json
import re
import struct
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np

from stream.intake.columns import Bools, Float64s, Reason
from stream.intake.field_paths import Path
from stream.intake.wire.causes import KEYS, with_cause
from stream.intake.wire.json_shape import Row, Shape
from stream.intake.wire.parser import Fault, Leaf, Parsed
from stream.intake.wire.strict_json import MAX_DEPTH, StrictReader, not_utf8, too_deep

# Unread fields that the account includes; where more occur, messages are examined one by one.
_MAX_EXTRAS = 64
# Begins a literal that was put in quotes; a character for private use, which no sender means.
_MARK = "\ue000"
_LITERALS = {f"{_MARK}{name}": float(name) for name in ("NaN", "Infinity", "-Infinity")}
# What JSON has not, each with its replacement.
_TO_QUOTE = [
    (re.compile(pattern + rb"(?=[ \t\r\n]*[,}\]])"), f'"{_MARK}{name}"'.encode())
    for pattern, name in ((rb"NaN", "NaN"), (rb"-Infinity", "-Infinity"), (rb"\bInfinity", "Infinity"))
]
# The first integer beyond float64.
_HUGE = int(sys.float_info.max) + 1
# Bad values per message from which on the next batch is read leniently at once.
_MANY = 0.25
# Types of good numbers, and of none.
_NUMBERS = frozenset({float, int, bool, type(None)})
_PLAIN_STRING = re.compile(rb'"([^"]*)"[ \t\r\n]*(:?)')

Message = Row | list[Row] | Fault


class _Rows:
    """The rows of messages one after the other, each with its message and its place there."""

    def __init__(self, messages: Sequence[Message | None]) -> None:
        self.faults: list[tuple[int, Fault]] = []
        self.arrays = 0
        self.message = np.arange(len(messages), dtype=np.int64)
        self.index = np.full(len(messages), -1, np.int64)
        self.rows: Sequence[Any] = messages
        if {list, Fault} & set(map(type, messages)):
            self._spread(messages)

    def _spread(self, messages: Sequence[Message | None]) -> None:
        rows: list[Any] = []
        sizes = np.ones(len(messages), np.int64)
        arrays = np.zeros(len(messages), np.bool_)
        for i, message in enumerate(messages):
            if message == []:
                message = Fault(Reason.EMPTY, "an array without readings")
            if isinstance(message, Fault):
                self.faults.append((i, message))
                sizes[i] = 0
            elif isinstance(message, list):
                rows.extend(message)
                sizes[i], arrays[i] = len(message), True
            else:
                rows.append(message)
        starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
        self.rows, self.arrays = rows, int(arrays.sum())
        self.message = np.repeat(self.message, sizes)
        self.index = np.where(np.repeat(arrays, sizes), np.arange(len(rows)) - starts, -1)

    def parsed(self, columns: Sequence[list[Any]], heads: int, reread: Bools | None = None) -> Parsed:
        """The rows as columns; the first `heads` of them are no numbers.

        Args:
            reread: bool, the messages in which a value may be no number; None: there are none.
        """
        numbers = np.empty((len(self.rows), len(columns) - heads))
        suspects = np.zeros(0, np.int64) if reread is None else np.flatnonzero(reread[self.message])
        bad: list[tuple[int, int, object]] = []
        for i, column in enumerate(columns[heads:]):
            numbers[:, i] = _float64s(column)
            odd = suspects[~np.isfinite(numbers[suspects, i])].tolist()
            found = ((row, column[row]) for row in odd if column[row] is not None and column[row] is not msgspec.UNSET)
            bad += [(row, i, _LITERALS.get(value, value) if type(value) is str else value) for row, value in found]
        if bad:
            numbers[np.isinf(numbers)] = np.nan
        return Parsed(columns[:heads], numbers, self.message, self.index, self.faults, bad)


def _float64s(column: list[Any]) -> Float64s:
    """Numbers as float64 (n,); what is none becomes NaN."""
    try:
        # Takes a third of the time that numpy needs for a list.
        return np.frombuffer(struct.pack(f"{len(column)}d", *column))
    except (struct.error, OverflowError):
        if not _NUMBERS.issuperset(map(type, column)) or int in map(type, column):
            column = [value if _is_number(value) else None for value in column]
        return np.array(column, np.float64)


def _is_number(value: object) -> bool:
    """True for what fits into a float64, and for None."""
    kind = type(value)
    return kind in _NUMBERS and (kind is not int or -_HUGE < value < _HUGE)  # type: ignore[operator] # an int


def _quoted(value: bytes) -> bytes:
    """A message with NaN and Infinity in quotes, marked."""
    if b"NaN" not in value and b"Infinity" not in value:
        return value
    for pattern, text in _TO_QUOTE:
        value = pattern.sub(text, value)
    return value


class JsonParser:
    """Parser of JSON objects and arrays. Remembers unread fields, for speed only. Not for several threads."""

    def __init__(self, leaves: Sequence[Leaf], max_bytes: int, key_is_series: bool, keep_rest: bool = False) -> None:
        self._leaves = leaves
        self._max_bytes = max_bytes
        self._key_is_series = key_is_series
        self._heads = sum(not leaf.number for leaf in leaves)
        self._slack = MAX_DEPTH - 2 - max(len(leaf.path) for leaf in leaves)
        self._base = self._shape = Shape(leaves)
        # Reads again what the shape does not fit; None: a value that is no number kills its message.
        self._lenient = self._base.lenient() if keep_rest else None
        self._extras: tuple[Path, ...] = ()
        self._turn = 0
        self._many_bad = False
        self._reader = StrictReader(self._base, {name for leaf in leaves for name in leaf.path}, max_bytes, keep_rest)

    @property
    def unread(self) -> Sequence[Path]:
        """Fields that are not read, as far as they were noticed."""
        return self._extras

    def parse(self, values: Sequence[bytes | None], keys: Sequence[bytes | None]) -> Parsed:
        """Parses a batch.

        1. msgspec reads every message, unless many of the batch before had bad values: that costs an exception each.
        2. Counts over the batch show whether its rows are certain.
        3. msgspec reads leniently what it could not read, if bad values are missing; counts show the same.
        4. `strict_json` reads what msgspec could not read, and what is not certain.
        """
        bad_keys = self._bad_keys(keys)
        nothing: list[Message | None] = [None] * len(values)
        messages = nothing if self._many_bad else self._fast(self._shape, values, keys, bad_keys)
        parsed, doubted = self._examined(self._shape, values, messages)
        failed = [i for i, message in enumerate(messages) if message is None]
        if not failed and not doubted:
            return parsed
        reread = np.zeros(len(values), np.bool_)
        reread[failed] = True
        if self._lenient is not None and failed:
            doubted |= self._read_again(self._lenient, values, messages, [i for i in failed if keys[i] not in bad_keys])
        for i, value in enumerate(values):
            if messages[i] is None or i in doubted:
                messages[i] = self._reader.read(value, bad_keys.get(keys[i]))
                reread[i] = True
        rows = _Rows(messages)
        parsed = rows.parsed(self._base.columns(rows.rows), self._heads, None if self._lenient is None else reread)
        self._many_bad = len(parsed.bad) > _MANY * len(messages)
        return parsed

    def _read_again(
        self, shape: Shape, values: Sequence[bytes | None], messages: list[Message | None], failed: Sequence[int]
    ) -> set[int]:
        """Reads the messages `failed` into `messages`, with anything for a number; returns those that are doubtful."""
        # Quotes around what stands within a string make it no JSON: `strict_json` reads that.
        texts = [value and _quoted(value) for value in (values[i] for i in failed)]
        again = self._fast(shape, texts)
        parsed, doubted = self._examined(shape, texts, again)
        if any(not _LITERALS.keys().isdisjoint(head) for head in parsed.heads):
            return set(failed)
        for i, message in zip(failed, again, strict=True):
            messages[i] = message
        return {failed[i] for i in doubted}

    def _examined(
        self, shape: Shape, values: Sequence[bytes | None], messages: Sequence[Message | None]
    ) -> tuple[Parsed, set[int]]:
        """The rows that were read, and which messages may have a fault that msgspec accepts and we do not."""
        read = [(v, m) for v, m in zip(values, messages, strict=True) if m is not None] if None in messages else None
        rows = _Rows(messages if read is None else [message for _, message in read])
        columns = self._base.columns(rows.rows)
        parsed = rows.parsed(columns, self._heads)
        gaps = bool(np.isnan(parsed.numbers).any())
        texts: Sequence[Any] = values if read is None else [value for value, _ in read]
        if self._certain(texts, len(rows.rows) + rows.arrays, shape.account(rows.rows, columns, gaps)):
            return parsed, set()
        return parsed, {i for i, value in enumerate(values) if messages[i] is not None and self._doubtful(value)}

    def _bad_keys(self, keys: Sequence[bytes | None]) -> dict[bytes | None, str]:
        """Keys that are not UTF-8, each with its fault."""
        if not self._key_is_series:
            return {}
        faults = {key: not_utf8(key) for key in set(keys) if key is not None}
        return {key: with_cause(KEYS, key, fault) for key, fault in faults.items() if key and fault is not None}

    @staticmethod
    def _fast(
        shape: Shape,
        values: Sequence[bytes | None],
        keys: Sequence[bytes | None] = (),
        bad_keys: Mapping[bytes | None, str] = MappingProxyType({}),
    ) -> list[Message | None]:
        """The rows that msgspec reads from each message; None where it reads none, and for a bad key."""
        messages: list[Message | None] = []
        todo = iter(values)
        while len(messages) < len(values):
            try:
                messages.extend(map(shape.decode, todo))  # type: ignore[arg-type] # None: TypeError
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError):
                # `extend` has kept what came before, and the message at fault has left `todo`.
                messages.append(None)
        if bad_keys:
            return [None if key in bad_keys else message for key, message in zip(keys, messages, strict=True)]
        return messages

    def _certain(self, values: Sequence[bytes], known: int, expected: tuple[int, int] | None) -> bool:
        """True where the batch has no fault that msgspec accepts and we do not.

        Every key costs a colon: if the text has no more colons than the rows account for, no key is repeated.
        Every level costs a bracket: if the batch has only a few more than expected, no message is too deep.

        Args:
            known: brackets of the rows, and of the arrays around them.
            expected: see `Shape.account`.
        """
        text = b"\n".join(values)
        if b"\\" in text or not_utf8(text) is not None or max(map(len, values), default=0) > self._max_bytes:
            return False
        characters = np.frombuffer(text, np.uint8)
        if expected is None or np.count_nonzero(characters == ord(":")) != expected[0]:
            self._learn(values)
            return False
        brackets = np.count_nonzero(characters == ord("{")) + np.count_nonzero(characters == ord("["))
        return bool(brackets <= known + expected[1] + self._slack)

    def _doubtful(self, value: bytes | None) -> bool:
        """True where one message, which msgspec has read, may have such a fault."""
        if value is None or b"\\" in value or len(value) > self._max_bytes:
            return True
        if not_utf8(value) is not None or too_deep(value):
            return True
        keys = [name for name, colon in _PLAIN_STRING.findall(value) if colon]
        return len(set(keys)) < len(keys)

    def _learn(self, values: Sequence[bytes]) -> None:
        """Adds the unread fields of one message of the batch to the account; another message each time."""
        self._turn += 1
        value = values[self._turn * 7919 % len(values)]
        if len(self._extras) >= _MAX_EXTRAS or too_deep(value):
            return
        try:
            message = json.loads(value.decode())
            found = self._shape.unknown(message[0] if isinstance(message, list) and message else message)
            extras = (*self._extras, *found)[:_MAX_EXTRAS]
            if found:
                self._shape, self._extras = Shape(self._leaves, extras), extras
                self._lenient = self._lenient and self._base.lenient(extras)
        except ValueError:
            # Names that msgspec refuses: such messages are examined one by one.
            return
