"""Thresholds from held-out normal levels (DESIGN section 5): threshold[s] = scale[s] * q.

Neighbouring levels share almost all of their support, so the sample is counted in blocks of W + M frames, and
incidents are counted by the code that counts them online.
"""

from dataclasses import dataclass, replace

import numpy as np

from stream.detect.frames.scale import POOLED
from stream.detect.incidents.threshold import ThresholdTable
from stream.detect.policy import Rules
from stream.detect.slots import Segments
from stream.errors import DataError
from stream.intake.columns import Float64s, Int64s
from stream.registry.manifest_facts import Method, ThresholdFacts
from stream.settings.detection import ThresholdSettings
from training.calibration.levels import Levels, incidents
from training.calibration.series_scale import LEAST, series_scales
from training.calibration.tail import (
    MIN_MAXIMA,
    Excursions,
    block_maxima,
    excursions,
    quantile_interval,
    resampled_tails,
)

CONFIDENCE = 0.9
# Tails that a few peaks may come from, and how many of them the upper end of q holds for.
TAILS, ONE_SIDED = 200, 0.9
# With no incident seen, a rate is below its budget at 90 % confidence once the data should have shown 2.3.
SUPPORT = 2.3
# One block is one observation: nothing is known of its spread.
MIN_BLOCKS = 2
# However generous a budget: what more normal frames exceed tells nothing from normal. Incidents merge down there, and
# few of them no longer mean little time in alarm.
MOST_ABOVE = 0.05


@dataclass(frozen=True)
class Calibration:
    """A threshold and what it rests on.

    Attributes:
        table: the thresholds.
        ratio: float64 (n,), of each level: level / scale, in a scale that the level had no part in.
        method: "budget" | "percentile"; promised: alerts per series and week, or the percentile.
        q_point: the q of the thresholds, that on average keeps the promise; q_high: the upper end of its interval.
        extrapolated: q lies in a fitted tail because the data cannot support the promise.
        weeks: series-weeks of calibration data; weeks_needed: what would do without extrapolation.
        implied_per_week: incidents per series and week that the threshold gives on the calibrate part itself.
        share_above: of its frames, the share above the threshold.
        blocks: independent samples behind it.
        rate: see `Levels.rate`; 1 unless the levels are a bundle's and newer readings go further, or less far.
    """

    table: ThresholdTable
    ratio: Float64s
    method: Method
    promised: float
    q_point: float
    q_high: float
    extrapolated: bool
    weeks: float
    weeks_needed: float
    implied_per_week: float
    share_above: float
    blocks: int
    rate: float

    def facts(self) -> ThresholdFacts:
        """The same for the manifest."""
        return ThresholdFacts(
            method=self.method,
            promised=self.promised,
            q_point=self.q_point,
            q_high=self.q_high,
            extrapolated=self.extrapolated,
            weeks=self.weeks,
            weeks_needed=self.weeks_needed,
            implied_per_week=self.implied_per_week,
            share_above=self.share_above,
            blocks=self.blocks,
            rate=self.rate,
        )


@dataclass(frozen=True)
class _Quantile:
    """q with the upper end of its interval, and the series-weeks that support it without extrapolation."""

    point: float
    high: float
    extrapolated: bool
    needed: float


def calibrate(levels: Levels, rules: Rules, options: ThresholdSettings, seed: int) -> Calibration:
    """The threshold that keeps what `options` promises on normal data.

    Raises:
        DataError: no levels at all, or too few for the promise and `strict`.
    """
    block = _blocks(levels)
    scales = series_scales(levels)
    table = ThresholdTable((*levels.names, POOLED), scales.scale, scales.rows, 1.0, median=medians(levels))
    return _calibrated(levels, scales.ratio, block, table, rules, options, seed)


def calibrate_stored(
    levels: Levels, table: ThresholdTable, rules: Rules, options: ThresholdSettings, seed: int
) -> Calibration:
    """The same from the levels that a bundle keeps: `levels.level` holds ratios, the scales are those of `table`.

    For the promise and the rules they were kept for, q is the same to the bit. Where `levels.reach` would hide
    incidents from a smaller threshold, that is not tried, and fewer alerts come than are promised; `implied_per_week`
    is then a bound from above.

    Raises:
        DataError: too few levels for the promise and `strict`, or a percentile below those kept.
    """
    return _calibrated(levels, levels.level, _blocks(levels), table, rules, options, seed)


