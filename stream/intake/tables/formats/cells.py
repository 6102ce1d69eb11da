"""The values of consecutive rows of a file, with those that are no numbers."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stream.intake.bad_values import SHOWN, BadValue, Seen, kind_of, shown
from stream.intake.columns import Bools, Float64s, Int32s, Int64s
from stream.intake.tables.formats.numbers import Bad


@dataclass(frozen=True, slots=True)
class Cells:
    """Values of n rows.

    Attributes:
        values: float64 (n, C), NaN where there is no number: a column per sensor, or one (long).
        bad: of each of the C columns, the values that are no numbers.
        sensors: F names.
        sensor: int32 (n,), long: index of the sensor of each row, -1 where it is not read; None: wide.
    """

    values: Float64s
    bad: tuple[Bad, ...]
    sensors: tuple[str, ...]
    sensor: Int32s | None

    def numberless(self, bad_is_dead: bool) -> Bools:
        """Rows that are dead for their values, bool (n,).

        Those with text for a number, and no number of any sensor. NaN is how many tables write that a value is missing,
        so it kills no row. Where `bad_is_dead`, all rows with a value that is no number.
        """
        rows: Bools = np.zeros(len(self.values), np.bool_)
        for of in self.bad:
            kills = [bad_is_dead or isinstance(value, str) for value in of.values]
            rows[of.rows[np.array(kills, np.bool_)[of.which]]] = True
        if not bad_is_dead:
            odd = np.flatnonzero(rows)
            rows[odd] = np.isnan(self.values[odd]).all(axis=1)
        return rows

    def first_bad(self, rows: Bools) -> Iterator[tuple[int, str, float | str]]:
        """Of each of the rows, bool (n,), ascending: the first sensor whose value is no number, and that value."""
        column, which = np.full((2, len(rows)), -1)
        for i, of in reversed(list(enumerate(self.bad))):
            column[of.rows], which[of.rows] = i, of.which
        for row in np.flatnonzero(rows).tolist():
            at = int(column[row])
            sensor = at if self.sensor is None else int(self.sensor[row])
            yield row, self.sensors[sensor], self.bad[at].values[which[row]]

    def bad_values(self, names: list[str], series: Int64s, position: Int64s) -> dict[BadValue, Seen]:
        """Counts the bad values of the rows that have a position, int64 (n,), and not -1.

        Args:
            series: int64 (n,), index of each row into `names`.
        """
        found = dict[BadValue, Seen]()
        for i, of in enumerate(self.bad):
            taken = position[of.rows] >= 0
            rows, which = of.rows[taken], of.which[taken]
            if not len(rows):
                continue
            sensor = np.full(len(rows), i) if self.sensor is None else self.sensor[rows].astype(np.int64)
            keys = np.stack([series[rows], sensor, which])
            order = np.lexsort(keys)
            starts = np.flatnonzero(np.append(True, (np.diff(keys[:, order]) != 0).any(axis=0)))
            for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(rows)], strict=True):
                at, of_sensor, value = (int(key) for key in keys[:, order[start]])
                bad = of.values[value]
                counted = BadValue(names[at], self.sensors[of_sensor], kind_of(bad), shown(bad))
                positions = position[rows[order[start : min(end, start + SHOWN)]]]
                found[counted] = Seen(end - start, tuple(positions.tolist()))
        return dict(sorted(found.items(), key=lambda one: one[1].positions))
