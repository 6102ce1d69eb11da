"""Finds the series column by its content: the column that makes the times of a file unique."""

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from stream.errors import DataError
from stream.intake.columns import Int64s
from stream.intake.tables.column_types import as_names, encoded
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


class FirstRows:
    """The first million rows of a data set. Each column is read once, when it is first needed."""

    def __init__(self, found: Sequence[File]) -> None:
        self._files: list[tuple[File, int]] = []
        left = _SAMPLE
        for file in found:
            if rows := min(file.rows, left):
                self._files.append((file, rows))
                left -= rows
        self._rows = _SAMPLE - left
        self._known: list[dict[str, pa.ChunkedArray]] = [{} for _ in self._files]

    def share(self, keys: Sequence[str]) -> float:
        """Share of rows that equal an earlier row of their file in all of `keys`: time (long: and sensor)."""
        return self._repeated(keys) / max(self._rows, 1)

    def explaining(self, keys: Sequence[str], candidates: Sequence[str]) -> list[str]:
        """The candidates that differ between rows with equal `keys`, time first; none where few rows repeat them."""
        repeated = self._repeated(keys)
        if repeated <= _FEW * self._rows:
            return []
        self._columns(candidates)
        return [name for name in candidates if self._explains(keys, name, repeated)]

    def explain_together(self, keys: Sequence[str], pair: Sequence[str]) -> bool:
        """True where two columns together differ between rows with equal `keys`."""
        named = all(map(self.names_all_rows, pair))
        return named and self._repeated([*keys, *pair]) <= _UNEXPLAINED * self._repeated(keys)

    def taking_turns(self, time: str, candidates: Sequence[str]) -> list[str]:
        """The columns whose values change from row to row, each at a steady step: as assets do that share no times."""
        self._columns(candidates)
        return [name for name in candidates if self.names_all_rows(name) and self._takes_turns(time, name)]

    def names_all_rows(self, column: str) -> bool:
        """True where the column has a name in nearly every row, and each name on two rows on average.

        Otherwise it numbers rows, holds remarks on some of them, or numbers with a fraction, which are measured.
        """
        columns = [values for (values,) in self._columns([column])]
        if any(types.is_floating(values.type) for values in columns):
            return False
        # A quick look spares a set of a million numbers.
        if any(2 * len(pc.unique(values)) > self._rows for values in columns):
            return False
        names = {name for values in columns for name in pc.unique(values).to_pylist()}
        many = self._is_integer(column) and len(names) > _MOST
        unnamed = sum(map(_unnamed, columns)) if names & {None, ""} else 0
        measured = len(names) > _MOST_PARTS and all(_FRACTION.fullmatch(str(name)) for name in names - {None, ""})
        return not many and not measured and unnamed <= _FEW * self._rows and 2 * len(names) <= self._rows

    def tells_apart(self, column: str) -> bool:
        """True where the column has a name in nearly every row, and several names."""
        seen = {name for (values,) in self._columns([column]) for name in pc.unique(values).to_pylist()}
        return len(seen - {None, ""}) > 1 and self.names_all_rows(column)

    def _columns(self, names: Sequence[str]) -> list[list[pa.ChunkedArray]]:
        """The columns in each file with rows."""
        for (file, rows), known in zip(self._files, self._known, strict=True):
            new = [name for name in names if name not in known]
            if new:
                known.update(zip(new, _first_rows(file, new, rows).columns, strict=True))
        return [[known[name] for name in names] for known in self._known]

    def _is_integer(self, column: str) -> bool:
        return any(types.is_integer(values.type) for (values,) in self._columns([column])[:1])

    def _repeated(self, keys: Sequence[str]) -> int:
        """Number of rows that equal an earlier row of their file in all of `keys`."""
        # Grouping takes a name that begins with a dot or a bracket for a path into a column: numbers are safe.
        numbers = [str(i) for i in range(len(keys))]
        tables = (pa.Table.from_arrays(columns, numbers) for columns in self._columns(keys))
        return sum(len(table) - len(table.group_by(numbers).aggregate([])) for table in tables)

    def _explains(self, keys: Sequence[str], column: str, repeated: int) -> bool:
        """True for a name of assets that leaves few of the `repeated` rows; integers must also be steady."""
        whole = self._is_integer(column)
        # A look at few rows spares one at all of them.
        if not self.names_all_rows(column) or (whole and not self._steady(keys[0], column, _STEADY, _QUICK)):
            return False
        explained = self._repeated([*keys, column]) <= _UNEXPLAINED * repeated
        return explained and (not whole or self._steady(keys[0], column, _STEADY))

    def _takes_turns(self, time: str, column: str) -> bool:
        changes = sum(
            np.count_nonzero(np.diff(encoded(values.combine_chunks())[0][np.argsort(_ranks(times), kind="stable")]))
            for times, values in self._columns([time, column])
        )
        return bool(changes >= _TURNS * self._rows) and self._steady(time, column, _TURNS)

    def _steady(self, time: str, column: str, least: float, rows: int = _SAMPLE) -> bool:
        """True where each value comes at a steady step from its first to its last row, as an asset does.

        The values of a sensor come and go: in the span of a value, most times have another one.

        Args:
            least: share of the rows that a value could have.
            rows: rows of each file to look at.
        """
        seen, possible = 0, 0.0
        for times, values in self._columns([time, column]):
            # The rank of a time serves as well as the time, in any form that sorts.
            rank, (value, _) = _ranks(times[:rows]), encoded(values[:rows].combine_chunks())
            order = np.lexsort((rank, value))
            starts = np.flatnonzero(np.diff(value[order], prepend=-2))
            for ranks in np.split(rank[order], starts[1:]):
                step = max(float(np.quantile(np.diff(ranks), 0.1)), 1.0) if len(ranks) > 1 else 1.0
                seen += len(ranks)
                possible += float(ranks[-1] - ranks[0]) / step + 1
        return seen >= least * possible


def _first_rows(file: File, names: Sequence[str], rows: int) -> pa.Table:
    """The first rows of a file, in columns of the file or of its folders."""
    batches: list[pa.RecordBatch] = []
    for batch in file.batches([name for name in names if name not in file.folders]):
        kept = batch.slice(0, rows)
        batches.append(pa.RecordBatch.from_arrays([file.column(kept, name) for name in names], list(names)))
        rows -= len(kept)
        if not rows:
            break
    # Row groups may number the same names differently; grouping wants one numbering.
    table = pa.Table.from_batches(batches).unify_dictionaries()
    return pa.Table.from_arrays([_whole(column) for column in table.columns], table.column_names)


def _whole(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column, as integers where all its floats are whole."""
    try:
        return as_names(column, "")
    except DataError:
        return column


def _unnamed(column: pa.ChunkedArray) -> int:
    """Number of rows that have no name: null, or an empty text."""
    empty = 0 if types.is_integer(column.type) else pc.sum(pc.equal(column.cast(pa.string()), "")).as_py() or 0
    return int(column.null_count + empty)


def _ranks(column: pa.ChunkedArray) -> Int64s:
    """The place of each value among the distinct ones, int64 (n,), > 0."""
    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    sortable = column.cast(kind).combine_chunks()
    ranks: Int64s = pc.rank(sortable, tiebreaker="dense").to_numpy().astype(np.int64)
    return ranks
