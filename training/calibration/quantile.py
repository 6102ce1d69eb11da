"""The quantile q of the ratios level / scale that keeps a promise, by percentile or by budget.

Data support a promise if they hold enough incidents, or levels, to count. Below that, q lies in a fitted tail, up to a
stated factor. Beyond it, what the data do support takes the place of the promise: one incident in data of this size.
"""

from dataclasses import dataclass

import numpy as np

from stream.detect.policy import Rules
from stream.errors import DataError
from stream.intake.columns import Float64s, Int64s
from training.calibration.levels import Levels, incidents
from training.calibration.tail import Excursions, Tails, block_maxima, excursions, quantile_interval, resampled_tails

# Confidence of intervals, and the standard errors to either end.
CONFIDENCE, TWO_SIDED = 0.9, 1.645
# Number of resampled tails, and the share of them that the upper end of q holds for.
TAILS, ONE_SIDED = 200, 0.9
# Without any incident, a rate is below its budget at 90 % confidence once 2.3 incidents were expected.
SUPPORT = 2.3
# A promise this many times rarer than what the data support is met by a fitted tail: on levels of one kind throughout,
# within a factor of four (`python -m tests.promise`). On telemetry, thresholds extrapolated by 30 to 600 were 18 to 180
# times too loud, though hardly higher than the largest level seen. One incident in data of this size held there.
FURTHEST = 10.0
# A threshold stands this far above the usual level of its series. On servers, telemetry, a testbed and single sensors
# together, 1.25 is louder than promised, and 2 finds a third fewer events.
MARGIN = 1.5
# Nearer to the usual level, the levels above the threshold, which teach nothing, would be missed in it.
LEAST_MARGIN = 1.25
# Largest share of normal frames above any threshold, however large the budget. With more, incidents merge: then few
# incidents no longer mean little time in alarm.
MOST_ABOVE = 0.05


@dataclass(frozen=True)
class Quantile:
    """The quantile q for a promise.

    Attributes:
        point: keeps the promise on average.
        high: upper end of its interval.
        extrapolated: q lies in a fitted tail.
        needed: series-weeks of data that support the promise without extrapolation.
        supported: the promise that q is for: the one asked for, or a looser one. Incidents per series and week, or the
            percentile.
        likely: the interval of what q gives on data of this kind, at `CONFIDENCE`, in the same unit.
    """

    point: float
    high: float
    extrapolated: bool
    needed: float
    supported: float
    likely: tuple[float, float]


def quantile_by_percentile(levels: Levels, ratio: Float64s, block: Int64s, percentile: float, seed: int) -> Quantile:
    """Computes q as a percentile of the ratios, with its block-bootstrap interval. Few data: from a fitted tail."""
    beyond = min((1.0 - percentile / 100.0) / levels.rate, 0.5)
    allowed = len(ratio) * beyond  # levels above q
    found = _frames_above(ratio, block, _owners(levels, block), allowed)
    if found is None:
        return _extrapolated_share(levels, ratio, block, percentile, allowed, seed)
    above, runs = found
    point = float(np.partition(ratio, len(ratio) - 1 - above)[len(ratio) - 1 - above])
    if point < levels.complete_from:
        lowest = 100.0 * float((ratio < levels.complete_from).mean())
        raise DataError(
            f"calibrate: the bundle keeps levels from percentile {lowest:.3g} on, not down to {percentile:g}; "
            "ask for a higher percentile, or train again"
        )
    high = quantile_interval(ratio, block, 1.0 - beyond, CONFIDENCE, seed).high
    fewest, most = (number * max(above, 1) / max(runs, 1) for number in _likely_number(runs))
    likely = (_percentile(levels, most), _percentile(levels, fewest))
    return Quantile(point, max(point, high), False, levels.weeks / allowed, percentile, likely)


