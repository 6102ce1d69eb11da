"""Finds the series column by its content: the column that makes the times of a file unique."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from stream.intake.columns import Int64s
from stream.intake.tables.files import File

# Rows that are read: enough to decide, and few enough to be quick on any history.
_SAMPLE = 1_000_000
# A smaller share of rows that repeat a time comes from a source that sends twice now and then.
_FEW = 0.01
# More different numbers with a fraction than this are measured; fewer may be parts of a plant, such as 1.1 and 1.2.
_MOST_PARTS = 50
_FRACTION = re.compile(r"[-+]?\d+[.,]\d+")
# A column that leaves more than this share of the repeats does not explain them.
_UNEXPLAINED = 0.1
# Of the rows that an asset could have between its first and its last, the share that an identifier has at least.
_STEADY = 0.5
# The same share, and that of rows with another value than the row before, where times give no reason to look.
_TURNS = 0.8
# Rows of each file for a quick look.
_QUICK = 20_000
# More different integers than this are measured, not given to assets.
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class RepeatedTimes:
    """Rows that repeat the time of an earlier one, among the first million.

    Attributes:
        share: share of rows with the time (long: and the sensor) of an earlier row of their file.
        explained_by: columns that differ between such rows; empty where the share is small.
    """

    share: float
    explained_by: tuple[str, ...] = ()


def repeated_times(found: Sequence[File], keys: Sequence[str], candidates: Sequence[str]) -> RepeatedTimes:
    """Counts rows that repeat `keys` (time, sensor) within their file, and finds the `candidates` that explain them."""
    if not candidates:
        return _repeats(found, keys)
    few = _repeats(found, keys)
    if few.share <= _FEW:
        return few
    tables = list(_first_rows(found, [*keys, *candidates]))
    repeated = few.share * sum(map(len, tables))
    explaining = (
        name
        for name in candidates
        if _names_rows(tables, name)
        and _may_be_steady(tables, keys[0], name)
        and _repeated(tables, [*keys, name]) <= _UNEXPLAINED * repeated
        and (not _is_integer(tables, name) or _steady(tables, keys[0], name))
    )
    return RepeatedTimes(few.share, tuple(explaining))


def _may_be_steady(tables: Sequence[pa.Table], time: str, column: str) -> bool:
    """False for integers that come and go in the first rows: a quick look spares one at all rows."""
    return not _is_integer(tables, column) or _steady([table.slice(0, _QUICK) for table in tables], time, column)


def _is_integer(tables: Sequence[pa.Table], column: str) -> bool:
    return bool(types.is_integer(tables[0].schema.field(column).type))


def _repeats(found: Sequence[File], keys: Sequence[str]) -> RepeatedTimes:
    tables = list(_first_rows(found, keys))
    return RepeatedTimes(_repeated(tables, keys) / max(sum(map(len, tables)), 1))


def explain_together(found: Sequence[File], keys: Sequence[str], pair: Sequence[str]) -> bool:
    """True where two columns explain repeated times together."""
    tables = list(_first_rows(found, [*keys, *pair]))
    repeated = _repeated(tables, keys)
    named = all(_names_rows(tables, name) for name in pair)
    return named and _repeated(tables, [*keys, *pair]) <= _UNEXPLAINED * repeated


def names_all_rows(found: Sequence[File], column: str) -> bool:
    """True where a column has a value in every row, and each value on two rows on average."""
    return _names_rows(list(_first_rows(found, [column])), column)


def taking_turns(found: Sequence[File], time: str, candidates: Sequence[str]) -> list[str]:
    """The columns whose values take turns from row to row, each at a steady step: as assets do that share no times."""
    tables = list(_first_rows(found, [time, *candidates])) if candidates else []
    named = (name for name in candidates if _names_rows(tables, name))
    return [name for name in named if _turns(tables, time, name) and _steady(tables, time, name, _TURNS)]


def _turns(tables: Sequence[pa.Table], time: str, column: str) -> bool:
    codes = [_codes(table[column])[np.argsort(_ranks(table[time]), kind="stable")] for table in tables]
    return bool(sum(np.count_nonzero(np.diff(code)) for code in codes) >= _TURNS * sum(map(len, codes)))


def _first_rows(found: Sequence[File], columns: Sequence[str]) -> Iterator[pa.Table]:
    """A table per file, `_SAMPLE` rows in all at most."""
    left = _SAMPLE
    for file in found:
        rows: list[pa.RecordBatch] = []
        if left <= 0 or not file.rows:
            continue
        for batch in file.batches(columns):
            rows.append(batch.slice(0, left))
            left -= len(batch)
            if left <= 0:
                break
        # Row groups may number the same names differently; grouping wants one numbering.
        yield pa.Table.from_batches(rows).unify_dictionaries()


def _repeated(tables: Sequence[pa.Table], keys: Sequence[str]) -> int:
    """Number of rows that equal an earlier row of their file in all of `keys`."""
    # Grouping takes a name that begins with a dot or a bracket for a path into a column: numbers are safe.
    numbers = [str(i) for i in range(len(keys))]
    numbered = (table.select(list(keys)).rename_columns(numbers) for table in tables)
    return sum(len(table) - len(table.group_by(numbers).aggregate([])) for table in numbered)


def _names_rows(tables: Sequence[pa.Table], column: str) -> bool:
    """True where the column has a name in nearly every row, and each name on two rows on average.

    Otherwise it numbers rows, holds remarks on some of them, or numbers with a fraction, which are measured.
    """
    # A quick look spares a set of a million numbers.
    if any(2 * len(pc.unique(table[column])) > sum(map(len, tables)) for table in tables):
        return False
    names = {name for table in tables for name in pc.unique(table[column]).to_pylist()}
    many = _is_integer(tables, column) and len(names) > _MOST
    unnamed = sum(_unnamed(table[column]) for table in tables) if names & {None, ""} else 0
    rows = sum(map(len, tables))
    measured = len(names) > _MOST_PARTS and all(_FRACTION.fullmatch(str(name)) for name in names - {None, ""})
    return not many and not measured and unnamed <= _FEW * rows and 2 * len(names) <= rows


def _unnamed(column: pa.ChunkedArray) -> int:
    """Number of rows that have no name: null, or an empty text."""
    empty = 0 if types.is_integer(column.type) else pc.sum(pc.equal(column.cast(pa.string()), "")).as_py() or 0
    return int(column.null_count + empty)


def _steady(tables: Sequence[pa.Table], time: str, column: str, least: float = _STEADY) -> bool:
    """True where each value comes at a steady step from its first to its last row, as an asset does.

    The values of a sensor come and go: in the span of a value, most times have another one.
    """
    seen, possible = 0, 0.0
    for table in tables:
        # The rank of a time serves as well as the time, in any form that sorts.
        rank = _ranks(table[time])
        value = _codes(table[column])
        order = np.lexsort((rank, value))
        starts = np.flatnonzero(np.diff(value[order], prepend=-1))
        for ranks in np.split(rank[order], starts[1:]):
            step = max(float(np.quantile(np.diff(ranks), 0.1)), 1.0) if len(ranks) > 1 else 1.0
            seen += len(ranks)
            possible += float(ranks[-1] - ranks[0]) / step + 1
    return seen >= least * possible


def _codes(column: pa.ChunkedArray) -> Int64s:
    """A number for each value, int64 (n,), >= 0."""
    plain = column.combine_chunks()
    encoded = plain if types.is_dictionary(plain.type) else plain.dictionary_encode()
    codes: Int64s = encoded.indices.cast(pa.int64()).fill_null(len(encoded.dictionary)).to_numpy()
    return codes


def _ranks(column: pa.ChunkedArray) -> Int64s:
    """The place of each value among the distinct ones, int64 (n,), > 0."""
    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    sortable = column.cast(pa.int64() if types.is_null(kind) else kind).combine_chunks()
    ranks: Int64s = pc.rank(sortable, tiebreaker="dense").to_numpy().astype(np.int64)
    return ranks
