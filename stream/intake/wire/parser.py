"""The seam of wire formats: a parser turns a batch of messages into columns of the fields that are read.

A wire format is one module, whose class has the methods of `Parser`, and one line in `stream.intake.decode.PARSERS`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from stream.intake.columns import Float64s, Int64s, Reason
from stream.intake.field_paths import Path

# The default of a leaf that is a number. Compared by identity: a number that is null is None.
ABSENT_NUMBER = float("nan")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One field that is read.

    Attributes:
        path: its place in a message.
        type: the type expression of its values; one that does not fit is `Reason.WRONG_TYPE`.
        default: stands for the value where it is absent; `msgspec.NODEFAULT`: absent is `Reason.WRONG_TYPE` too.
    """

    path: Path
    type: Any
    default: Any = msgspec.NODEFAULT

    @property
    def number(self) -> bool:
        """True for values, false for time, series and sensor name."""
        return self.default is ABSENT_NUMBER


@dataclass(frozen=True, slots=True)
class Fault:
    """The reason for which a message is dead, and one line about it for people."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """n rows out of a batch of messages, in order.

    Attributes:
        heads: a list of n values for each leaf that is no number: time, series (where a field has it), sensor (long).
        numbers: float64 (n, k), a column for each leaf that is a number; NaN where it is null or absent.
        message: int64 (n,), index of the message that a row comes from.
        index: int64 (n,), element of the array that a message is; -1 where the message is one object.
        faults: index and fault of each message without rows.
        bad: values that are no numbers, and so NaN in `numbers`: their row, column and value, by column.
    """

    heads: Sequence[list[Any]]
    numbers: Float64s
    message: Int64s
    index: Int64s
    faults: list[tuple[int, Fault]]
    bad: list[tuple[int, int, object]]


class Parser(Protocol):
    """Parses the messages of one wire format. Called once a batch: what it does per message, it does in C."""

    def __init__(self, leaves: Sequence[Leaf], max_bytes: int, key_is_series: bool, keep_rest: bool = False) -> None:
        """Prepares for the fields `leaves`: heads first, then numbers.

        Args:
            max_bytes: a longer message is `Reason.TOO_LARGE`.
            key_is_series: a key that is not UTF-8 kills its message, `Reason.NOT_UTF8`.
            keep_rest: a value that is no number is missing. False: it kills its message.

        Raises:
            ConfigError: the paths of the leaves cannot be read together.
        """

    @property
    def unread(self) -> Sequence[Path]:
        """Fields of the messages so far that are not read; some where they are many."""

    def parse(self, values: Sequence[bytes | None], keys: Sequence[bytes | None]) -> Parsed:
        """All rows of a batch. No message raises: a faulty one has a fault and no rows."""
