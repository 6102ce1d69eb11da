"""Numbers in a column of any plain type, and the values there that are none: text, NaN, Infinity.

A null is missing, and so is an empty text. Text counts as a number where it spells one with a point; true and false are
1 and 0, as in messages.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from stream.intake.columns import Bools, Float64s, Int64s
from stream.intake.tables.column_types import is_text

_NUMBER = r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"
_WORDS = {"true": 1.0, "false": 0.0}
# Texts that spell what a float may be, and is no number.
_SPELLED = {
    f"{sign}{word}": float(f"{sign}{word}") for sign in ("", "+", "-") for word in ("nan", "inf", "infinity")
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bad:
    """The values of a column that are no numbers: k of them, of which some are equal.

    Attributes:
        rows: int64 (k,), ascending.
        which: int64 (k,), index of each into `values`.
        values: floats that are not finite, and texts.
    """

    rows: Int64s
    which: Int64s
    values: tuple[float | str, ...]


NO_BAD = Bad(np.zeros(0, np.int64), np.zeros(0, np.int64), ())


def numbers_of(column: pa.Array) -> tuple[Float64s, Bad]:
    """The numbers of a column, float64 (n,), NaN where there is none; and the values that are no numbers."""
    if column.null_count == len(column):
        return np.full(len(column), np.nan), NO_BAD
    if is_text(column.type):
        return _of_text(column)
    if types.is_decimal(column.type) or types.is_boolean(column.type):
        column = column.cast(pa.uint8() if types.is_boolean(column.type) else pa.float64())
    numbers = column.to_numpy(zero_copy_only=False)
    odd = ~np.isfinite(numbers)
    if odd.any() and column.null_count:
        odd &= column.is_valid().to_numpy(zero_copy_only=False)
    bad = _without(numbers, odd)
    return np.where(odd, np.nan, numbers).astype(np.float64, copy=False), bad


def _without(numbers: Float64s, odd: Bools) -> Bad:
    """The floats that are not finite, `odd`, bool (n,)."""
    rows = np.flatnonzero(odd)
    if not len(rows):
        return NO_BAD
    which = np.where(np.isnan(numbers[rows]), 0, np.where(numbers[rows] > 0, 1, 2))
    return Bad(rows, which, (np.nan, np.inf, -np.inf))


def _of_text(column: pa.Array) -> tuple[Float64s, Bad]:
    texts = pc.utf8_trim_whitespace(column.cast(pa.string()))
    spelled = is_number_text(texts)
    numbers: Float64s = (
        pc.if_else(spelled, texts, None).cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
    )
    others = np.flatnonzero(pc.fill_null(pc.and_not(pc.not_equal(texts, ""), spelled), False))
    found = dict[float | str, int]()
    rows, which = list[int](), list[int]()
    # A number beyond float64 is infinite.
    for row in np.union1d(others, np.flatnonzero(np.isinf(numbers))).tolist():
        text = texts[row].as_py()
        word = _WORDS.get(text.lower())
        if word is not None:
            numbers[row] = word
            continue
        rows.append(row)
        which.append(found.setdefault(_SPELLED.get(text.lower(), text), len(found)))
    numbers[rows] = np.nan
    return numbers, Bad(np.array(rows, np.int64), np.array(which, np.int64), tuple(found))


def is_number_text(texts: pa.Array) -> pa.Array:
    """Bool (n,), true where a text without spaces around it spells a number; null stays null."""
    return pc.match_substring_regex(texts, _NUMBER)


def share_of_numbers(column: pa.Array) -> tuple[int, int]:
    """The number of values in a column of text that are numbers, and of those that are not empty."""
    numbers, bad = _of_text(column)
    good = int(np.count_nonzero(np.isfinite(numbers)))
    return good, good + len(bad.rows)
