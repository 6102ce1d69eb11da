"""Heights of levels: counts in bins of equal ratio, and the height that a share of the levels lies below."""

from bisect import bisect_left
from itertools import accumulate

import numpy as np

from stream.detect.policy import Learning
from stream.intake.columns import Float32s, Float64s, Int64s

# Edges of the bins of heights, a quarter apart, from a fifth of the unit to some 90 times it.
EDGES = 1.25 ** np.arange(-7, 21)
BINS = len(EDGES) + 1
_LOWEST, _WIDTH = np.append(EDGES[0] / 1.25, EDGES), np.append(EDGES[0] - EDGES[0] / 1.25, 0.25 * EDGES)
_LOWEST_OF, _WIDTH_OF = _LOWEST.tolist(), _WIDTH.tolist()
# Share of the levels below their lower quartile.
QUARTER = 0.25
# Largest share above the usual level, however few levels there are.
MOST_ABOVE = 0.05


def heights(ratio: Float64s) -> Int64s:
    """The bin of each ratio level / unit, int64 of the same shape."""
    return np.searchsorted(EDGES, ratio).astype(np.int64)


def usual_heights(counts: Float32s, learning: Learning) -> Float64s:
    """The height that only the stated share of the counted levels exceeds, in units: float64 (n,).

    Of few levels a larger share lies above: as much as one block of them.

    Args:
        counts: float32 (n, BINS).
    """
    total = np.cumsum(counts, axis=1, dtype=np.float64)[:, -1]
    share = np.maximum(learning.share, learning.block / np.maximum(total, 1.0))
    return heights_below(counts, 1.0 - np.minimum(share, MOST_ABOVE))


def usual_and_quartile(counts: list[float], learning: Learning) -> tuple[float, float]:
    """The height of `usual_heights`, and the lower quartile, of one series; to the bit, and fast for one."""
    below = list(accumulate(counts))
    total = below[-1]
    share = max(learning.share, learning.block / max(total, 1.0))
    usual, quartile = (_height_below(counts, below, share * total) for share in (1.0 - min(share, MOST_ABOVE), QUARTER))
    return usual, quartile


def _height_below(counts: list[float], below: list[float], wanted: float) -> float:
    """The height with `wanted` of the counted levels below it."""
    bins = min(bisect_left(below, wanted), BINS - 1)
    part = (wanted - (below[bins] - counts[bins])) / max(counts[bins], 1e-30)
    height: float = _LOWEST_OF[bins] + _WIDTH_OF[bins] * min(max(part, 0.0), 1.0)
    return height


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
