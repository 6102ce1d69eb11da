"""Levels that repeat other levels to the bit. Noise never does; recordings do."""

import numpy as np

from stream.intake.columns import Bools, Float64s, Int32s
from training.calibration.levels import Levels
from training.calibration.stored_levels import StoredLevels

# Logarithms of steps are equal if they agree to so many decimals. Rounding errors are far smaller.
DECIMALS = 10


def replayed_share(levels: Levels, ratio: Float64s, stored: StoredLevels) -> float:
    """Computes the share of steps between neighbouring levels that occur elsewhere too, beyond the usual share.

    Steps do not depend on the scale of a series. Only levels as large as the stored ones are compared. The usual share
    is that among the stored levels: coarse readings in short windows repeat by themselves. A machine at rest has the
    same level for long, which is no step.

    Args:
        ratio: float64 (n,), level / scale of `levels`.
    """
    old = _steps(stored.series, stored.level, (stored.level >= stored.complete_from) & (stored.level > 0))
    new = _steps(levels.series, ratio, (ratio >= stored.complete_from) & (ratio > 0))
    return max(_share(new, old) - _share(old, old[:0]), 0.0)


def _steps(series: Int32s, values: Float64s, known: Bools) -> Float64s:
    """Logarithm of the step from each known value to the next one of its series, where they differ."""
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
