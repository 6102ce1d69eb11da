"""Which column of text names the series, where none is called like one: that which makes the times unique."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stream.intake.parquet_files import File

# Enough to see it; a first look stays quick and small on any history.
_LOOKED_AT = 1_000_000
# A smaller share of rows that repeat a time is a source that now and then sends twice, not another series.
_FEW = 0.01
# A column that leaves more than this share of the repeats does not explain them.
_UNEXPLAINED = 0.1


@dataclass(frozen=True, slots=True)
class Repeats:
    """What the first million rows say.

    Attributes:
        share: of rows that have the time (long: and the sensor) of an earlier row of their file.
        explained_by: columns that tell such rows apart; none where there are few of them.
    """

    share: float
    explained_by: tuple[str, ...] = ()


def repeats(found: Sequence[File], keys: Sequence[str], candidates: Sequence[str]) -> Repeats:
    """Rows that repeat `keys` (time, sensor) within their file, and which of the `candidates` tell them apart."""
    tables = list(_first_rows(found, [*keys, *candidates]))
    rows, repeated = sum(map(len, tables)), _repeated(tables, keys)
    if repeated <= _FEW * rows:
        return Repeats(repeated / max(rows, 1))
    explaining = (
        name
        for name in candidates
        if _names_rows(tables, name) and _repeated(tables, [*keys, name]) <= _UNEXPLAINED * repeated
    )
    return Repeats(repeated / rows, tuple(explaining))


def _first_rows(found: Sequence[File], columns: list[str]) -> Iterator[pa.Table]:
    """A table per file, until that is enough."""
    left = _LOOKED_AT
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
    """Rows that are equal to an earlier one of their file in all of `keys`."""
    return sum(len(table) - len(table.group_by(list(keys)).aggregate([])) for table in tables)


def _names_rows(tables: Sequence[pa.Table], column: str) -> bool:
    """Whether the column names every row, and its names come back: else it numbers rows, or remarks on some."""
    names = {name for table in tables for name in pc.unique(table[column]).to_pylist()}
    return not names & {None, ""} and 2 * len(names) <= sum(map(len, tables))
