"""Growth of levels since the thresholds were set, from the levels below the thresholds."""

from dataclasses import dataclass

import numpy as np

from stream.detect.incidents.threshold import ThresholdTable
from stream.detect.slots import Segments
from stream.intake.columns import Float64s, Int64s
from stream.settings.detection import RecalibrationSettings
from training.calibration.levels import Levels
from training.recalibration import batch_means
from training.recalibration.batch_means import Estimate
from training.recalibration.evidence import BundleThresholds, Evidence, widening
from training.recalibration.reference_levels import ReferenceLevels

# A series with so many blocks has half of the weight; the growth of all series has the other half.
FEW_BLOCKS = 10


@dataclass(frozen=True)
class Growth:
    """Factors by which levels have grown.

    Attributes:
        pool: of all series together.
        series: of each series with enough blocks and a precise median, by its index.
        factor: float64 (R,), of each row of the thresholds. Series with few blocks are shrunk to the pool.
    """

    pool: Estimate
    series: dict[int, Estimate]
    factor: Float64s


def level_growth(
    bundle: BundleThresholds,
    evidence: Evidence,
    reference: ReferenceLevels,
    ratio: Float64s,
    bounds: RecalibrationSettings,
) -> Growth:
    """Estimates by which factor the levels of each series have grown.

    Args:
        ratio: float64 (n,), level / scale of `evidence.levels`.
    """
    table, levels = bundle.table, evidence.levels
    batch, own_median = batch_means.batches(levels.series, levels.block), _own_median(table, reference.quantile(0.5))
    widened = widening(len(levels), len(bundle.stored))
    pool = _growth(reference, ratio, batch, float(evidence.exceeding.sum()), widened, table.q)
    series: dict[int, Estimate] = {}
    for s, start, end in Segments(levels.series):
        if -(-(end - start) // levels.block) >= bounds.min_blocks:
            # A series without levels in the bundle has the scale of all series.
            own, widened = slice(start, end), widening(end - start, int(table.rows[s] or table.rows[-1]))
            growth = _growth(reference, ratio[own], batch[own], float(evidence.exceeding[s]), widened, table.q)
            if growth.within(bounds.max_total):
                series[s] = growth.times(1.0 / own_median[s])
    return Growth(pool, series, _shrunk(series, levels, pool.value, len(table.names)))


def _own_median(table: ThresholdTable, usual: float) -> Float64s:
    """Median ratio of each row over the `usual` median ratio of all rows, float64 (R,). 1 where it is not known."""
    own = np.full(len(table.scale), usual) if table.median is None else table.median / table.scale
    share: Float64s = np.where((own > 0) & np.isfinite(own), own, usual) / usual
    return share


def _growth(
    reference: ReferenceLevels, ratio: Float64s, batch: Int64s, exceeding: float, widened: float, q: float
) -> Estimate:
    """Estimates growth from the ratios below q. Ratios above q are not known to be normal.

    The median below q is compared with the median of the reference below q. The growth is at most that for which all
    exceeding frames are normal: shifted levels have fewer of them than grown ones.
    """
    below = reference.growth(batch_means.median(ratio, batch, widened), q)
    return below.or_less(batch_means.median(ratio, batch, widened, exceeding).times(1.0 / reference.quantile(0.5)))


def _shrunk(series: dict[int, Estimate], levels: Levels, pool: float, rows: int) -> Float64s:
    """Growth of each row, float64 (R,), shrunk to the pool in the logarithm where blocks are few."""
    factor = np.full(rows, pool)
    blocks = np.bincount(levels.series, minlength=rows) / levels.block
    for s, growth in series.items():
        share = blocks[s] / (blocks[s] + FEW_BLOCKS)
        factor[s] = np.exp(share * np.log(max(growth.value, 1e-12)) + (1.0 - share) * np.log(max(pool, 1e-12)))
    return factor
