"""Confidence intervals of the mean and the median of dependent values, from ten stretches of them.

Neighbouring levels share almost all of their frames, and machines have daily patterns. A stretch has whole blocks of
W + M frames and is as long as the data allow. So a change that lasts less than a tenth of the data counts as chance.
"""

from dataclasses import dataclass

import numpy as np

from stream.detect.slots import Segments
from stream.intake.columns import Float64s, Int32s, Int64s
from stream.registry.recalibration_facts import Interval

BATCHES = 10
# Quantile of Student's t with BATCHES - 1 degrees of freedom, for a two-sided interval of 99 %.
T_QUANTILE = 3.25


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 99 % interval."""

    value: float
    low: float
    high: float

    def facts(self) -> Interval:
        """Facts for JSON, where an infinite end is null."""
        return Interval(*(float(end) if np.isfinite(end) else None for end in (self.value, self.low, self.high)))

    def within(self, factor: float) -> bool:
        """The interval lies within a factor of the value, up and down."""
        return self.high <= factor * self.value <= factor**2 * self.low

    def or_less(self, other: "Estimate") -> "Estimate":
        """The smaller of two estimates, end by end."""
        return Estimate(min(self.value, other.value), min(self.low, other.low), min(self.high, other.high))

    def times(self, factor: float) -> "Estimate":
        """The estimate in another unit; `factor` > 0."""
        return Estimate(*(float(end * factor) for end in (self.value, self.low, self.high)))


def batches(series: Int32s, block: int) -> Int64s:
    """Numbers the ten stretches of each series: int64 (n,), 0 to 9. A stretch has whole blocks.

    Args:
        series: int32 (n,), sorted.
    """
    runs = Segments(series)
    stretch = (np.arange(len(series)) - runs.start_of_row) // block
    count = -(-runs.length // block)[runs.of_row]
    batch: Int64s = stretch * BATCHES // np.maximum(count, BATCHES)
    return batch


def mean(values: Float64s, batch: Int64s, widened: float = 1.0) -> Estimate:
    """Estimates the mean of values (n,), n >= 1.

    Args:
        batch: int64 (n,), the stretch of each value.
        widened: factor of the interval, for comparison with another estimate.
    """
    middle = float(values.mean())
    off = T_QUANTILE * widened * _spread(values - middle, batch)
    return Estimate(middle, middle - off, middle + off)


def median(values: Float64s, batch: Int64s, widened: float = 1.0, beyond: float = 0.0) -> Estimate:
    """Estimates the median of values (n,), n >= 1, and of `beyond` more that are larger than all of them.

    The median is infinite where `beyond` is more than n.

    Source: Woodruff (1952), JASA 47, 635: the interval of the share below the median, taken through the quantiles.
    """
    rank = 0.5 * (1.0 + beyond / len(values))
    middle = _quantile(values, rank)
    off = T_QUANTILE * widened * _spread((values > middle).astype(np.float64) - (1.0 - rank), batch)
    low, high = (
        _quantile(values, max(rank - off, 0.0)),
        _quantile(values, rank + off if beyond else min(rank + off, 1.0)),
    )
    return Estimate(middle, min(low, middle), max(high, middle))


def _quantile(values: Float64s, rank: float) -> float:
    return float(np.quantile(values, rank)) if rank <= 1.0 else float("inf")


def _spread(deviations: Float64s, batch: Int64s) -> float:
    """Standard error of the mean of `deviations`, from the sums of the batches. One batch: infinite."""
    sums = np.bincount(batch, deviations)
    used = np.bincount(batch) > 0
    count = int(used.sum())
    if count < 2:
        return float("inf")
    return float(np.sqrt(count / (count - 1) * (sums[used] ** 2).sum()) / len(deviations))
