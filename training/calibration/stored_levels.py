"""The levels that a bundle stores, so that another promise or other rules need no retraining.

A bundle stores every level that a threshold can depend on, with its index in its series. These are all ratios level /
scale down to some way below the threshold, and the largest ratio of each block. Of the others it stores quantiles.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stream.detect.incidents.threshold import ThresholdTable
from stream.detect.policy import Rules
from stream.errors import BundleError
from stream.intake.columns import Float64s
from training.calibration.calibrate import Calibration
from training.calibration.levels import Levels
from training.calibration.quantile import MOST_ABOVE
from training.calibration.tail import block_maxima, tail_start

# Share of the levels that is stored at least.
LEAST_STORED = 0.2
COLUMNS = {"series", "place", "time", "vetoed", "quantile", "ratio"}


@dataclass(frozen=True)
class StoredLevels(Levels):
    """Levels read from a bundle. Those below `complete_from` that are not the largest of a block are 0, at time 0.

    Attributes:
        level: ratios, level / scale.
        covered_weeks: series-weeks covered, as the steps are not stored.
    """

    covered_weeks: float = 0.0

    @property
    def weeks(self) -> float:
        """Series-weeks covered."""
        return self.covered_weeks


def stored_table(levels: Levels, calibration: Calibration, rules: Rules) -> pa.Table:
    """Makes the table of the levels that `calibration` was computed from, for the bundle.

    A row with a series is a level: series, place in it (0, 1, ...), time, vetoed, ratio. A row with a quantile is a
    point of the grid 0, 0.01, ... From the last ratio of the grid on, all levels are stored.
    """
    ratio = calibration.ratio
    block = levels.in_block
    maxima = block_maxima(ratio, block)
    grid = _grid(ratio, maxima, calibration, rules)
    chosen = np.flatnonzero((ratio >= grid[-1]) | (ratio == maxima[block]))
    names = np.array(levels.names, dtype=object)[levels.series[chosen]]
    return pa.table(
        {
            "series": pa.array([*names, *[None] * len(grid)], pa.string()),
            "place": pa.array([*levels.index_in_series[chosen].tolist(), *[None] * len(grid)], pa.int64()),
            "time": pa.array([*levels.time[chosen].tolist(), *[None] * len(grid)], pa.timestamp("ns", "UTC")),
            "vetoed": pa.array([*levels.vetoed[chosen].tolist(), *[None] * len(grid)], pa.bool_()),
            "quantile": pa.array([*[None] * len(chosen), *(np.arange(len(grid)) / 100.0).tolist()], pa.float64()),
            "ratio": np.concatenate([ratio[chosen], grid]),
        }
    )


def restored_levels(
    table: pa.Table, thresholds: ThresholdTable, block: int, weeks: float, rate: float = 1.0
) -> StoredLevels:
    """Restores the levels from their table, each at its index.

    Args:
        table: from `stored_table`.
        thresholds: of the same bundle, with the number of levels of each series.
        block: frames of a block, W + M.
        weeks: series-weeks that the levels cover.
        rate: see `Levels.rate`.

    Raises:
        BundleError: the table is of another format, or does not belong to these thresholds.
    """
    names, counts = thresholds.names[:-1], thresholds.rows[:-1]
    if set(table.column_names) != COLUMNS or counts.sum() != thresholds.rows[-1]:
        raise BundleError(
            f"stored levels: columns {table.column_names} and {counts.sum()} levels, expected columns "
            f"{sorted(COLUMNS)} and {thresholds.rows[-1]} levels; train again"
        )
    rows = table.filter(pc.is_valid(table["series"]))
    series = pc.index_in(rows["series"], pa.array(names)).to_numpy()
    at = (np.cumsum(counts) - counts)[series] + rows["place"].to_numpy()
    level, time, vetoed = (np.zeros(counts.sum(), kind) for kind in (np.float64, np.int64, np.bool_))
    level[at], time[at] = rows["ratio"].to_numpy(), rows["time"].cast(pa.int64()).to_numpy()
    vetoed[at] = rows["vetoed"].to_numpy()
    grid = stored_grid(table)
    return StoredLevels(
        names=names,
        series=np.repeat(np.arange(len(names)), counts).astype(np.int32),
        time=time,
        level=level,
        step=np.zeros(len(level), np.int64),
        block=block,
        vetoed=vetoed,
        covered_weeks=weeks,
        # A grid of one point: all levels are stored.
        complete_from=float(grid[-1]) if len(grid) > 1 else 0.0,
        rate=rate,
    )


def stored_grid(table: pa.Table) -> Float64s:
    """Quantiles 0, 0.01, ... of all ratios, up to the ratio from which on all levels are stored: float64 (g,)."""
    grid: Float64s = table.filter(pc.is_valid(table["quantile"]))["ratio"].to_numpy()
    return grid


def _grid(ratio: Float64s, maxima: Float64s, calibration: Calibration, rules: Rules) -> Float64s:
    """Quantiles 0, 0.01, ... of the ratios, up to below all levels that a calibration can depend on."""
    # An incident stays open down to `close_ratio` of a threshold. No threshold lies below the first of these two.
    lowest = min(float(np.quantile(ratio, 1.0 - MOST_ABOVE)), calibration.q_point)
    # A little lower, since scores are rounded.
    needed = min(
        float(np.quantile(ratio, 1.0 - LEAST_STORED)),
        tail_start(np.sort(maxima)),
        rules.close_ratio * lowest * (1.0 - 1e-9),
    )
    grid: Float64s = np.quantile(ratio, np.arange(100) / 100.0, method="lower")
    return grid[: max(1, int(np.searchsorted(grid, needed, side="right")))]
