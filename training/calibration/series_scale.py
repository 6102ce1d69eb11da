"""Scale of the levels of each series: their mean, shrunk to that of all series where data are few.

A mean of few frames is uncertain. The difference between the halves of each series gives the variance of such a mean.
The difference between series, less that variance, gives the variance of the true scales. Together they give the weight
of a series' own mean.

A median would ignore the busy hours of a machine that rests most of the time. With a scale for its rest, these hours
would set the threshold of the whole fleet.
"""

from dataclasses import dataclass

import numpy as np

from stream.detect.slots import Segments
from stream.intake.columns import Float64s, Int64s
from training.calibration.levels import Levels

# Squared scaled units. Smaller levels are rounding errors of float32 values; no threshold lies below.
LEAST = 1e-12
# Least scale of a series, as a share of the median level. A series may become less calm than that.
STILLEST = 1e-6
# Largest shift of a series towards the others, in standard deviations of its mean.
MAX_SHIFT = 2.0
# Median of a squared standard normal; standard deviation of a normal in median absolute deviations.
MEDIAN_SQUARE, DEVIATIONS = 0.4549, 1.4826


@dataclass(frozen=True)
class SeriesScales:
    """Scales of S series with n levels.

    Attributes:
        scale: float64 (S + 1,), > 0. The last one is for unknown series.
        rows: int64 (S + 1,), number of levels behind each scale.
        ratio: float64 (n,), level / scale, where the scale is computed without the level: each half of a series is
            divided by the scale of the other half. By its own scale, every short series would look normal.
    """

    scale: Float64s
    rows: Int64s
    ratio: Float64s


def series_scales(levels: Levels) -> SeriesScales:
    """Computes the scale of each series, shrunk to the median of all, in the logarithm.

    Source: Efron and Morris (1972), "Limiting the risk of Bayes and empirical Bayes estimators". Departs from it in
    robust variances, so that one broken series has no effect on the others.
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
    """Shrinks log means (S,) of variance `noise` (S,) to the centre, by a limited number of standard deviations."""
    weight = between / (between + noise) if between > 0 else np.zeros(len(own))
    shift = np.where(weight < 1, (1 - weight) * (centre - own), 0.0)
    limit = MAX_SHIFT * np.sqrt(noise)
    return np.where(np.isnan(own) | np.isinf(noise), centre, own + np.clip(shift, -limit, limit))


def _log_means(level: Float64s, start: Int64s, end: Int64s, least: float) -> Float64s:
    """Log of the mean of each stretch of levels, float64 (S,). NaN: the stretch is empty."""
    means = [float(np.mean(level[a:b])) if b > a else np.nan for a, b in zip(start.tolist(), end.tolist(), strict=True)]
    return np.log(np.maximum(means, least))


def _noise(difference: Float64s, blocks: Float64s) -> float:
    """Variance of the log mean of one block. That of n blocks is taken as an n-th of it.

    Args:
        difference: float64 (S,), between the log means of the halves of a series; its variance is 4 noise / blocks.
    """
    halved = blocks >= 2
    if not halved.any():
        return np.inf
    return float(np.median(difference[halved] ** 2 * blocks[halved] / 4) / MEDIAN_SQUARE)


def _between(deviation: Float64s, blocks: Float64s, noise: float) -> float:
    """Variance of the true log scales, from the deviations (S,) of log means whose variance is noise / blocks."""
    if not np.isfinite(noise):
        return 0.0
    total = (DEVIATIONS * float(np.median(np.abs(deviation)))) ** 2
    return max(total - float(np.median(noise / blocks)), 0.0)
