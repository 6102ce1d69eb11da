"""How large the levels of each series are: their mean, as far as it is known, else that of all series.

A mean of few frames is a guess. How good a guess, the series themselves say: how far their halves differ tells what a
mean of so many frames is off by; how far series differ, less that, tells how much their own means are worth.

A median would not notice the busy hours of a machine that rests most of the time: measured by its rest, they would
set the threshold of the whole fleet.
"""

from dataclasses import dataclass

import numpy as np

from stream.detect.slots import Segments
from stream.intake.columns import Float64s, Int64s
from training.calibration.levels import Levels

# Squared scaled units: a smaller level is the rounding of float32 values, and no threshold lies below it.
LEAST = 1e-12
# A series stiller than the others by more than this is not trusted to stay so.
STILLEST = 1e-6
# Standard deviations of its mean that a series is drawn to the others, at most.
LEFT_OPEN = 2.0
# Median of a squared standard normal, and the standard deviation of a normal in its median absolute deviations.
MEDIAN_SQUARE, DEVIATIONS = 0.4549, 1.4826


@dataclass(frozen=True)
class SeriesScales:
    """Of S series with n levels.

    Attributes:
        scale: float64 (S + 1,), the last that of series nobody knows; > 0.
        rows: int64 (S + 1,), levels behind each.
        ratio: float64 (n,), level / scale as a level sees it that had no part in the scale: each half of a series is
            measured by the other half. By its own scale, a short series would always look as it should.
    """

    scale: Float64s
    rows: Int64s
    ratio: Float64s


def series_scales(levels: Levels) -> SeriesScales:
    """The scales of all series, shrunk to their median in the logarithm.

    Source: Efron and Morris (1972), "Limiting the risk of Bayes and empirical Bayes estimators". Departs from it in
    robust variances: one broken series makes no stranger of the others.
    """
    runs = Segments(levels.series)
    start, end = runs.start, runs.end
    middle = (start + end) // 2
    least = max(float(np.median(levels.level)) * STILLEST, LEAST)
    whole, first, second = (
        _log_means(levels.level, a, b, least) for a, b in ((start, end), (start, middle), (middle, end))
    )
    centre = float(np.median(whole))
    block = (end - start) / levels.block
    noise = _noise(first - second, block)
    between = _between(whole - centre, block, noise)

    def scale(own: Float64s, blocks: Float64s) -> Float64s:
        return np.exp(
            _shrunk(own, centre, np.divide(noise, blocks, out=np.full(len(own), np.inf), where=blocks > 0), between)
        )

    count = len(levels.names)
    scales, rows = np.full(count + 1, np.exp(centre)), np.zeros(count + 1, np.int64)
    scales[runs.series], rows[runs.series] = scale(whole, block), end - start
    rows[-1] = len(levels)
    halves = np.stack([middle - start, end - middle])
    by_other = np.stack([scale(second, (end - middle) / levels.block), scale(first, (middle - start) / levels.block)])
    measure = np.repeat(by_other.T.ravel(), halves.T.ravel())
    return SeriesScales(scales, rows, np.maximum(levels.level, LEAST) / measure)


def _shrunk(own: Float64s, centre: float, noise: Float64s, between: float) -> Float64s:
    """Log means (S,) of variance `noise` (S,), drawn to the centre, but no further than they leave open."""
    worth = between / (between + noise) if between > 0 else np.zeros(len(own))
    shift = np.where(worth < 1, (1 - worth) * (centre - own), 0.0)
    open_ = LEFT_OPEN * np.sqrt(noise)
    return np.where(np.isnan(own) | np.isinf(noise), centre, own + np.clip(shift, -open_, open_))


def _log_means(level: Float64s, start: Int64s, end: Int64s, least: float) -> Float64s:
    """float64 (S,): log of the mean of each stretch; of an empty one NaN."""
    found = [float(np.mean(level[a:b])) if b > a else np.nan for a, b in zip(start.tolist(), end.tolist(), strict=True)]
    return np.log(np.maximum(found, least))


def _noise(difference: Float64s, blocks: Float64s) -> float:
    """The variance of the log mean of one block; that of n is taken for an n-th of it.

    Args:
        difference: float64 (S,), between the log means of a series' halves: of variance 4 noise / blocks.
    """
    halved = blocks >= 2
    if not halved.any():
        return np.inf
    return float(np.median(difference[halved] ** 2 * blocks[halved] / 4) / MEDIAN_SQUARE)


def _between(deviation: Float64s, blocks: Float64s, noise: float) -> float:
    """The variance of the true log scales, from the deviations (S,) of log means that are off by noise / blocks."""
    if not np.isfinite(noise):
        return 0.0
    seen = (DEVIATIONS * float(np.median(np.abs(deviation)))) ** 2
    return max(seen - float(np.median(noise / blocks)), 0.0)
