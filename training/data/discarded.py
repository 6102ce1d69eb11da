"""Readings that teach nothing because others have taken their time: a few are noise, many a misunderstanding."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from stream.detect.policy import FramePolicy
from stream.errors import DataError
from stream.intake.column_types import is_text
from stream.intake.columns import LongReadings, Readings
from stream.intake.parquet import Layout
from stream.intake.parquet_files import files
from stream.intake.sampling import Clocks, clocks
from training.data.history import History

MOST_LOST = 0.1  # share of readings


def refuse_discarded(history: History, policy: FramePolicy, dispositions: Mapping[str, int]) -> None:
    """Refuses history of which a large share is late or duplicate, unless it merely says the same thing twice.

    Raises:
        DataError: more than a tenth have the time of another reading of their series but other values, or stand
            behind later ones.
    """
    late, duplicate, most = dispositions["late"], dispositions["duplicate"], MOST_LOST * history.rows
    if late + duplicate <= most:
        return
    layout = history.layout
    of = clocks(batch.columns for batch in history.batches)
    said_twice, clashing = _same_times(of, np.concatenate([_said(batch.columns) for batch in history.batches]))
    seen = f"{layout.path}: {late:,} late and {duplicate:,} duplicate of {history.rows:,} readings would be left out"
    if clashing > most:
        raise DataError(
            f"{seen}; {clashing:,} have the time of another reading of their series but other values, as if several "
            f"assets were one series ({len(of.names)} series: {layout.why['series']}); "
            f"set `input.series` to the column that names the asset{_texts(layout)}"
        )
    ticks = 0 if policy.resample == "none" else policy.interval_ns + policy.grace_ns
    if _behind(of, ticks) - said_twice > most:
        raise DataError(
            f"{seen}: they stand behind later ones of their series; expected each series in order of time, in files "
            f"whose names sort by time; sort the history"
        )


def _same_times(of: Clocks, said: NDArray[np.uint64]) -> tuple[int, int]:
    """Readings that repeat another one whole; and those that have its time, but say something else."""
    order = np.lexsort((said, of.time, of.clock))
    other_time = (np.diff(of.clock[order]) != 0) | (np.diff(of.time[order]) != 0)
    other = other_time | (np.diff(said[order]) != 0)
    return int((~other).sum()), int((other & ~other_time).sum())


def _behind(of: Clocks, slack_ns: int) -> int:
    """Readings further than the slack behind the newest of their series before them."""
    order = np.argsort(of.series, kind="stable")
    runs = np.split(of.time[order], np.flatnonzero(np.diff(of.series[order])) + 1)
    return sum(int((run + slack_ns < np.maximum.accumulate(run)).sum()) for run in runs)


def _said(columns: Readings | LongReadings) -> NDArray[np.uint64]:
    """uint64 (n,): equal where all values are; by chance hardly ever elsewhere."""
    if isinstance(columns, LongReadings):
        return columns.value.view(np.uint64)
    odd = np.random.default_rng(0).integers(0, 2**63, columns.values.shape[1], np.uint64) * np.uint64(2) + np.uint64(1)
    said: NDArray[np.uint64] = np.ascontiguousarray(columns.values).view(np.uint64) @ odd
    return said


def _texts(layout: Layout) -> str:
    """The columns that may name assets, for a hint."""
    taken = (layout.time, layout.series, layout.sensor)
    texts = [name for name, kind in files(layout.path)[0].types().items() if is_text(kind) and name not in taken]
    return f": {' or '.join(texts)}?" if texts else ""