def least_blocks(options: ThresholdSettings, weeks: float) -> int:
    """Blocks of levels, over so many series-weeks, that the promise needs: a tail is fitted to their maxima, or not."""
    return MIN_MAXIMA if options.method == "budget" and options.alerts_per_week * weeks < SUPPORT else MIN_BLOCKS


def ratios(levels: Levels, table: ThresholdTable) -> Float64s:
    """float64 (n,): level / scale, > 0; `table` has the series of `levels` in their order."""
    found: Float64s = np.maximum(levels.level, LEAST) / table.scale[levels.series]
    return found


def _calibrated(
    levels: Levels,
    ratio: Float64s,
    block: Int64s,
    table: ThresholdTable,
    rules: Rules,
    options: ThresholdSettings,
    seed: int,
) -> Calibration:
    if options.method == "percentile":
        promised, q = options.percentile, _by_percentile(levels, ratio, block, options.percentile, seed)
    else:
        promised, q = options.alerts_per_week, _by_budget(levels, ratio, block, rules, options.alerts_per_week, seed)
    if q.extrapolated and options.strict:
        raise DataError(
            f"calibrate: {levels.weeks:.3g} series-weeks of normal data cannot support the promise of {promised:g} "
            f"({options.method}); {q.needed:.3g} would: give more data, a looser promise, or drop `threshold.strict`"
        )
    return Calibration(
        table=replace(table, q=q.point),
        ratio=ratio,
        method=options.method,
        promised=promised,
        q_point=q.point,
        q_high=q.high,
        extrapolated=q.extrapolated,
        weeks=levels.weeks,
        weeks_needed=q.needed,
        implied_per_week=levels.rate * incidents(levels, ratio / q.point, rules) / max(levels.weeks, 1e-12),
        share_above=levels.rate * float((ratio > q.point).mean()),
        blocks=int(block.max()) + 1,
        rate=levels.rate,
    )


def _blocks(levels: Levels) -> Int64s:
    """int64 (n,): the block of each level.

    Raises:
        DataError: fewer than two.
    """
    block = levels.in_block
    count = int(block.max(initial=-1)) + 1
    if count < MIN_BLOCKS:
        raise DataError(
            f"calibrate: {len(levels)} held-out levels, {count} blocks of {levels.block} frames; at least {MIN_BLOCKS} "
            "are needed: give more history, a shorter window, or a larger `train.parts.calibrate`"
        )
    return block


def medians(levels: Levels) -> Float64s:
    """float64 (S + 1,): the median level of each series, NaN where it has none, then that of all."""
    found = np.full(len(levels.names) + 1, np.nan)
    runs = Segments(levels.series)
    for index, start, end in zip(runs.series.tolist(), runs.start.tolist(), runs.end.tolist(), strict=True):
        found[index] = np.median(levels.level[start:end])
    found[-1] = np.median(levels.level)
    return found


def _by_percentile(levels: Levels, ratio: Float64s, block: Int64s, percentile: float, seed: int) -> _Quantile:
    """q as a percentile of level / scale, with its block-bootstrap interval, or from a fitted tail."""
    beyond = min((1.0 - percentile / 100.0) / levels.rate, 0.5)
    allowed = len(ratio) * beyond  # levels above q
    needed = levels.weeks / allowed
    above = _frames_above(ratio, block, _owners(levels, block), allowed)
    if above is None:
        return _extrapolated_share(levels, ratio, block, allowed, needed, seed)
    point = float(np.partition(ratio, len(ratio) - 1 - above)[len(ratio) - 1 - above])
    if point < levels.reach:
        kept = 100.0 * float((ratio < levels.reach).mean())
        raise DataError(
            f"calibrate: the bundle keeps levels from percentile {kept:.3g} on, not down to {percentile:g}; "
            "ask for a higher percentile, or train again"
        )
    high = quantile_interval(ratio, block, 1.0 - beyond, CONFIDENCE, seed).high
    return _Quantile(point, max(point, high), False, needed)


