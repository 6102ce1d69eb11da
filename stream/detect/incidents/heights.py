"""Heights of levels: counts in bins of equal ratio, and the height that a share of the levels lies below."""

from math import ceil, log2

import numpy as np

from stream.detect.policy import Learning
from stream.intake.columns import Float32s, Float64s, Int64s

# Edges of the bins of heights, a quarter apart, from a fifth of the unit to some 90 times it.
EDGES = 1.25 ** np.arange(-7, 21)
BINS = len(EDGES) + 1
_LOWEST, _WIDTH = np.append(EDGES[0] / 1.25, EDGES), np.append(EDGES[0] - EDGES[0] / 1.25, 0.25 * EDGES)
# Share of the levels below their lower quartile.
QUARTER = 0.25
# Largest share above the usual level, however few levels there are.
MOST_ABOVE = 0.05


def heights(ratio: Float64s) -> Int64s:
    """The bin of each ratio level / unit, int64 of the same shape."""
    return np.searchsorted(EDGES, ratio).astype(np.int64)


def step(learning: Learning) -> np.float32:
    """The step of counts. All sums of its multiples are exact in float32, so batch boundaries do not change a bit."""
    return np.float32(2.0 ** (ceil(log2(2 * (learning.horizon + learning.block))) - 24))


def fading(learning: Learning) -> np.float32:
    """The factor on all counts after a block: older levels count less."""
    return np.float32(np.exp(-learning.block / learning.horizon))


def scaled(counts: Float32s, by: Float32s | np.float32, steps: np.float32) -> Float32s:
    """Counts times a factor of at most 1, in whole steps: float32 of the same shape."""
    whole: Float32s = np.floor(counts / steps * by) * steps
    return whole


def usual_heights(counts: Float32s, learning: Learning) -> Float64s:
    """The height that only the stated share of the counted levels exceeds, in units: float64 (n,).

    Of few levels a larger share lies above: as much as one block of them.

    Args:
        counts: float32 (n, BINS).
    """
    total = np.cumsum(counts, axis=1, dtype=np.float64)[:, -1]
    share = np.maximum(learning.share, learning.block / np.maximum(total, 1.0))
    return heights_below(counts, 1.0 - np.minimum(share, MOST_ABOVE))


def heights_below(counts: Float32s, share: Float64s) -> Float64s:
    """The height that so large a share of the counted levels lies below, in units: float64 (n,).

    Args:
        counts: float32 (n, BINS). share: float64 (n,).
    """
    below = np.cumsum(counts, axis=1, dtype=np.float64)
    wanted = share * below[:, -1]
    bins = np.minimum((below < wanted[:, None]).sum(axis=1), BINS - 1)
    rows = np.arange(len(counts))
    inside = counts[rows, bins].astype(np.float64)
    part = (wanted - (below[rows, bins] - inside)) / np.maximum(inside, 1e-30)
    height: Float64s = _LOWEST[bins] + _WIDTH[bins] * np.clip(part, 0.0, 1.0)
    return height
