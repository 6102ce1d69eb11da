"""Readings that framing discards: late ones and duplicates. A few are noise; many are a misunderstanding."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from stream.detect.policy import FramePolicy
from stream.errors import DataError
from stream.intake.columns import LongReadings, Readings
from stream.intake.sampling import Clocks, clocks
from stream.intake.tables.column_types import is_text
from stream.intake.tables.files import files
from stream.intake.tables.reader import Layout
from training.data.history import History

MAX_DISCARDED = 0.1  # share of readings


def refuse_discarded(history: History, policy: FramePolicy, dispositions: Mapping[str, int]) -> None:
    """Refuses a history that loses many of its readings. Readings that occur twice do not count.

    Args:
        dispositions: readings by disposition.

    Raises:
        DataError: more than a tenth of the readings have the time of another reading but other values, or stand behind
            later readings.
    """
    late, duplicate, limit = dispositions["late"], dispositions["duplicate"], MAX_DISCARDED * history.rows
    if late + duplicate <= limit:
        return
    layout = history.layout
    of = clocks(batch.columns for batch in history.batches)
    repeated, clashing = _same_times(of, np.concatenate([_value_hashes(batch.columns) for batch in history.batches]))
    seen = f"{layout.path}: {late:,} late and {duplicate:,} duplicate of {history.rows:,} readings would be left out"
    if clashing > limit:
        raise DataError(
            f"{seen}; {clashing:,} have the time of another reading of their series but other values, as if several "
            f"assets were one series ({len(of.names)} series: {layout.why['series']}); "
            f"set `input.series` to the column that names the asset{_text_columns(layout)}"
        )
    ticks = 0 if policy.resample == "none" else policy.interval_ns + policy.grace_ns
    if _behind(of, ticks) - repeated > limit:
        raise DataError(
            f"{seen}: they stand behind later ones of their series; expected each series in order of time, in files "
            f"whose names sort by time; sort the history"
        )


def _same_times(of: Clocks, hashes: NDArray[np.uint64]) -> tuple[int, int]:
    """Counts readings that repeat another one, and those that have its time but other values."""
    order = np.lexsort((hashes, of.time, of.clock))
    other_time = (np.diff(of.clock[order]) != 0) | (np.diff(of.time[order]) != 0)
    other = other_time | (np.diff(hashes[order]) != 0)
    return int((~other).sum()), int((other & ~other_time).sum())


def _behind(of: Clocks, slack_ns: int) -> int:
    """Counts readings whose series had a later reading before them, by more than the slack."""
    order = np.argsort(of.series, kind="stable")
    runs = np.split(of.time[order], np.flatnonzero(np.diff(of.series[order])) + 1)
    return sum(int((run + slack_ns < np.maximum.accumulate(run)).sum()) for run in runs)


def _value_hashes(columns: Readings | LongReadings) -> NDArray[np.uint64]:
    """Hashes the values of each reading, uint64 (n,): readings with equal values have equal hashes."""
    if isinstance(columns, LongReadings):
        return columns.value.view(np.uint64)
    odd = np.random.default_rng(0).integers(0, 2**63, columns.values.shape[1], np.uint64) * np.uint64(2) + np.uint64(1)
    hashes: NDArray[np.uint64] = np.ascontiguousarray(columns.values).view(np.uint64) @ odd
    return hashes


def _text_columns(layout: Layout) -> str:
    """Lists the text columns that may name assets, as the end of a sentence."""
    taken = (layout.time, layout.series, layout.sensor)
    names = [name for name, kind in files(layout.path)[0].types().items() if is_text(kind) and name not in taken]
    return f": {' or '.join(names)}?" if names else ""
