"""How sure a quantile of levels is, and what lies beyond the largest of them.

Neighbouring levels share almost all of their frames, so they count in blocks: as many independent observations as
there are blocks, not as there are levels.
"""

import math
from dataclasses import dataclass

import numpy as np

from stream.errors import DataError
from stream.intake.columns import Float64s, Int64s

REPLICATES = 500
MAX_WORK = 200_000_000  # values looked at in all replicates; fewer replicates beyond, but at least MIN_REPLICATES
MIN_REPLICATES = 100
MIN_MAXIMA = 10
PEAKS = 20  # blocks above the threshold of a tail, at most, or a fifth of them
SHAPES = (-1.0, 0.5)  # from a bounded tail (uniform) to the heaviest for which the moments used exist


@dataclass(frozen=True, slots=True)
class Interval:
    """A quantile and its bootstrap interval. With a single block nothing is known of the spread: low = point = high."""

    point: float
    low: float
    high: float
    blocks: int


def blocks(series: Int64s, row: Int64s, size: int) -> Int64s:
    """Numbers of blocks (n,): values of one series in the same stretch of `size` rows share one. 0, 1, 2, ...

    Args:
        series: integer (n,).
        row: integer (n,), the frame's place in its series, >= 0.
        size: rows per block, >= 1: W + M for levels.
    """
    stretch = row // size
    key = series.astype(np.int64) * (int(stretch.max(initial=0)) + 1) + stretch
    number: Int64s = np.unique(key, return_inverse=True)[1].astype(np.int64)
    return number


def block_maxima(values: Float64s, block: Int64s) -> Float64s:
    """The largest value of each block (B,); blocks are numbered 0 to B - 1 without holes."""
    maxima = np.full(int(block.max(initial=-1)) + 1, -np.inf)
    np.maximum.at(maxima, block, values)
    return maxima


