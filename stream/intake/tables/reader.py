"""Files of history to columns of readings, the same that messages decode to, with labels where the history has them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from stream.intake.bad_values import BadValues, shown
from stream.intake.columns import (
    Bools,
    Dead,
    Float64s,
    Int32s,
    Int64s,
    LongReadings,
    Readings,
    Reason,
    reason_of,
    used_names,
)
from stream.intake.tables.column_types import as_names, encoded
from stream.intake.tables.files import File, files
from stream.intake.tables.files import count_rows as count_rows
from stream.intake.tables.formats.cells import Cells
from stream.intake.tables.formats.numbers import NO_BAD, Bad, numbers_of
from stream.intake.tables.hints import Hints as Hints
from stream.intake.tables.label_values import labels_of
from stream.intake.tables.labels import label_column as label_column
from stream.intake.tables.layout import Layout as Layout
from stream.intake.tables.layout import discover as discover
from stream.intake.tables.merged import check_columns, numbers_in
from stream.intake.tables.moments.conversion import column_to_ns
from stream.intake.time_formats import bounds


@dataclass(frozen=True, slots=True)
class Batch:
    """Readings of consecutive rows of one file, or of rows of many files that were put in order.

    Attributes:
        columns: the readings in the layout of the file; `position` counts rows over all files.
        labels: bool (n,), label of each reading, null counts as false; None where the file has no labels.
        dead: rows without a usable time or series, and those of `numberless`; their `value` is None.
        ignored: rows (long) of sensors that are not read.
        bad: values that are no numbers: of the readings, in which they are missing, and of `numberless`.
        numberless: dead rows by series: with bad values, and no number of any sensor; or with any, where that is asked.
    """

    columns: Readings | LongReadings
    labels: Bools | None
    dead: tuple[Dead, ...] = ()
    ignored: int = 0
    bad: BadValues = field(default_factory=dict)
    numberless: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def readings(self) -> Readings:
        """The readings with a value for every sensor; of a long file they are made at each call."""
        return self.columns.dense() if isinstance(self.columns, LongReadings) else self.columns


def read(
    path: Path | str, layout: Layout, sensors: tuple[str, ...] | None = None, batch_rows: int = 65_536
) -> Iterator[Batch]:
    """Reads all rows at a path, in the order of the files and of their rows; each needed column once.

    Args:
        path: the data set of `layout`, or one like it.
        sensors: F sensors to read instead of the layout's.
        batch_rows: rows per batch, at most.

    Raises:
        DataError: on the first step: no data there, or a file lacks a column.
    """
    wanted = layout.sensors if sensors is None else sensors
    numbers = layout.columns_of(wanted)
    found = files(path)
    check_columns(found, layout.roles, numbers)
    start = 0
    for file in (file for file in found if file.rows):
        reader = _FileReader(file, layout, wanted)
        for rows in reader.row_batches(batch_rows):
            yield reader.batch(rows, start)
            start += rows.num_rows


class _FileReader:
    """Turns the rows of one file into readings."""

    def __init__(self, file: File, layout: Layout, sensors: Sequence[str]) -> None:
        self._file, self._layout, self._sensors = file, layout, sensors
        self._label = layout.label if layout.label in file.types() else None
        self._columns = layout.columns_of(sensors)
        # Another file has numbers where this one has none: they are missing in its rows.
        self._numbers = numbers_in(file, self._columns)
        named = "" if file.table is None else file.table.series
        self._name = layout.series_name or named or file.name

    def row_batches(self, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """The rows of the file, `batch_rows` at a time, in the columns that are needed and that it has."""
        numbers = (name for name in self._columns if name in self._numbers)
        names = dict.fromkeys((*self._layout.roles.values(), *numbers))
        yield from self._file.batches(
            [name for name in names if name is not None and name in self._file.columns],
            batch_rows,
            numbers=self._numbers.difference(self._layout.roles.values()),
        )

    def batch(self, rows: pa.RecordBatch, start: int) -> Batch:
        """The readings of `rows`, whose first is row number `start` of the data set."""
        form = self._layout.times.form
        dates = None if form.date is None else self._file.column(rows, form.date)
        times, timed, time_null = column_to_ns(self._file.column(rows, self._layout.time), dates, form)
        names, series = self._series(rows)
        cells = self._long(rows) or self._wide(rows)
        ours = np.ones(rows.num_rows, np.bool_) if cells.sensor is None else cells.sensor >= 0
        alive = timed & (series >= 0)
        numberless = cells.numberless(self._layout.bad_is_dead) & alive & ours
        keep = alive & ours & ~numberless
        kept, of = used_names(names, series[keep])
        position = np.arange(start, start + rows.num_rows, dtype=np.int64)[keep]
        columns: Readings | LongReadings
        if cells.sensor is None:
            columns = Readings(kept, of, times[keep], _only(cells.values, keep), position)
        else:
            sensor, value = cells.sensor[keep], cells.values[keep, 0]
            columns = LongReadings(kept, of, times[keep], sensor, value, position, len(self._sensors))
        labels = (
            None
            if self._label is None
            else labels_of(self._file.column(rows, self._label), self._layout.anomalous)[keep]
        )
        dead = [self._dead(rows, row, start, timed, time_null) for row in np.flatnonzero(~alive).tolist()]
        dead += self._numberless(cells, numberless, start)
        bad = cells.bad_values(names, series, np.where(alive & ours, np.arange(start, start + rows.num_rows), -1))
        of_series = np.bincount(series[numberless], minlength=len(names)).tolist()
        return Batch(
            columns, labels, tuple(sorted(dead, key=lambda one: one.position)), int(np.count_nonzero(alive & ~ours)),
            bad, {name: count for name, count in zip(names, of_series, strict=True) if count},
        )  # fmt: skip

    def _series(self, rows: pa.RecordBatch) -> tuple[list[str], Int64s]:
        """Names, and the index of each row's name, int64 (n,); -1 where it is null or empty."""
        if self._layout.series is None:
            return [self._name], np.zeros(rows.num_rows, np.int64)
        index, names = self._encoded(rows, self._layout.series)
        empty = [i for i, name in enumerate(names) if not name]
        return names, np.where(np.isin(index, empty), -1, index) if empty else index

    def _wide(self, rows: pa.RecordBatch) -> Cells:
        """The values of rows with a column per sensor."""
        values, bad = np.full((rows.num_rows, len(self._sensors)), np.nan), list[Bad]()
        for i, name in enumerate(self._columns):
            if name in self._numbers:
                values[:, i], of_column = numbers_of(self._file.column(rows, name))
                bad.append(of_column)
            else:
                bad.append(NO_BAD)
        return Cells(values, tuple(bad), tuple(self._sensors), None)

    def _long(self, rows: pa.RecordBatch) -> Cells | None:
        """The values of rows with a column of sensors; None for wide data."""
        if self._layout.sensor is None or self._layout.value is None:
            return None
        index, names = self._encoded(rows, self._layout.sensor)
        place = {name: i for i, name in enumerate(self._sensors)}
        # The last place is that of rows whose sensor is null: index -1.
        sensor: Int32s = np.array([*(place.get(name, -1) for name in names), -1], np.int32)[index]
        values, bad = np.full(rows.num_rows, np.nan), NO_BAD
        if self._layout.value in self._numbers:
            values, bad = numbers_of(self._file.column(rows, self._layout.value))
        return Cells(values[:, None], (bad,), tuple(self._sensors), sensor)

    def _encoded(self, rows: pa.RecordBatch, name: str) -> tuple[Int64s, list[str]]:
        """Index (n,) of a column of names into its distinct ones; -1 for null."""
        index, names = encoded(as_names(self._file.column(rows, name), f"{self._file.path}: column {name!r}"))
        return index, ["" if one is None else str(one) for one in names]

    def _numberless(self, cells: Cells, numberless: Bools, start: int) -> Iterator[Dead]:
        """The rows that are dead for their values."""
        for row, sensor, value in cells.first_bad(numberless):
            said = f"{sensor!r} has {shown(value)}" + (
                ", no number" if self._layout.bad_is_dead else "; no sensor has a number"
            )
            yield Dead(start + row, -1, reason_of(value), f"{self._file.path}: {said}", None, None)

    def _dead(self, rows: pa.RecordBatch, row: int, start: int, timed: Bools, time_null: Bools) -> Dead:
        reason = Reason.MISSING_TIME if time_null[row] else Reason.BAD_TIME if not timed[row] else Reason.MISSING_SERIES
        column = self._layout.series if reason is Reason.MISSING_SERIES else self._layout.time
        detail = f"{self._file.path}: column {column!r}"
        if reason is Reason.BAD_TIME:
            form = self._layout.times.form
            given = self._file.column(rows, self._layout.time).slice(row, 1).cast(pa.string())[0]
            detail += f": {given} is no time{bounds(form.time_format, form.zone)}"
        return Dead(start + row, -1, reason, detail, None, None)


def _only(values: Float64s, keep: Bools) -> Float64s:
    return values if keep.all() else values[keep]
