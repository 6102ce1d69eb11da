"""Levels that go the way that others went, to the bit: noise never repeats, recordings do."""

import numpy as np

from stream.intake.columns import Bools, Float64s, Int32s
from training.calibration.levels import Levels
from training.calibration.stored_levels import StoredLevels

# Logarithms of growth are the same where they agree to so many decimals: their rounding is far finer, chance coarser.
DECIMALS = 10


def replayed_share(levels: Levels, ratio: Float64s, kept: StoredLevels) -> float:
    """Share of the steps from one level to the next that stand elsewhere too, less the share usual among kept levels.

    Steps, since they are the same whatever scale a level was divided by; those among levels as large as the bundle
    keeps. Coarse readings in short windows repeat by themselves, and did so in training. A machine at rest has one
    level for long, which is no step.

    Args:
        ratio: float64 (n,), of `levels`, in the units of `kept`.
    """
    old = _steps(kept.series, kept.level, (kept.level >= kept.reach) & (kept.level > 0))
    new = _steps(levels.series, ratio, (ratio >= kept.reach) & (ratio > 0))
    return max(_share(new, old) - _share(old, old[:0]), 0.0)


def _steps(series: Int32s, values: Float64s, known: Bools) -> Float64s:
    """Growth, in the logarithm, from each known value to the next of its series, where that is known and another."""
    both = known[1:] & known[:-1] & (series[1:] == series[:-1])
    both &= values[1:] != values[:-1]
    steps: Float64s = np.round(np.log(values[1:][both] / values[:-1][both]), DECIMALS)
    return steps


def _share(values: Float64s, others: Float64s) -> float:
    """Share of `values` that occur twice, or among `others`."""
    if not len(values):
        return 0.0
    _, where, count = np.unique(values, return_inverse=True, return_counts=True)
    return float(((count[where] > 1) | np.isin(values, others)).mean())
