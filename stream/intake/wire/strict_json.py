"""Reads one JSON message strictly: its rows, or the reason why it is dead. Slow; decides where `json_parser` doubts.

The first of these faults counts:
1. Too large. 2. Empty. 3. Value or key not UTF-8. 4. Not JSON, or nested deeper than `MAX_DEPTH`.
5. Half a surrogate pair, which is `not_utf8`. 6. A NaN or Infinity literal anywhere.
7. A repeated name, if it is part of a configured path. 8. A wrong type. 9. A configured value beyond float64.

A time beyond float64 is a bad time: only its element is dead. Where bad values cost their sensor alone, 6 and 9 are no
faults, nor is a value of a wrong type.
"""

import json
import re
from typing import Any

import msgspec
import numpy as np

from stream.intake.columns import Reason
from stream.intake.wire.causes import VALUES, short, value_at, with_cause
from stream.intake.wire.json_shape import Row, Shape
from stream.intake.wire.parser import Fault

# Deeper nesting is refused; otherwise recursion would end it at a depth that depends on the caller.
MAX_DEPTH = 64
# Integers of more digits are read as floats: int() refuses those of more than 4,300, and none of them is a time.
_MAX_DIGITS = 300
_SPACE = b" \t\r\n"
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class StrictReader:
    """Reads one message at a time. Not for several threads at once: the hooks write to fields."""

    def __init__(self, shape: Shape, names: set[str], max_bytes: int, keep_rest: bool) -> None:
        """Prepares.

        Args:
            names: those in configured paths, which no object may repeat.
            keep_rest: rows may have anything where a number is expected. False: it kills its message.
        """
        self._shape = shape.lenient() if keep_rest else shape
        self._names = names
        self._max_bytes = max_bytes
        self._keep_rest = keep_rest
        self._literals: list[str] = []
        self._repeated: list[str] = []
        self._json = json.JSONDecoder(object_pairs_hook=self._object, parse_constant=self._literal, parse_int=_integer)

    def read(self, value: bytes | None, bad_key: str | None) -> Row | list[Row] | Fault:
        """The rows of a message, or its fault. `bad_key`: the fault of its key, where the key is the series."""
        if value is not None and len(value) > self._max_bytes:
            return Fault(Reason.TOO_LARGE, f"{len(value)} bytes, at most {self._max_bytes} are allowed")
        if value is None or not value.strip(_SPACE):
            return Fault(Reason.EMPTY, "no value" if value is None else "nothing but white space")
        wrong = not_utf8(value)
        if wrong is not None:
            return Fault(Reason.NOT_UTF8, with_cause(VALUES, value, wrong))
        if bad_key is not None:
            return Fault(Reason.NOT_UTF8, f"key: {bad_key}")
        if too_deep(value):
            return Fault(Reason.NOT_JSON, f"nested more than {MAX_DEPTH} levels deep")
        return self._parse(value.decode())

    def _parse(self, text: str) -> Row | list[Row] | Fault:
        self._literals.clear()
        self._repeated.clear()
        try:
            message = self._json.decode(text)
        except json.JSONDecodeError as error:
            return Fault(Reason.NOT_JSON, with_cause(VALUES, text.encode(), str(error)))
        if _SURROGATE.search(text) and _half_a_pair(text):
            return Fault(Reason.NOT_UTF8, "a string has half of a surrogate pair")
        if self._literals and not self._keep_rest:
            return Fault(
                Reason.NOT_A_NUMBER, f"{self._literals[0]} is not a JSON number; send null for a missing value"
            )
        if self._repeated:
            return Fault(Reason.DUPLICATE_KEY, f"{self._repeated[0]!r} occurs twice in one object")
        return self._typed(message)

    def _typed(self, message: object) -> Row | list[Row] | Fault:
        row: Any = self._shape.row
        try:
            rows = msgspec.convert(message, list[row] if isinstance(message, list) else row)
        except msgspec.ValidationError as error:
            too_big = str(error).startswith("Number out of range")
            return Fault(Reason.NOT_A_NUMBER if too_big else Reason.WRONG_TYPE, _wrong(message, str(error)))
        if not self._keep_rest and self._shape.overflows(rows if isinstance(rows, list) else [rows]):
            return Fault(Reason.NOT_A_NUMBER, "a value is beyond the range of a float64")
        return rows

    def _object(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        """An object without its nulls, which mean absent."""
        if len(pairs) != len(dict(pairs)):
            seen: set[str] = set()
            for name, _ in pairs:
                if name in seen and name in self._names:
                    self._repeated.append(name)
                seen.add(name)
        return {name: value for name, value in pairs if value is not None}

    def _literal(self, name: str) -> float:
        self._literals.append(name)
        return float(name)


def _wrong(message: object, error: str) -> str:
    """The error of msgspec with the value that it is about."""
    if isinstance(message, str):
        return with_cause(VALUES, json.dumps(message).encode(), error)
    place = error.rpartition("`$")[2].rstrip("`")
    found = value_at(message, place)
    return f"{error}: {short(found)}" if place and found is not None else error


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_DIGITS else float(digits)


def _half_a_pair(text: str) -> bool:
    """True where a string of the JSON text cannot be encoded; repeated keys are examined too."""
    everything = json.loads(text, object_pairs_hook=lambda pairs: pairs, parse_int=float)
    try:
        json.dumps(everything, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def not_utf8(text: bytes) -> str | None:
    """The place where `text` stops being UTF-8, in words; None where all of it is UTF-8."""
    if text.isascii():
        return None
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return f"{error.reason} at byte {error.start}"
    return None


def too_deep(value: bytes) -> bool:
    """True where JSON text is nested deeper than `MAX_DEPTH`."""
    if value.count(b"{") + value.count(b"[") <= MAX_DEPTH:
        return False
    text = np.frombuffer(_STRING.sub(b"", value), np.uint8)
    opened = (text == ord("{")) | (text == ord("["))
    closed = (text == ord("}")) | (text == ord("]"))
    depth = np.cumsum(opened.astype(np.int64) - closed)
    return len(depth) > 0 and bool(depth.max() > MAX_DEPTH)
