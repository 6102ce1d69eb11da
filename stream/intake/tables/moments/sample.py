"""The first and last rows of a data set: enough to judge the form of its times, few enough to be quick."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from stream.intake.columns import Bools, Int64s
from stream.intake.tables.files import File
from stream.intake.tables.moments.conversion import TimeForm, column_to_ns

# Rows that are read in all, and the fewest at each end of a file.
_ROWS, _LEAST = 200_000, 1_000
# Characters of a value that a sentence shows.
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Sample:
    """Values of columns in the first and last rows of each file that has them, as arrays per column."""

    parts: tuple[tuple[pa.Array, ...], ...]

    def read(self, form: TimeForm) -> tuple[Int64s, Bools, Bools]:
        """Times in ns, a mask of the valid ones, and one of the nulls; see `column_to_ns`. The date is column 1."""
        read = [column_to_ns(part[0], part[1] if form.date is not None else None, form) for part in self.parts]
        if not read:
            return np.zeros(0, np.int64), np.zeros(0, np.bool_), np.zeros(0, np.bool_)
        times, good, null = (np.concatenate(arrays) for arrays in zip(*read, strict=True))
        return times, good, null

    def ends(self) -> tuple[object, object]:
        """The first and the last value of the first column that is not null, numbers or texts; None where all are."""
        found = [values for part in self.parts for values in (pc.drop_null(part[0]),) if len(values)]
        return (_plain(found[0][0]), _plain(found[-1][-1])) if found else (None, None)


def sample(found: Sequence[File], columns: Sequence[str]) -> Sample:
    """Reads the first and last rows of each file that has the columns, 200,000 in all where files are few."""
    rows = max(_ROWS // (2 * len(found)), _LEAST)
    files = [file for file in found if file.rows and set(columns) <= set(file.types())]
    return Sample(
        tuple(
            tuple(file.column(batch, name) for name in columns)
            for file in files
            for batch in file.ends([name for name in columns if name not in file.folders], rows)
        )
    )


def _plain(value: pa.Scalar) -> object:
    """A number as it is, anything else as short text: a timestamp may be out of Python's range."""
    number = types.is_integer(value.type) or types.is_floating(value.type)
    return value.as_py() if number else str(value.cast(pa.string()))[:_SHOWN]
