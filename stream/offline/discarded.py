"""Readings that framing discards: late ones and duplicates. A few are noise; many are a misunderstanding."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from stream.errors import DataError
from stream.intake.columns import LongReadings, Readings
from stream.intake.sampling import Clocks, clocks
from stream.intake.tables.column_types import may_name
from stream.intake.tables.files import files
from stream.intake.tables.reader import Batch, Layout
from stream.intake.tables.repeated_times import FirstRows

MAX_DISCARDED = 0.1  # share of readings


def refuse_discarded(layout: Layout, batches: Iterable[Batch], dispositions: Mapping[str, int]) -> None:
    """Refuses readings in order many of which would be discarded. Readings that occur twice do not count.

    Args:
        dispositions: readings by disposition.

    Raises:
        DataError: more than a tenth of the readings have the time of another reading but other values.
    """
    columns = [batch.columns for batch in batches]
    readings = sum(map(len, columns))
    late, duplicate, limit = dispositions["late"], dispositions["duplicate"], MAX_DISCARDED * readings
    if late + duplicate <= limit:
        return
    of = clocks(columns)
    clashing = _clashing(of, np.concatenate([_value_hashes(each) for each in columns]))
    if clashing > limit:
        raise DataError(
            f"{layout.path}: {late:,} late and {duplicate:,} duplicate of {readings:,} readings would be left out; "
            f"{clashing:,} have the time of another reading of their series but other values, as if several "
            f"assets were one series ({len(of.names)} series: {_why(layout)}); {_remedy(layout)}"
        )


def _clashing(of: Clocks, hashes: NDArray[np.uint64]) -> int:
    """Counts readings that have the time of another one but other values."""
    order = np.lexsort((hashes, of.time, of.clock))
    other_time = (np.diff(of.clock[order]) != 0) | (np.diff(of.time[order]) != 0)
    other = other_time | (np.diff(hashes[order]) != 0)
    return int((other & ~other_time).sum())


def _value_hashes(columns: Readings | LongReadings) -> NDArray[np.uint64]:
    """Hashes the values of each reading, uint64 (n,): readings with equal values have equal hashes."""
    if isinstance(columns, LongReadings):
        return columns.value.view(np.uint64)
    odd = np.random.default_rng(0).integers(0, 2**63, columns.values.shape[1], np.uint64) * np.uint64(2) + np.uint64(1)
    hashes: NDArray[np.uint64] = np.ascontiguousarray(columns.values).view(np.uint64) @ odd
    return hashes


def _why(layout: Layout) -> str:
    """The reason why these are the series."""
    adopted = layout.series_name is not None and "series_name" in layout.why
    return layout.why["series_name" if adopted else "series"]


def _remedy(layout: Layout) -> str:
    """The setting that tells the assets apart."""
    column = f"set `input.series` to the column that names the asset{_candidates(layout)}"
    if layout.series_name is None or "series_name" in layout.why:
        return column
    return f"leave `input.series_name` out, so that each file is a series, or {column}"


def _candidates(layout: Layout) -> str:
    """Lists the columns of text and of whole numbers that may name assets, as the end of a sentence."""
    found = [file for file in files(layout.path) if file.rows]
    taken = (layout.time, layout.series, layout.sensor, layout.value)
    may = [name for name, kind in found[0].types().items() if may_name(kind) and name not in taken]
    may = [name for name in may if all(name in file.types() for file in found)]
    rows = FirstRows(found)
    names = [name for name in may if rows.tells_apart(name)]
    return f": {' or '.join(names)}?" if names else ""
