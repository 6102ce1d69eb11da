"""Levels that are another one to the bit: noise never repeats, recordings do."""

import numpy as np

from stream.detect.slots import Segments
from stream.intake.columns import Bools, Float64s, Int32s
from training.kept import KeptLevels
from training.levels import Levels


def repeated_share(levels: Levels, ratio: Float64s, kept: KeptLevels) -> float:
    """Share of the levels, of those as large as the bundle keeps, that stand elsewhere too, less the share usual there.

    Coarse readings in short windows repeat by themselves, and did so in training. A machine at rest has one level for
    long: a run of equal ones counts once.

    Args:
        ratio: float64 (n,), of `levels`, in the units of `kept`.
    """
    known = kept.level >= kept.reach
    old = kept.level[_changed(kept.series, kept.level) & known & (kept.level > 0)]
    new = ratio[_changed(levels.series, ratio) & (ratio >= kept.reach)]
    return max(_share(new, old) - _share(old, old[:0]), 0.0)


def _share(values: Float64s, others: Float64s) -> float:
    """Share of `values` that occur twice, or among `others`."""
    if not len(values):
        return 0.0
    _, where, count = np.unique(values, return_inverse=True, return_counts=True)
    return float(((count[where] > 1) | np.isin(values, others)).mean())


def _changed(series: Int32s, values: Float64s) -> Bools:
    """bool (n,): values that differ from the one before them in their series."""
    changed = np.ones(len(values), np.bool_)
    changed[1:] = values[1:] != values[:-1]
    changed[Segments(series).start] = True
    return changed