def _frames_above(ratio: Float64s, block: Int64s, owner: Int64s, allowed: float) -> tuple[int, int] | None:
    """Number of levels that may lie above q, and of their excursions. With one more of mean size, they are allowed.

    An excursion is the levels above q in neighbouring blocks of a series. None: not even one level is allowed.

    Args:
        owner: int64 (B,), the series of each block.
    """
    count = int(allowed)
    highest = np.argsort(-ratio, kind="stable")[:count]
    reached = np.full(len(owner), count)  # number of levels above q before the block has one
    reached[block[highest][::-1]] = np.arange(count)[::-1]
    beside = np.flatnonzero(np.diff(owner) == 0)
    joined = np.maximum(reached[beside], reached[beside + 1])
    runs = np.cumsum((np.bincount(reached, minlength=count + 1) - np.bincount(joined, minlength=count + 1))[:count])
    above = np.arange(1, count + 1)
    enough = np.flatnonzero(above + above / runs <= allowed)
    if len(enough):
        return int(above[enough[-1]]), int(runs[enough[-1]])
    return (0, 0) if allowed >= 1.0 else None


def quantile_by_budget(
    levels: Levels, ratio: Float64s, block: Int64s, rules: Rules, per_week: float, seed: int
) -> Quantile:
    """Computes q so that incidents per series and week stay within the budget. Few data: from a fitted tail.

    As much new data is expected to have one incident more than these data have above q. No q lies below an incident of
    these data that the promise does not allow.
    """
    supported = per_week if per_week * levels.weeks * FURTHEST >= SUPPORT else 1.0 / levels.weeks
    weeks, needed = levels.weeks / levels.rate, SUPPORT / per_week
    allowed = supported * weeks + 1e-9
    maxima = block_maxima(_opening(levels, ratio), block)
    if allowed < SUPPORT:
        own = _smallest_q(levels, ratio, maxima, rules, int(allowed) if supported == per_week else 0)
        point, high, likely = _extrapolated(excursions(maxima, _owners(levels, block)), allowed, own, seed)
        fewest, most = likely if supported == per_week else _likely_number(0)
        return Quantile(point, high, True, needed, supported, (fewest / weeks, most / weeks))
    point = _smallest_q(levels, ratio, maxima, rules, int(allowed) - 1)
    fewest, most = _likely_number(incidents(levels, ratio / point, rules))
    high = _smallest_q(levels, ratio, maxima, rules, _supported(allowed))
    return Quantile(point, high, False, needed, supported, (fewest / weeks, most / weeks))


def quantile_by_margin(levels: Levels, ratio: Float64s, rules: Rules, per_week: float) -> Quantile:
    """A fixed margin above the usual level, where the data are too short to count incidents by.

    The promise is what the margin gives on these data, where that is more than was asked for. A threshold follows the
    usual level the better the more levels it has seen, so it will be quieter than at its start.
    """
    weeks = levels.weeks / levels.rate
    seen = incidents(levels, ratio / MARGIN, rules)
    fewest, most = _likely_number(seen)
    least = per_week if per_week * levels.weeks * FURTHEST >= SUPPORT else 1.0 / weeks
    return Quantile(MARGIN, MARGIN, True, SUPPORT / per_week, max(least, seen / weeks), (fewest / weeks, most / weeks))


def _extrapolated_share(
    levels: Levels, ratio: Float64s, block: Int64s, percentile: float, allowed: float, seed: int
) -> Quantile:
    """Computes the q that `allowed` levels are expected to exceed. Excursions are as long as the higher half."""
    peaks = excursions(block_maxima(ratio, block), _owners(levels, block))
    usual = float(np.median(peaks.heights)) if len(peaks.heights) else peaks.threshold
    size = max(int((ratio >= usual).sum()) / max(int((peaks.heights >= usual).sum()), 1), 1.0)
    supported, needed = percentile, levels.weeks / allowed
    if allowed * levels.rate * FURTHEST < 1.0:
        supported, allowed = 100.0 * max(1.0 - size / len(ratio), 0.5), size / levels.rate
    point, high, (fewest, most) = _extrapolated(peaks, allowed / size, float(ratio.max()), seed)
    likely = (_percentile(levels, most * size), _percentile(levels, fewest * size))
    return Quantile(point, high, True, needed, supported, likely)


