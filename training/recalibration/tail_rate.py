"""Rate of levels near the threshold, compared with the stored levels.

Blocks are counted by their largest level in a zone below the threshold. Above the threshold, normal levels cannot be
told from anomalies; there the shape of the stored levels is taken.
"""

from dataclasses import dataclass

import numpy as np

from stream.intake.columns import Bools, Float64s
from training.calibration.levels import Levels
from training.calibration.stored_levels import StoredLevels
from training.calibration.tail import block_maxima
from training.recalibration import batch_means
from training.recalibration.batch_means import BATCHES, T_QUANTILE
from training.recalibration.drift import Advice, Reason

# Weight of the known rate, in blocks. A rate of few blocks is shrunk to it.
PRIOR = 10
# The zone has one stored block in `ONE_IN`, and at least `FEWEST`.
ONE_IN, FEWEST = 20, 20
# A rate within the factor `SAME` has not changed. Beyond the factor `FAR` the tail is another one.
SAME, FAR = 1.25, 3.0


@dataclass(frozen=True, slots=True)
class TailRate:
    """Blocks whose largest level lies near the threshold.

    Attributes:
        near: number of these blocks.
        expected: their expected number.
        rate: see `Levels.rate`. Unchanged within chance, else shrunk to the known rate.
    """

    near: int
    expected: float
    rate: float
    reasons: tuple[Reason, ...]


def tail_rate(levels: Levels, ratio: Float64s, stored: StoredLevels, upto: float) -> TailRate:
    """Compares the blocks of newer levels with the stored blocks, in a zone below `upto`.

    Args:
        ratio: float64 (n,), of `levels`, divided by their growth.
        upto: the smallest threshold in force, in the same unit. Levels above are not used.
    """
    old = _largest_up_to(stored, stored.level, upto)
    start = max(stored.complete_from, _zone_start(np.sort(old)))
    known = int((old > start).sum())
    if not known:
        return TailRate(0, 0.0, stored.rate, ())
    is_near = _largest_up_to(levels, ratio, upto) > start
    near, expected = int(is_near.sum()), known / len(old) * len(is_near) * stored.rate
    chance = T_QUANTILE * np.sqrt(_dispersion(is_near, levels) * (expected + expected**2 / known))
    factor = (near + PRIOR) / (expected + PRIOR)
    if abs(near - expected) <= chance or max(factor, 1.0 / factor) < SAME:
        return TailRate(near, expected, stored.rate, ())
    return TailRate(near, expected, stored.rate * factor, (_reason(near, expected),))


def _zone_start(ordered: Float64s) -> float:
    """Lower end of the zone, from ascending block maxima (B,)."""
    return float(ordered[-min(max(FEWEST, len(ordered) // ONE_IN), len(ordered) - 1) - 1])


def _largest_up_to(levels: Levels, ratio: Float64s, upto: float) -> Float64s:
    """Largest ratio of each block that is not above `upto`, float64 (B,). Vetoed frames count as 0."""
    return block_maxima(np.where(levels.vetoed | (ratio > upto), 0.0, ratio), levels.in_block)


def _reason(near: int, expected: float) -> Reason:
    counts = f"{near} blocks come near the threshold, {expected:.3g} are usual"
    if near > FAR * expected:
        return Reason(Advice.RETRAIN, f"{counts}: levels crowd below it while their bulk stays where it was")
    if near < expected / FAR:
        return Reason(Advice.RETRAIN, f"{counts}: the tail is gone while the bulk stays: replayed or chosen data")
    return Reason(Advice.RECALIBRATE, f"{counts}: the tail has changed")


def _dispersion(near: Bools, levels: Levels) -> float:
    """Variance over mean of the counts of ten stretches, at least 1: the dependence between blocks."""
    first = levels.index_in_series % levels.block == 0
    counts = np.bincount(batch_means.batches(levels.series, levels.block)[first], near, BATCHES)
    return max(float(counts.var(ddof=1) / counts.mean()), 1.0) if near.any() else 1.0
