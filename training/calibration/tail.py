"""Intervals of quantiles of levels, and the tail beyond the largest level.

Neighbouring levels share almost all of their frames, so levels are counted in blocks. A sample has as many independent
observations as blocks.
"""

import math
from dataclasses import dataclass

import numpy as np

from stream.errors import DataError
from stream.intake.columns import Float64s, Int64s

REPLICATES = 500
MAX_WORK = 200_000_000  # values read in all replicates; limits their number, down to MIN_REPLICATES
MIN_REPLICATES = 100
MIN_MAXIMA = 10
PEAKS = 20  # most blocks above the threshold of a tail, or a fifth of all blocks where that is more
SHAPES = (-1.0, 0.5)  # from a bounded tail (uniform) to the heaviest tail whose moments exist


@dataclass(frozen=True, slots=True)
class Interval:
    """A quantile with its bootstrap interval. A single block has no spread: low = point = high."""

    point: float
    low: float
    high: float
    blocks: int


def blocks(series: Int64s, row: Int64s, size: int) -> Int64s:
    """Numbers the blocks: values of one series in the same stretch of `size` rows share a block.

    Args:
        series: integer (n,).
        row: integer (n,), the frame's place in its series, >= 0.
        size: rows per block, >= 1. W + M for levels.

    Returns:
        int64 (n,), block numbers from 0 on, without gaps.
    """
    stretch = row // size
    key = series.astype(np.int64) * (int(stretch.max(initial=0)) + 1) + stretch
    number: Int64s = np.unique(key, return_inverse=True)[1].astype(np.int64)
    return number


def block_maxima(values: Float64s, block: Int64s) -> Float64s:
    """The largest value of each block, float64 (B,). Blocks are numbered 0 to B - 1 without gaps."""
    maxima = np.full(int(block.max(initial=-1)) + 1, -np.inf)
    np.maximum.at(maxima, block, values)
    return maxima