def _percentile(levels: Levels, above: float) -> float:
    """The percentile of today's levels that leaves `above` of these levels above it; 0 at least."""
    return 100.0 * max(1.0 - above * levels.rate / len(levels), 0.0)


def _extrapolated(
    above: Excursions, allowed: float, least: float, seed: int
) -> tuple[float, float, tuple[float, float]]:
    """Computes the q >= `least` that `allowed` excursions are expected to exceed, by a fitted tail.

    Returns:
        It, the upper end of its interval, and the interval of the number of excursions that exceed it.
    """
    tails = resampled_tails(above, TAILS, seed)
    point = max(tails.exceeded_by(allowed), least)
    high = float(np.quantile(tails.each_exceeded_by(allowed), ONE_SIDED))
    fewest, most = np.quantile(tails.each_expected(point), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    # Where q lies above what the tail asks for, the promise itself is likely enough.
    return point, max(point, high), (float(fewest), max(float(most), allowed))


def _likely_number(seen: int) -> tuple[float, float]:
    """Interval of the number expected above the (seen + 1)th largest of as many independent values.

    That number has a gamma distribution of shape seen + 1, of which these are the quantiles by Wilson and Hilferty
    (1931), "The distribution of chi-square".
    """
    shape = seen + 1.0
    fewest, most = (shape * (1.0 - 1.0 / (9.0 * shape) + z / (3.0 * shape**0.5)) ** 3 for z in (-TWO_SIDED, TWO_SIDED))
    return fewest, most


def _owners(levels: Levels, block: Int64s) -> Int64s:
    """Series of each block, int64 (B,)."""
    owner = np.zeros(int(block.max()) + 1, np.int64)
    owner[block] = levels.series
    return owner


def _opening(levels: Levels, ratio: Float64s) -> Float64s:
    """Largest q at which each frame opens an incident, float64 (n,). Vetoed frames open none.

    Vetoed frames are normal all the same, and no more than MOST_ABOVE may exceed. So they count up to that quantile.
    """
    floor = np.quantile(ratio, 1.0 - MOST_ABOVE)
    return np.where(levels.vetoed, np.minimum(ratio, floor), ratio)


def _supported(allowed: float) -> int:
    """Largest count whose upper confidence bound (one-sided, 90 %, normal) is within `allowed`."""
    count = int(allowed)
    while count > 0 and count + 1.2816 * np.sqrt(count + 1.0) + 1.0 > allowed:
        count -= 1
    return count


def _smallest_q(levels: Levels, ratio: Float64s, maxima: Float64s, rules: Rules, count: int) -> float:
    """Finds the smallest block maximum, as q, at which at most `count` incidents open and at most MOST_ABOVE exceed.

    Searches from the top in short strides. Far below, incidents merge and their number falls again; a long stride could
    land there. Stops above levels that are not known, since these keep incidents open.
    """
    known = max(float(np.quantile(ratio, 1.0 - MOST_ABOVE)), levels.complete_from / rules.close_ratio)
    highest = np.sort(maxima[maxima >= min(known, float(maxima.max()))])[::-1]

    def too_many(k: int) -> bool:
        """More than `count` incidents open at the maximum with index k."""
        return k >= len(highest) or incidents(levels, ratio / highest[k], rules) > count

    good, step = 0, 1  # nothing exceeds the largest maximum
    while not too_many(good + step):
        good += step
        step = max(1, good // 4)
    bad = min(good + step, len(highest))
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (good, middle) if too_many(middle) else (middle, bad)
    return float(highest[good])


def normal_tails(levels: Levels, ratio: Float64s, block: Int64s, seed: int) -> Tails:
    """Fits tails to the excursions that open incidents.

    Raises:
        DataError: there are too few blocks.
    """
    return resampled_tails(
        excursions(block_maxima(_opening(levels, ratio), block), _owners(levels, block)), TAILS, seed
    )
