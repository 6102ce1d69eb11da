"""Distribution of the levels that a bundle stores, the reference for newer levels.

Newer levels above the threshold are not used, since normal ones cannot be told from anomalies. The others must not be
compared with all levels of the calibration, or thresholds would fall from run to run. So the reference is cut off at
the same place. Where levels have grown, that place lies lower in the reference; growth and cut are found together.
"""

from dataclasses import dataclass

import numpy as np

from stream.intake.columns import Float64s
from training.calibration.stored_levels import StoredLevels
from training.recalibration.batch_means import Estimate

# Bounds of the growth, and steps of the bisection.
LEAST_GROWTH, MOST_GROWTH, HALVINGS = 0.1, 10.0, 40


@dataclass(frozen=True)
class ReferenceLevels:
    """Distribution of the ratios level / scale.

    Attributes:
        above: float64 (a,), ascending: the largest ratios, of which every one is known.
        count: number of all ratios.
        grid: float64 (g,), quantiles of all ratios in equal steps from 0 on, up to `above`.
    """

    above: Float64s
    count: int
    grid: Float64s

    def quantile(self, q: float) -> float:
        """Ratio that a share of 1 - q exceeds."""
        below = self.count - len(self.above)
        rank = q * self.count
        if rank >= below and len(self.above):
            return float(self.above[min(int(rank - below), len(self.above) - 1)])
        return float(np.interp(rank, np.linspace(0.0, below, len(self.grid)), self.grid))

    def share_below(self, ratio: float) -> float:
        """Share of all ratios that do not exceed `ratio`."""
        below = self.count - len(self.above)
        if len(self.above) and ratio >= self.above[0]:
            return (below + float(np.searchsorted(self.above, ratio, side="right"))) / self.count
        return float(np.interp(ratio, self.grid, np.linspace(0.0, below, len(self.grid)))) / self.count

    def cut(self, q: float, at: float) -> float:
        """Quantile q of the ratios that do not exceed `at`."""
        return self.quantile(q * self.share_below(at))

    def growth(self, median: Estimate, at: float) -> Estimate:
        """Factor by which levels have grown whose median below `at` is `median`."""
        return Estimate(*(self._growth(value, at) for value in (median.value, median.low, median.high)))

    def _growth(self, median: float, at: float) -> float:
        """Bisects in the logarithm: the median below `at` grows with the levels."""
        low, high = np.log(LEAST_GROWTH), np.log(MOST_GROWTH)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            factor = float(np.exp(middle))
            low, high = (middle, high) if factor * self.cut(0.5, at / factor) < median else (low, middle)
        return float(np.exp((low + high) / 2))


def reference_levels(stored: StoredLevels, grid: Float64s) -> ReferenceLevels:
    """Makes the reference from stored levels and their grid, from `stored_grid`."""
    known = stored.level[stored.level >= stored.complete_from] if stored.complete_from else stored.level
    return ReferenceLevels(np.sort(known), len(stored), grid)
