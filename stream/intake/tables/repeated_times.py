"""Finds the series column by its content: the column of text that makes the times of a file unique."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stream.intake.tables.files import File

# Rows that are read: enough to decide, and few enough to be quick on any history.
_SAMPLE = 1_000_000
# A smaller share of rows that repeat a time comes from a source that sends twice now and then.
_FEW = 0.01
# A column that leaves more than this share of the repeats does not explain them.
_UNEXPLAINED = 0.1


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
    tables = list(_first_rows(found, [*keys, *candidates]))
    rows, repeated = sum(map(len, tables)), _repeated(tables, keys)
    if repeated <= _FEW * rows:
        return RepeatedTimes(repeated / max(rows, 1))
    explaining = (
        name
        for name in candidates
        if _names_rows(tables, name) and _repeated(tables, [*keys, name]) <= _UNEXPLAINED * repeated
    )
    return RepeatedTimes(repeated / rows, tuple(explaining))


def _first_rows(found: Sequence[File], columns: list[str]) -> Iterator[pa.Table]:
    """A table per file, `_SAMPLE` rows in all at most."""
    left = _SAMPLE
    for file in found:
        rows: list[pa.RecordBatch] = []
        with pq.ParquetFile(file.path) as reader:
            for batch in reader.iter_batches(columns=columns):
                if left <= 0:
                    break
                rows.append(batch.slice(0, left))
                left -= len(batch)
        if rows:
            # Row groups may number the same names differently; grouping wants one numbering.
            yield pa.Table.from_batches(rows).unify_dictionaries()


def _repeated(tables: Sequence[pa.Table], keys: Sequence[str]) -> int:
    """Number of rows that equal an earlier row of their file in all of `keys`."""
    # Grouping takes a name that begins with a dot or a bracket for a path into a column: numbers are safe.
    numbers = [str(i) for i in range(len(keys))]
    numbered = (table.select(list(keys)).rename_columns(numbers) for table in tables)
    return sum(len(table) - len(table.group_by(numbers).aggregate([])) for table in numbered)


def _names_rows(tables: Sequence[pa.Table], column: str) -> bool:
    """True where the column has a name in every row, and each name on two rows on average.

    Otherwise it numbers rows, or holds remarks on some of them.
    """
    names = {name for table in tables for name in pc.unique(table[column]).to_pylist()}
    return not names & {None, ""} and 2 * len(names) <= sum(map(len, tables))
