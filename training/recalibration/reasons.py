"""Reasons for an advice, from the drift of sensors and levels.

A level that has grown as a whole is larger noise, and thresholds can follow. A shifted level, a shifted sensor or
fallen levels mean another machine, a broken sensor or manipulation: a person must look, and train again. Every
comparison has a 99 % interval (`training.recalibration.batch_means`) and a margin, so that small changes do not count
even in large data.
"""

import math
from collections.abc import Iterator, Sequence

from stream.settings.detection import RecalibrationSettings
from training.recalibration.batch_means import Estimate
from training.recalibration.drift import Advice, Drift, Reason, SensorDrift, SeriesDrift

# Largest shift of a sensor's mean, in standard deviations; largest and smallest factor of its variance.
MOVED, WIDER, STILL = 0.5, 2.0, 0.25
# A level that changes by less than this factor has not changed.
TRIFLE = 1.05
# Where noise grows, the spread of levels grows as their median does, within a tenth. A larger factor is another change.
UNLIKE = 1.5
# Share of the frames of a series above the threshold that is too large for incidents.
MOSTLY = 0.5
# The same for all series: this share, and this multiple of the share that the growth of levels explains.
SOME, TIMES = 0.01, 3.0
# Share of the series, and more than one, whose advice counts for the bundle.
MANY = 0.1
# Share of repeated levels, beyond the usual one, that is refused.
REPEATED = 0.05


def sensor_reasons(drift: SensorDrift, is_flat: bool) -> list[Reason]:
    """Reasons from one sensor. `is_flat`: it was constant in training, so its variance has no unit."""
    mean, variance, reasons = drift.mean, drift.variance, []
    if mean.low > MOVED or mean.high < -MOVED:
        reasons.append(Reason(Advice.RETRAIN, f"{drift.sensor} stands {mean.value:+.2g} standard deviations off"))
    factor = f"{drift.sensor} varies {variance.value:.2g} times as much as in training"
    if not is_flat and variance.high < STILL:
        reasons.append(Reason(Advice.RETRAIN, f"{factor}: stuck?"))
    if not is_flat and variance.low > WIDER:
        reasons.append(Reason(Advice.RECALIBRATE, factor))
    return reasons


def level_reasons(level: Estimate, since_training: float, margin: float, most: float) -> list[Reason]:
    """Reasons from the median level of a series, or of all series.

    Args:
        level: factor since the thresholds were set.
        since_training: factor from training to when the thresholds were set.
        margin: a fall by more than this factor is suspicious.
        most: largest rise that thresholds may follow.
    """
    total = level.times(since_training)
    if total.high < 1.0 / margin:
        reason = (
            f"levels fell to {total.value:.2g} of those of training: stuck or replaced sensors, replayed data, "
            "or a calmer machine"
        )
        return [Reason(Advice.RETRAIN, reason)]
    if total.low > 1.0 and total.value > most:
        return [Reason(Advice.RETRAIN, f"levels rose to {total.value:.3g} times those of training, at most {most:g}")]
    if (level.low > 1.0 or level.high < 1.0) and max(level.value, 1.0 / level.value) > TRIFLE:
        reason = f"levels are {level.value:.3g} times those that the threshold was made for"
        return [Reason(Advice.RECALIBRATE, reason)]
    return []


def shape_reasons(since_training: Estimate, spread: float, margin: float) -> list[Reason]:
    """Reasons from levels that shifted, or of which a part grew. Noise makes all levels grow alike.

    Args:
        since_training, spread: factors of the median and of the spread of levels since training.
    """
    if spread > UNLIKE * since_training.value:
        reason = (
            f"the spread of levels is {spread:.3g} times its own, while their median is {since_training.value:.3g} "
            "times that of training: a part of the time is not as it was"
        )
        return [Reason(Advice.RETRAIN, reason)]
    if since_training.low > margin and spread < 1.0 + (since_training.value - 1.0) / 2.0:
        reason = (
            f"levels moved to {since_training.value:.3g} times those of training, while their spread is "
            f"{spread:.3g} times its own: shifted, not widened"
        )
        return [Reason(Advice.RETRAIN, reason)]
    return []


def exceedance_reasons(share: Estimate, explained: float) -> list[Reason]:
    """Reasons from a share of frames above the threshold that the growth of levels does not explain."""
    if share.low > SOME + TIMES * explained:
        reason = (
            f"{share.value:.2%} of the frames exceed the threshold, where {explained:.2%} would: incidents, to be "
            "excluded, or a tail that training has not seen"
        )
        return [Reason(Advice.RETRAIN, reason)]
    return []


def shared_reasons(series: Sequence[SeriesDrift], bounds: RecalibrationSettings) -> Iterator[Reason]:
    """Reasons that many series share."""
    refusing = (1.0 - bounds.min_series) * len(series)
    for advice, most in ((Advice.RETRAIN, refusing), (Advice.RECALIBRATE, max(1.0, MANY * len(series)))):
        some = [one for one in series if one.advice is advice]
        if len(some) > most:
            first = next(one.text for one in some[0].reasons if one.advice is advice)
            yield Reason(advice, f"{len(some)} of {len(series)} series, such as {some[0].series!r}: {first}")


def refusals(drift: Drift, bounds: RecalibrationSettings) -> tuple[str, ...]:
    """Reasons to move no threshold; empty where thresholds may move."""
    enough = sum(one.level is not None for one in drift.series)
    needed = bounds.min_series * len(drift.series)
    texts = [one.text for one in drift.reasons if one.advice is Advice.RETRAIN]
    if enough < needed:
        most = max((one.blocks for one in drift.series), default=0)
        texts.insert(
            0,
            f"{enough} of {len(drift.series)} series have {bounds.min_blocks} blocks of levels that may set a "
            f"threshold (the most: {most}) and tell their median within a factor of {bounds.max_total:g}; "
            f"{math.ceil(needed)} are needed: give more readings",
        )
    return tuple(texts)
