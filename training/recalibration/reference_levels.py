"""The law of the levels that a bundle keeps, also where it is cut off: what newer levels are compared with.

Newer levels above the threshold are not looked at, since nobody can tell normal ones from trouble. What is left must
not be compared with all levels of the calibration, or thresholds would fall from run to run: the law is cut off at the
same place. Where levels have grown, that place lies lower among them, so both are found together.
"""

from dataclasses import dataclass

import numpy as np

from stream.intake.columns import Float64s
from training.calibration.stored_levels import StoredLevels
from training.recalibration.batch_means import Estimate

# Growth is looked for within these bounds, so closely.
LEAST_GROWTH, MOST_GROWTH, HALVINGS = 0.1, 10.0, 40


@dataclass(frozen=True)
class ReferenceLevels:
    """The distribution of ratios level / scale.

    Attributes:
        above: float64 (a,), ascending: the ratios from which on all are known.
        count: how many there are, the unknown ones included.
        grid: float64 (g,), quantiles of all in equal steps from 0 on, up to the share below `above`.
    """

    above: Float64s
    count: int
    grid: Float64s

    def quantile(self, q: float) -> float:
        """The ratio that a share of 1 - q exceeds."""
        below = self.count - len(self.above)
        rank = q * self.count
        if rank >= below and len(self.above):
            return float(self.above[min(int(rank - below), len(self.above) - 1)])
        return float(np.interp(rank, np.linspace(0.0, below, len(self.grid)), self.grid))

    def share_below(self, ratio: float) -> float:
        """How many of all do not exceed `ratio`."""
        below = self.count - len(self.above)
        if len(self.above) and ratio >= self.above[0]:
            return (below + float(np.searchsorted(self.above, ratio, side="right"))) / self.count
        return float(np.interp(ratio, self.grid, np.linspace(0.0, below, len(self.grid)))) / self.count

    def cut(self, q: float, at: float) -> float:
        """The same quantile of those that do not exceed `at`."""
        return self.quantile(q * self.share_below(at))

    def growth(self, median: Estimate, at: float) -> Estimate:
        """By which factor levels have grown whose median is this one, when those above `at` are cut off."""
        return Estimate(*(self._growth(value, at) for value in (median.value, median.low, median.high)))

    def _growth(self, median: float, at: float) -> float:
        """Bisection in the logarithm: the median of grown levels that are cut off grows with them."""
        low, high = np.log(LEAST_GROWTH), np.log(MOST_GROWTH)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            factor = float(np.exp(middle))
            low, high = (middle, high) if factor * self.cut(0.5, at / factor) < median else (low, middle)
        return float(np.exp((low + high) / 2))


def reference_levels(kept: StoredLevels, grid: Float64s) -> ReferenceLevels:
    """The law of the kept levels; `grid` as `stored_grid` gives it."""
    known = kept.level[kept.level >= kept.reach] if kept.reach else kept.level
    return ReferenceLevels(np.sort(known), len(kept), grid)