def quantile_interval(values: Float64s, block: Int64s, q: float, confidence: float, seed: int) -> Interval:
    """Estimates the q-quantile, with an interval from resampling whole blocks.

    Cost grows with the number of values above the quantile. 1M values and q = 0.99 take well below a second.

    Args:
        values: float64 (n,), finite, n >= 1.
        block: integer (n,), 0 to B - 1 without gaps, from `blocks`.
        q: in (0, 1). The quantile is the smallest value that at most a share of 1 - q exceeds.
        confidence: two-sided confidence of the interval, in (0, 1).
        seed: of the resampling.

    Raises:
        DataError: there are no values.

    Source: percentile bootstrap over blocks, Künsch (1989), Lahiri (2003), with fixed blocks.
    """
    if not len(values):
        raise DataError("no values to compute a quantile of, needed at least 1; give longer history to calibrate")
    order = np.argsort(values)[::-1]  # largest first
    ordered, owner = values[order], block[order]
    size = np.bincount(block).astype(np.int64)  # (B,)
    point = float(ordered[_above(q, np.array([len(values)]))[0]])
    if len(size) < 2:
        return Interval(point, point, point, len(size))
    # Twice the number above the quantile usually suffices. A resample that needs more reads more.
    depth = min(len(values), 2 * int(_above(q, np.array([len(values)]))[0]) + 1000)
    replicates = int(np.clip(MAX_WORK // depth, MIN_REPLICATES, REPLICATES))
    draw = np.random.default_rng(seed)
    resamples = [_resampled(ordered, owner, size, q, depth, draw) for _ in range(replicates)]
    low, high = np.quantile(resamples, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(point, float(low), float(high), len(size))


def _resampled(
    ordered: Float64s, owner: Int64s, size: Int64s, q: float, depth: int, draw: np.random.Generator
) -> float:
    """Computes the quantile of one resample of blocks."""
    times = np.bincount(draw.integers(0, len(size), len(size)), minlength=len(size))  # (B,) draws of each block
    above = int(_above(q, np.array([int(times @ size)]))[0])
    while True:
        drawn = np.cumsum(times[owner[:depth]])
        if drawn[-1] > above or depth == len(ordered):
            return float(ordered[np.searchsorted(drawn, above, side="right")])
        depth = min(len(ordered), 4 * depth)


def _above(q: float, count: Int64s) -> Int64s:
    """Number of `count` values that may lie above their q-quantile. The small term keeps 0.9 * 10 from exceeding 9."""
    above: Int64s = count - np.clip(np.ceil(q * count - 1e-9), 1, count).astype(np.int64)
    return above


@dataclass(frozen=True, slots=True)
class Excursions:
    """Separate excursions above a threshold. `heights` is float64 (n,), the largest value of each."""

    threshold: float
    heights: Float64s


def excursions(maxima: Float64s, owner: Int64s) -> Excursions:
    """Finds excursions: neighbouring blocks of a series above the threshold make one.

    The threshold is the one with most excursions, among the largest fifth of the maxima, or the PEAKS largest.

    Args:
        maxima: float64 (B,), finite.
        owner: int (B,), the series of each block. Blocks are sorted by series, then time.

    Raises:
        DataError: there are fewer than MIN_MAXIMA maxima.

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
    """Lowest threshold of excursions that is possible for ascending block maxima (B,), B >= 1."""
    return float(ordered[-_most(len(ordered)) - 1])


def _most(count: int) -> int:
    """Largest number of `count` maxima that may lie above the threshold."""
    return min(count - 1, max(PEAKS, count // 5))


@dataclass(frozen=True, slots=True)
class Tails:
    """Generalised Pareto tails above one threshold: values above it, shape and scale, float64 (R,) each."""

    threshold: float
    count: Float64s
    shape: Float64s
    scale: Float64s

    def exceeded_by(self, allowed: float) -> float:
        """Value that `allowed` > 0 observations are expected to exceed, by the mean of all tails.

        The mean, not the likeliest tail: with few values, much heavier tails are possible.
        """
        low, high = self.threshold, max(float(self.each_exceeded_by(allowed).max()), self.threshold)
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if float(self.each_expected(middle).mean()) > allowed else (low, middle)
        return high

    def each_exceeded_by(self, allowed: float) -> Float64s:
        """Value that `allowed` observations are expected to exceed, by each tail: float64 (R,), >= the threshold."""
        pairs = zip(self.shape.tolist(), self.count.tolist(), strict=True)
        growth = np.array([_growth(shape, max(count / allowed, 1.0)) for shape, count in pairs])
        each: Float64s = self.threshold + self.scale * growth
        return each

    def each_expected(self, value: float) -> Float64s:
        """Expected number of observations above `value`, by each tail: float64 (R,)."""
        excess = np.full(len(self.scale), np.inf)
        np.divide(value - self.threshold, self.scale, out=excess, where=self.scale > 0)
        straight = np.abs(self.shape) < 1e-12  # exponential
        shape = np.where(straight, 1.0, self.shape)
        bent = np.maximum(1.0 + shape * excess, 0.0) ** (-1.0 / shape)
        each: Float64s = self.count * np.where(straight, np.exp(-excess), bent)
        return each


def resampled_tails(peaks: Excursions, count: int, seed: int) -> Tails:
    """Fits `count` tails, each to a resample of the excursions. The size of a resample has a Poisson distribution.

    Source of the fit: Hosking and Wallis (1987), Technometrics 29, 339, by probability-weighted moments. Departs from
    it in limiting the shape to SHAPES; the scale then keeps the mean.
    """
    draw = np.random.default_rng(seed)
    excess = np.sort(peaks.heights) - peaks.threshold
    # Repeating each height a Poisson number of times with mean 1 is the same, and keeps the order.
    samples = [np.repeat(excess, times) for times in draw.poisson(1.0, (count, len(excess)))]
    fitted = np.array([_fit_excess(sample) for sample in samples])
    return Tails(peaks.threshold, np.array([float(len(sample)) for sample in samples]), fitted[:, 0], fitted[:, 1])


def _fit_excess(excess: Float64s) -> tuple[float, float]:
    """Fits shape and scale of a generalised Pareto distribution to ascending values above 0."""
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
    """Computes (ratio^shape - 1) / shape, which is log(ratio) at shape 0."""
    power = shape * math.log(ratio)
    return math.log(ratio) if abs(power) < 1e-12 else math.expm1(power) / shape
