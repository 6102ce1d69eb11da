"""The levels that a bundle keeps, so that another promise or other rules need no retraining.

Kept are all that a threshold can be computed of: every ratio level / scale from some way below the threshold on, the
largest of each block however small, and the place of each in its series. Of the others only a quantile grid is left;
that they are below is all that counts.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stream.detect.incidents.threshold import ThresholdTable
from stream.detect.policy import Rules
from stream.errors import BundleError
from stream.intake.columns import Float64s
from training.calibration.calibrate import MOST_ABOVE, Calibration
from training.calibration.levels import Levels
from training.calibration.tail import block_maxima, tail_start

# The share of the levels that is kept in any case.
KEPT = 0.2
COLUMNS = {"series", "place", "time", "vetoed", "quantile", "ratio"}


@dataclass(frozen=True)
class StoredLevels(Levels):
    """Levels of which only those >= `lowest` and the largest of each block are known; the others are 0, at time 0.

    Attributes:
        level: ratios, level / scale.
        covered: series-weeks.
        lowest: see `Levels.reach`.
        today: see `Levels.rate`.
    """

    covered: float
    lowest: float
    today: float

    @property
    def weeks(self) -> float:
        """Series-weeks covered."""
        return self.covered

    @property
    def reach(self) -> float:
        """The ratio down to which every level is there."""
        return self.lowest

    @property
    def rate(self) -> float:
        """How often levels go far today, times as often as these did."""
        return self.today


def stored_table(levels: Levels, calibration: Calibration, rules: Rules) -> pa.Table:
    """What the bundle keeps of the levels that `calibration` is of.

    Rows with a series are levels: series, place in it (0, 1, ...), time, vetoed, ratio. Rows with a quantile are the
    grid, in steps of 0.01 from 0 on; the largest of it is the ratio from which on all levels are there.
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
            "place": pa.array([*levels.place[chosen].tolist(), *[None] * len(grid)], pa.int64()),
            "time": pa.array([*levels.time[chosen].tolist(), *[None] * len(grid)], pa.timestamp("ns", "UTC")),
            "vetoed": pa.array([*levels.vetoed[chosen].tolist(), *[None] * len(grid)], pa.bool_()),
            "quantile": pa.array([*[None] * len(chosen), *(np.arange(len(grid)) / 100.0).tolist()], pa.float64()),
            "ratio": np.concatenate([ratio[chosen], grid]),
        }
    )


def restored_levels(
    table: pa.Table, thresholds: ThresholdTable, block: int, weeks: float, rate: float = 1.0
) -> StoredLevels:
    """The levels again, all in their places.

    Args:
        table: as `stored_table` made it.
        thresholds: those of the same bundle: how many levels each series had.
        block: frames that share support, W + M.
        weeks: series-weeks that the levels cover.
        rate: see `Levels.rate`.

    Raises:
        BundleError: the table is none of this version's, or not of these thresholds.
    """
    names, counts = thresholds.names[:-1], thresholds.rows[:-1]
    if set(table.column_names) != COLUMNS or counts.sum() != thresholds.rows[-1]:
        raise BundleError(
            f"kept levels: columns {table.column_names}, {counts.sum()} levels of series where all are "
            f"{thresholds.rows[-1]}; expected columns {sorted(COLUMNS)} and as many: train again"
        )
    rows = table.filter(pc.is_valid(table["series"]))
    series = pc.index_in(rows["series"], pa.array(names)).to_numpy()
    at = (np.cumsum(counts) - counts)[series] + rows["place"].to_numpy()
    level, time, vetoed = (np.zeros(counts.sum(), kind) for kind in (np.float64, np.int64, np.bool_))
    level[at], time[at] = rows["ratio"].to_numpy(), rows["time"].cast(pa.int64()).to_numpy()
    vetoed[at] = rows["vetoed"].to_numpy()
    return StoredLevels(
        names=names,
        series=np.repeat(np.arange(len(names)), counts).astype(np.int32),
        time=time,
        level=level,
        step=np.zeros(len(level), np.int64),
        block=block,
        vetoed=vetoed,
        covered=weeks,
        lowest=_lowest(stored_grid(table)),
        today=rate,
    )


def stored_grid(table: pa.Table) -> Float64s:
    """float64 (g,): the quantiles 0, 0.01, ... of all ratios, up to that from which on all levels are kept."""
    grid: Float64s = table.filter(pc.is_valid(table["quantile"]))["ratio"].to_numpy()
    return grid


def _lowest(grid: Float64s) -> float:
    """The ratio from which on all levels are there; where the grid is the smallest one alone, they all are."""
    return float(grid[-1]) if len(grid) > 1 else 0.0


def _grid(ratio: Float64s, maxima: Float64s, calibration: Calibration, rules: Rules) -> Float64s:
    """Quantiles 0, 0.01, ... of the ratios, up to where all that a calibration looks at lies above."""
    # An incident stays open down to `close_ratio` of a threshold, and no threshold is below the first of these.
    lowest = min(float(np.quantile(ratio, 1.0 - MOST_ABOVE)), calibration.q_point)
    # A little lower: a score at the edge is rounded.
    needed = min(
        float(np.quantile(ratio, 1.0 - KEPT)), tail_start(np.sort(maxima)), rules.close_ratio * lowest * (1.0 - 1e-9)
    )
    grid: Float64s = np.quantile(ratio, np.arange(100) / 100.0, method="lower")
    return grid[: max(1, int(np.searchsorted(grid, needed, side="right")))]
