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
PEAKS = 20  # exceedances that a tail is fitted to, at least, where there are so many
SHAPES = (-1.0, 0.5)  # from a bounded tail (uniform) to the heaviest for which the moments used exist


@dataclass(frozen=True, slots=True)
class Interval:
    """A quantile and its bootstrap interval. With a single block nothing is known of the spread: low = point = high."""

    point: float
    low: float
    high: float
    blocks: int


@dataclass(frozen=True, slots=True)
class Tail:
    """A generalised Pareto tail above `threshold_u`, and the quantile asked for.

    Attributes:
        quantile: exceeded by a maximum with the probability asked for.
        shape: of the tail; below 0 it ends, at 0 it is exponential, above 0 heavy.
        scale: of the tail, in units of the values.
        threshold_u: where the tail begins.
        exceedances: how many maxima lie above it: what the fit is based on.
        extrapolated: the quantile lies where no more than one maximum is to be expected.
    """

    quantile: float
    shape: float
    scale: float
    threshold_u: float
    exceedances: int
    extrapolated: bool


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


def pareto_tail(maxima: Float64s, probability: float) -> Tail:
    """The value that a block's maximum exceeds with a small probability, extrapolated where need be.

    A generalised Pareto distribution is fitted to the largest fifth of the maxima, at least PEAKS, by probability-
    weighted moments.

    Args:
        maxima: float64 (B,), finite, independent: one per block.
        probability: in (0, 1), per block.

    Raises:
        DataError: fewer than MIN_MAXIMA maxima, or not a probability.

    Source: Hosking and Wallis (1987), Technometrics 29, 339. Departs from it in limiting the shape to SHAPES; the
    scale then keeps the mean.
    """
    count = len(maxima)
    if count < MIN_MAXIMA:
        raise DataError(f"a tail of {count} blocks, needed {MIN_MAXIMA}; give longer history to calibrate")
    if not 0.0 < probability < 1.0:
        raise DataError(f"probability {probability:g} per block; it must be between 0 and 1")
    ordered = np.sort(maxima)
    threshold = tail_start(ordered)
    excess = ordered[ordered > threshold] - threshold  # ascending
    shape, scale = _fit_excess(excess)
    share = len(excess) / count
    if probability < share:
        quantile = threshold + scale * _growth(shape, share / probability)
    else:
        quantile = float(ordered[count - 1 - math.floor(probability * count)])
    return Tail(quantile, shape, scale, threshold, len(excess), probability * count <= 1.0)


def tail_start(ordered: Float64s) -> float:
    """Where the tail of ascending values (n,), n >= 1, begins: what lies below is not looked at."""
    count = len(ordered)
    return float(ordered[-min(count - 1, max(PEAKS, count // 5)) - 1])


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