def _frames_above(ratio: Float64s, block: Int64s, owner: Int64s, allowed: float) -> int | None:
    """How many of the levels may lie above q: so many that they and one more excursion are allowed.

    An excursion is the levels above of neighbouring blocks of a series, of mean size. None: not even one is allowed.

    Args:
        owner: int64 (B,), the series of each block.
    """
    count = int(allowed)
    highest = np.argsort(-ratio, kind="stable")[:count]
    reached = np.full(len(owner), count)  # how many levels are above before the block has one
    reached[block[highest][::-1]] = np.arange(count)[::-1]
    beside = np.flatnonzero(np.diff(owner) == 0)
    begun, joined = reached, np.maximum(reached[beside], reached[beside + 1])
    excursions = np.cumsum((np.bincount(begun, minlength=count + 1) - np.bincount(joined, minlength=count + 1))[:count])
    above = np.arange(1, count + 1)
    enough = np.flatnonzero(above + above / excursions <= allowed)
    if len(enough):
        return int(above[enough[-1]])
    return 0 if allowed >= 1.0 else None


def _by_budget(levels: Levels, ratio: Float64s, block: Int64s, rules: Rules, per_week: float, seed: int) -> _Quantile:
    """q so that incidents per series and week stay within the budget; beyond the data by a generalised Pareto tail.

    With so many incidents seen above q, one more is to be expected of as much new data.
    """
    allowed, needed = per_week / levels.rate * levels.weeks, SUPPORT / per_week
    opening = _opening(levels, ratio)
    maxima = block_maxima(opening, block)
    if allowed < SUPPORT:
        q = _extrapolated(excursions(maxima, _owners(levels, block)), allowed, needed, seed)
        least = float(np.quantile(ratio, 1.0 - MOST_ABOVE))
        return replace(q, point=max(q.point, least), high=max(q.high, least))
    point = _smallest_q(levels, ratio, maxima, rules, int(allowed) - 1)
    return _Quantile(point, _smallest_q(levels, ratio, maxima, rules, _supported(allowed)), False, needed)


def _extrapolated_share(
    levels: Levels, ratio: Float64s, block: Int64s, allowed: float, needed: float, seed: int
) -> _Quantile:
    """q that so many levels are to be expected above: an excursion holds as many as one of the higher half does."""
    found = excursions(block_maxima(ratio, block), _owners(levels, block))
    usual = float(np.median(found.heights)) if len(found.heights) else found.threshold
    higher = max(int((found.heights >= usual).sum()), 1)
    return _extrapolated(found, allowed / max(int((ratio >= usual).sum()) / higher, 1.0), needed, seed)


def _extrapolated(found: Excursions, allowed: float, needed: float, seed: int) -> _Quantile:
    """q that so many excursions are to be expected above, and the upper end of its interval."""
    tails = resampled_tails(found, TAILS, seed)
    point = tails.exceeded_by(allowed)
    return _Quantile(point, max(point, float(np.quantile(tails.each_exceeded_by(allowed), ONE_SIDED))), True, needed)


def _owners(levels: Levels, block: Int64s) -> Int64s:
    """int64 (B,): the series of each block."""
    owner = np.zeros(int(block.max()) + 1, np.int64)
    owner[block] = levels.series
    return owner


def _opening(levels: Levels, ratio: Float64s) -> Float64s:
    """float64 (n,): up to which q each frame opens an incident. Vetoed ones open none.

    They still are normal frames, of which no more than MOST_ABOVE may exceed, so q does not fall for them below that.
    """
    floor = np.quantile(ratio, 1.0 - MOST_ABOVE)
    return np.where(levels.vetoed, np.minimum(ratio, floor), ratio)


def _supported(allowed: float) -> int:
    """The largest count whose one-sided 90 % upper confidence bound is within `allowed` (normal approximation)."""
    count = int(allowed)
    while count > 0 and count + 1.2816 * np.sqrt(count + 1.0) + 1.0 > allowed:
        count -= 1
    return count


def _smallest_q(levels: Levels, ratio: Float64s, maxima: Float64s, rules: Rules, count: int) -> float:
    """The smallest of the block maxima, as q, down to which no more than `count` incidents open, nor MOST_ABOVE exceed.

    Searched from the top, in short strides: far below, incidents merge and their number falls again, and a long
    stride could land there. Nor below where levels that keep an incident open are not known any more.
    """
    known = max(float(np.quantile(ratio, 1.0 - MOST_ABOVE)), levels.reach / rules.close_ratio)
    highest = np.sort(maxima[maxima >= min(known, float(maxima.max()))])[::-1]

    def too_many(k: int) -> bool:
        return k >= len(highest) or incidents(levels, ratio / highest[k], rules) > count

    good, step = 0, 1  # at the largest maximum nothing exceeds
    while not too_many(good + step):
        good += step
        step = max(1, good // 4)
    bad = min(good + step, len(highest))
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (good, middle) if too_many(middle) else (middle, bad)
    return float(highest[good])
