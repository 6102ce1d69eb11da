"""How often levels come near the threshold, beside what the kept levels say: all that is seen of a tail cut off there.

It is counted in blocks, in a zone below the threshold: beyond, nobody can tell normal levels
from trouble, and the shape of the kept ones is taken.
"""

from dataclasses import dataclass

import numpy as np

from stream.intake.columns import Bools, Float64s
from training.calibration.levels import Levels
from training.calibration.stored_levels import StoredLevels
from training.calibration.tail import block_maxima
from training.recalibration import batch_means
from training.recalibration.batch_means import BATCHES, T
from training.recalibration.drift import Advice, Reason

# So many blocks weigh as much as those that were seen: a rate of few is shrunk to the known one.
PRIOR = 10
# The zone begins so that one kept block in so many is in it, and no fewer than these.
ONE_IN, FEWEST = 20, 20
# A rate that has changed by less is the same; one that has changed by more is another tail.
SAME, FAR = 1.25, 3.0


@dataclass(frozen=True, slots=True)
class TailRate:
    """Blocks whose largest level lies near the threshold: `seen`, and `expected` of so many blocks.

    Attributes:
        rate: see `Levels.rate`; as it was where chance would do, and shrunk to that.
    """

    seen: int
    expected: float
    rate: float
    said: tuple[Reason, ...]


def tail_rate(levels: Levels, ratio: Float64s, kept: StoredLevels, upto: float) -> TailRate:
    """Compares the blocks of newer levels with the kept ones, in the zone that the highest of them reach below `upto`.

    Args:
        ratio: float64 (n,), of `levels`, in units in which their bulk is that of the kept ones.
        upto: the smallest of the thresholds that were in force, in the same units; what lies above is not looked at.
    """
    old = _largest_up_to(kept, kept.level, upto)
    start = max(kept.reach, _zone(np.sort(old)))
    known = int((old > start).sum())
    if not known:
        return TailRate(0, 0.0, kept.rate, ())
    near = _largest_up_to(levels, ratio, upto) > start
    seen, expected = int(near.sum()), known / len(old) * len(near) * kept.rate
    chance = T * np.sqrt(_dispersion(near, levels) * (expected + expected**2 / known))
    measured = (seen + PRIOR) / (expected + PRIOR)
    if abs(seen - expected) <= chance or max(measured, 1.0 / measured) < SAME:
        return TailRate(seen, expected, kept.rate, ())
    return TailRate(seen, expected, kept.rate * measured, (_said(seen, expected),))


def _zone(ordered: Float64s) -> float:
    """Where the highest of the block maxima (B,), ascending, begin."""
    return float(ordered[-min(max(FEWEST, len(ordered) // ONE_IN), len(ordered) - 1) - 1])


def _largest_up_to(levels: Levels, ratio: Float64s, upto: float) -> Float64s:
    """float64 (B,): of each block, the largest ratio that is not above; vetoed frames open no incident, and are 0."""
    return block_maxima(np.where(levels.vetoed | (ratio > upto), 0.0, ratio), levels.in_block)


def _said(seen: int, expected: float) -> Reason:
    told = f"{seen} blocks come near the threshold, {expected:.3g} are usual"
    if seen > FAR * expected:
        return Reason(Advice.RETRAIN, f"{told}: levels crowd below it while their bulk stays where it was")
    if seen < expected / FAR:
        return Reason(Advice.RETRAIN, f"{told}: the tail is gone while the bulk stays: replayed or chosen data")
    return Reason(Advice.RECALIBRATE, f"{told}: the tail has changed")


def _dispersion(near: Bools, levels: Levels) -> float:
    """Variance of the counts of ten stretches over their mean, at least 1: how much blocks hang together."""
    first = levels.place % levels.block == 0
    counts = np.bincount(batch_means.batches(levels.series, levels.block)[first], near, BATCHES)
    return max(float(counts.var(ddof=1) / counts.mean()), 1.0) if near.any() else 1.0
