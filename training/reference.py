"""What the levels that a bundle keeps would look like to a recalibration, were they the newer ones."""

from dataclasses import dataclass

import numpy as np

from stream.detect.policy import Rules
from stream.detect.slots import Segments
from stream.intake.columns import Float64s, Int32s
from training.kept import KeptLevels
from training.sieve import near_incidents
from training.tail import block_maxima, blocks


@dataclass(frozen=True)
class Reference:
    """The kept levels, less those in and near the incidents that a threshold makes of them.

    Attributes:
        above: float64 (a,), ascending: what is left of the ratios that are all known.
        below: how many are left of those of which only the grid is known.
        grid: float64 (g,), quantiles of all ratios, ascending; the last belongs to `share`.
        share: of all ratios, how many lie below those that are all known.
        maxima: float64 (B,), the largest level of each block of those that are left, as far as it is known; vetoed
            levels open no incident, and are 0.
    """

    above: Float64s
    below: int
    grid: Float64s
    share: float
    maxima: Float64s

    def quantile(self, q: float) -> float:
        """The ratio that a share of 1 - q exceeds.

        Of levels below those that are all known the sieve takes some out, and nobody knows which: any.
        """
        rank = q * (len(self.above) + self.below)
        if rank >= self.below and len(self.above):
            return float(self.above[min(int(rank - self.below), len(self.above) - 1)])
        within = min(rank / max(self.below, 1), 1.0) * self.share
        return float(np.interp(within, np.linspace(0.0, self.share, len(self.grid)), self.grid))

    def blocks_between(self, low: float, high: float) -> int:
        """How many blocks have their largest level in (low, high]."""
        return int(((self.maxima > low) & (self.maxima <= high)).sum())


def sieved(kept: KeptLevels, grid: Float64s, q: float, rules: Rules) -> Reference:
    """The reference for readings that a threshold of `q` was in force for.

    Args:
        grid: as `training.kept.kept_grid` gives it.
    """
    left = ~near_incidents(kept, kept.level / q, rules)
    known = kept.level >= kept.reach if kept.reach else np.ones(len(kept), np.bool_)
    maxima = largest_of_blocks(kept.series[left], np.where(kept.vetoed, 0.0, kept.level)[left], kept.block)
    return Reference(
        above=np.sort(kept.level[left & known]),
        below=int((left & ~known).sum()),
        grid=grid,
        share=1.0 - float(known.mean()),
        maxima=maxima,
    )


def largest_of_blocks(series: Int32s, values: Float64s, size: int) -> Float64s:
    """float64 (B,): the largest of each block of `size` values of a series; `series` int32 (n,), sorted."""
    place = np.arange(len(series)) - Segments(series).start_of_row
    return block_maxima(values, blocks(series.astype(np.int64), place, size))