def quantile_interval(values: Float64s, block: Int64s, q: float, confidence: float, seed: int) -> Interval:
    """The q-quantile, with an interval from resampling whole blocks.

    Cost grows with the values above the quantile, not with all of them; 1M values and q = 0.99 take well below a
    second.

    Args:
        values: float64 (n,), finite, n >= 1.
        block: integer (n,), 0 to B - 1 without holes, as `blocks` gives them.
        q: in (0, 1): the smallest value that is not exceeded by more than a share of 1 - q.
        confidence: of the interval, two-sided, in (0, 1).
        seed: of the resampling.

    Raises:
        DataError: no values.

    Source: percentile bootstrap over blocks, Künsch (1989), Lahiri (2003), with fixed blocks.
    """
    if not len(values):
        raise DataError("a quantile of no values; give longer history to calibrate")
    order = np.argsort(values)[::-1]  # largest first
    ordered, owner = values[order], block[order]
    size = np.bincount(block).astype(np.int64)  # (B,)
    point = float(ordered[_above(q, np.array([len(values)]))[0]])
    if len(size) < 2:
        return Interval(point, point, point, len(size))
    # Twice what lies above the quantile usually suffices; a resample that needs more gets more.
    depth = min(len(values), 2 * int(_above(q, np.array([len(values)]))[0]) + 1000)
    replicates = int(np.clip(MAX_WORK // depth, MIN_REPLICATES, REPLICATES))
    draw = np.random.default_rng(seed)
    found = [_resampled(ordered, owner, size, q, depth, draw) for _ in range(replicates)]
    low, high = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(point, float(low), float(high), len(size))


def _resampled(
    ordered: Float64s, owner: Int64s, size: Int64s, q: float, depth: int, draw: np.random.Generator
) -> float:
    """The quantile of one resample of blocks."""
    times = np.bincount(draw.integers(0, len(size), len(size)), minlength=len(size))  # (B,) how often each is drawn
    above = int(_above(q, np.array([int(times @ size)]))[0])
    while True:
        seen = np.cumsum(times[owner[:depth]])
        if seen[-1] > above or depth == len(ordered):
            return float(ordered[np.searchsorted(seen, above, side="right")])
        depth = min(len(ordered), 4 * depth)


def _above(q: float, count: Int64s) -> Int64s:
    """How many of `count` values may lie above their q-quantile. The small term keeps 0.9 * 10 from being above 9."""
    above: Int64s = count - np.clip(np.ceil(q * count - 1e-9), 1, count).astype(np.int64)
    return above


@dataclass(frozen=True, slots=True)
class Excursions:
    """Separate excursions above a threshold: the height of each, float64 (n,), all above it."""

    threshold: float
    heights: Float64s


def excursions(maxima: Float64s, owner: Int64s) -> Excursions:
    """Neighbouring blocks of a series that are above the threshold make one excursion.

    The threshold is where there are most of them, in the largest fifth of the maxima, at least PEAKS.

    Args:
        maxima: float64 (B,), finite.
        owner: int (B,), whose each block is; the blocks of one in a row, in order of time.

    Raises:
        DataError: fewer than MIN_MAXIMA maxima.

    Source: runs declustering, Davison and Smith (1990), "Models for exceedances over high thresholds".
    """
    count = len(maxima)
    if count < MIN_MAXIMA:
        raise DataError(f"a tail of {count} blocks, needed {MIN_MAXIMA}; give longer history to calibrate")
    order = np.argsort(-maxima, kind="stable")
    rank = np.empty(count, np.int64)
    rank[order] = np.arange(count)
    beside = np.flatnonzero(np.diff(owner) == 0)  # blocks whose next is of the same series
    joins = np.bincount(np.maximum(rank[beside], rank[beside + 1]), minlength=count)
    above = int(np.argmax(np.cumsum(1 - joins)[: _most(count)])) + 1
    threshold = float(maxima[order[above]])
    inside = maxima > threshold
    begins = inside.copy()
    begins[beside + 1] &= ~inside[beside]
    return Excursions(threshold, block_maxima(maxima[inside], (np.cumsum(begins) - 1)[inside]))


def tail_start(ordered: Float64s) -> float:
    """How low the threshold of excursions may lie, of ascending block maxima (B,), B >= 1."""
    return float(ordered[-_most(len(ordered)) - 1])


def _most(count: int) -> int:
    """How many of so many maxima may be above the threshold."""
    return min(count - 1, max(PEAKS, count // 5))


@dataclass(frozen=True, slots=True)
class Tails:
    """Generalised Pareto tails above one threshold, float64 (R,) each: values above it, shape, scale."""

    threshold: float
    count: Float64s
    shape: Float64s
    scale: Float64s

    def exceeded_by(self, allowed: float) -> float:
        """The value above which so many are to be expected, > 0: by the mean of all tails.

        The mean of what may be true, not what seems likeliest: a few values leave open tails that are far heavier.
        """
        low, high = self.threshold, max(float(self.each_exceeded_by(allowed).max()), self.threshold)
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self._expected(middle) > allowed else (low, middle)
        return high

    def each_exceeded_by(self, allowed: float) -> Float64s:
        """The same by each tail alone, float64 (R,); no less than the threshold."""
        pairs = zip(self.shape.tolist(), self.count.tolist(), strict=True)
        growth = np.array([_growth(shape, max(count / allowed, 1.0)) for shape, count in pairs])
        each: Float64s = self.threshold + self.scale * growth
        return each

    def _expected(self, value: float) -> float:
        """How many lie above, by the mean of all tails."""
        excess = np.full(len(self.scale), np.inf)
        np.divide(value - self.threshold, self.scale, out=excess, where=self.scale > 0)
        straight = np.abs(self.shape) < 1e-12  # exponential
        shape = np.where(straight, 1.0, self.shape)
        bent = np.maximum(1.0 + shape * excess, 0.0) ** (-1.0 / shape)
        return float((self.count * np.where(straight, np.exp(-excess), bent)).mean())


def resampled_tails(found: Excursions, count: int, seed: int) -> Tails:
    """So many tails that the excursions may come from: a Poisson number of them, each of one of their heights.

    Source of the fit: Hosking and Wallis (1987), Technometrics 29, 339, by probability-weighted moments. Departs from
    it in limiting the shape to SHAPES; the scale then keeps the mean.
    """
    draw = np.random.default_rng(seed)
    excess = np.sort(found.heights) - found.threshold
    # Drawing each a Poisson number of times of mean 1 is the same, and leaves them in order.
    samples = [np.repeat(excess, times) for times in draw.poisson(1.0, (count, len(excess)))]
    fitted = np.array([_fit_excess(sample) for sample in samples])
    return Tails(found.threshold, np.array([float(len(sample)) for sample in samples]), fitted[:, 0], fitted[:, 1])


def _fit_excess(excess: Float64s) -> tuple[float, float]:
    """Shape and scale of a generalised Pareto distribution, from values above 0 in ascending order."""
    count = len(excess)
    if count < 2:
        return 0.0, float(excess.sum())
    mean = float(excess.mean())
    rank = (np.arange(1, count + 1) - 0.35) / count
    weighted = float(((1.0 - rank) * excess).mean())
    shape = 2.0 - mean / (mean - 2.0 * weighted) if mean > 2.0 * weighted else SHAPES[0]
    shape = min(max(shape, SHAPES[0]), SHAPES[1])
    return shape, mean * (1.0 - shape)


def _growth(shape: float, ratio: float) -> float:
    """(ratio^shape - 1) / shape, which is log(ratio) at shape 0."""
    power = shape * math.log(ratio)
    return math.log(ratio) if abs(power) < 1e-12 else math.expm1(power) / shape
