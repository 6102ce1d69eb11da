"""Judges the promise of the threshold on the gate part.

Refused only where chance excludes that it is kept, passed only where chance excludes that it is broken. Neighbouring
levels depend on each other, so incidents are counted, or blocks with a level above the threshold. The threshold itself
rests on few of them, so new data of the same size may bring more by chance. Days differ, so a promise counts as broken
only where the days agree.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stream.detect.policy import Rules
from stream.intake.columns import Float64s, Int64s
from stream.messages import figure
from stream.registry.manifest_facts import ALARM, DRIFT, Criterion, Verdict
from training.calibration.calibrate import Calibration
from training.calibration.levels import WEEK, Levels, incident_events
from training.gate.criteria import CHANCE, CHANCE_TO_PASS, not_judged

# A promise is kept up to this factor.
TOLERANCE = 2.0
# Beyond so many times the promise, a person should know though the gate cannot judge.
MANY = 10.0
PROMISE = "promise"
# Largest share of normal time in alarm, whatever was promised.
IN_ALARM = 0.1
DAY = WEEK // 7
# Student's t at 99 %, one-sided, for means of 3, 4, ... days; the last value holds for more days.
T = (6.965, 4.541, 3.747, 3.365, 3.143, 2.998, 2.896, 2.821)
FEWEST_DAYS = 3
REMEDY = (
    "the newest part of the history is not like what the threshold was calibrated on: look for faults in it and label "
    "or exclude them, give newer history, or promise less"
)


@dataclass(frozen=True, slots=True)
class RateCheck:
    """A rate measured on the gate part, and its limit.

    Attributes:
        count: independent observations: incidents, or blocks.
        expected: number of observations at the limit.
        calibrated: observations that the threshold rests on.
        measured: the rate on the gate part.
        daily: float64 (D,), the rate on each whole day.
        limit: the largest rate that passes.
        reason: rate and limit in words.
    """

    count: int
    expected: float
    calibrated: float
    measured: float
    daily: Float64s
    limit: float
    reason: str

    def criterion(self, name: str) -> Criterion:
        """Refuses where more by chance is excluded and the days agree; passes where less by chance is excluded."""
        verdict, why = self._verdict()
        return Criterion(name, verdict, self.measured, self.limit, f"{self.reason}{why}")

    def _verdict(self) -> tuple[Verdict, str]:
        if self.measured <= self.limit:
            if chance_of_at_most(self.count, self.expected) <= CHANCE_TO_PASS:
                return "passed", ""
            return "not judged", ": within that, but too few data to exclude that it is chance"
        if chance_of_at_least(self.count, self.expected, self.calibrated) >= CHANCE:
            return "not judged", ": more than that, but too few data to exclude that it is chance"
        if (undecided := undecided_reason(self.daily, self.limit)) is not None:
            return "not judged", f": {undecided}"
        return "refused", f", and the days agree: {REMEDY}"


def promise_criteria(gate: Levels, calibrated: Levels, calibration: Calibration, rules: Rules) -> list[Criterion]:
    """Judges incidents, or levels above the threshold, by the promise; and the time in alarm.

    Args:
        gate, calibrated: levels of the gate and calibrate parts.
    """
    promise, alarm = PROMISE, ALARM
    if not len(gate):
        return [not_judged(name, "no held-out frames are left for the gate") for name in (promise, alarm)]
    score = gate.level / calibration.table.of_each(gate.names)[gate.series]
    observations = _blocks_above(calibrated, calibration.ratio / calibration.table.q)
    if calibration.method == "percentile":
        share = TOLERANCE * (1.0 - calibration.supported / 100.0)
        check, most = _above(gate, score, observations, share), max(IN_ALARM, share)
    else:
        check, most = _incidents(gate, score, rules, calibration), IN_ALARM
    return [check.criterion(promise), _above(gate, score, observations, most).criterion(alarm)]


def unjudged(criteria: Sequence[Criterion]) -> list[str]:
    """Warnings of what a person should know though the gate cannot judge it: far more alerts, or more time in alarm."""
    found = {one.name: one for one in criteria if one.verdict == "not judged" and one.over}
    lines = []
    if (one := found.get(PROMISE)) and one.measured and one.limit and one.measured * TOLERANCE > MANY * one.limit:
        lines.append(
            f"on the gate part the threshold gives {one.measured * TOLERANCE / one.limit:.0f} times the alerts that it "
            f"promises, and the gate could not judge it, as the data are short ({one.reason}); expect more alerts than "
            "promised, or give longer history"
        )
    if (one := found.get(ALARM)) and one.measured:
        lines.append(f"the model is in alarm for {one.measured:.0%} of its own newest data: {one.reason}")
    return lines + [one.reason for one in criteria if one.name == DRIFT and one.verdict == "not judged" and one.limit]


def _incidents(gate: Levels, score: Float64s, rules: Rules, calibration: Calibration) -> RateCheck:
    limit = TOLERANCE * calibration.supported
    opened = np.array([e.started_at for e in incident_events(gate, score, rules) if e.state == "opened"], np.int64)
    reason = (
        f"{len(opened)} incidents in {gate.weeks:.3g} normal series-weeks; promised are "
        f"{figure(calibration.supported)} per series and week, and {figure(limit)} are let pass"
    )
    daily = daily_rates(gate, opened, np.ones(len(opened)), gate.step / WEEK)
    observations = max(1.0, calibration.implied_per_week * calibration.weeks)
    return RateCheck(
        len(opened), limit * gate.weeks, observations, len(opened) / max(gate.weeks, 1e-12), daily, limit, reason
    )


def _above(gate: Levels, score: Float64s, observations: int, limit: float) -> RateCheck:
    above, blocks = score > 1, _blocks_above(gate, score)
    share = float(above.mean())
    reason = (
        f"{share:.2%} of {len(gate):,} normal frames above the threshold, in {blocks} blocks; {limit:.2%} are let pass"
    )
    # Frames above the threshold in a block that has some. Where none has, whole blocks may be.
    size = int(above.sum()) / blocks if blocks else float(gate.block)
    daily = daily_rates(gate, gate.time, above.astype(np.float64), np.ones(len(gate)))
    return RateCheck(blocks, limit * len(gate) / size, max(1, observations), share, daily, limit, reason)


def _blocks_above(levels: Levels, score: Float64s) -> int:
    """Number of blocks with a score above 1."""
    return len(np.unique(levels.in_block[score > 1]))


def daily_rates(gate: Levels, time: Int64s, amount: Float64s, weight: Float64s) -> Float64s:
    """Sums of amounts over sums of frame weights, for each whole day that has frames: float64 (D,).

    Args:
        gate: n levels, the frames.
        time: int64, ns, of the amounts; amount: float64.
        weight: float64 (n,), of the frames.
    """
    start = int(gate.time.min())
    days = int(gate.time.max() - start) // DAY

    def total(at: Int64s, values: Float64s) -> Float64s:
        return np.bincount((at - start) // DAY, values, minlength=days + 1)[:days].astype(np.float64)

    covered = total(gate.time, weight)
    has_frames = covered > 0
    rates: Float64s = total(time, amount)[has_frames] / covered[has_frames]
    return rates


def undecided_reason(daily: Float64s, limit: float) -> str | None:
    """Reason why rates of days, float64 (D,), do not show at 99 % that their mean is above a limit; None: they do."""
    days = len(daily)
    if days < FEWEST_DAYS:
        return f"more than chance would bring, on {days} whole days; {FEWEST_DAYS} needed to know how days differ"
    t = T[min(days - FEWEST_DAYS, len(T) - 1)]
    if float(daily.mean()) - t * float(daily.std(ddof=1)) / days**0.5 <= limit:
        return f"more than chance would bring, but {days} days differ too much to tell"
    return None


def chance_of_at_most(count: int, mean: float) -> float:
    """Probability of `count` or fewer where `mean` are expected, by Poisson."""
    if mean == 0.0:
        return 1.0
    return min(1.0, sum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count + 1)))


def chance_of_at_least(count: int, mean: float, behind: float) -> float:
    """Probability of `count` or more where `mean` are expected, estimated from `behind` observations.

    A Poisson count whose rate is known from so many observations is negative binomial.
    """
    if mean == 0.0:
        return float(count == 0)
    log_success, log_other = math.log(behind / (behind + mean)), math.log(mean / (behind + mean))
    # In logarithms: with many observations the first terms underflow.
    ways = (math.lgamma(behind + k) - math.lgamma(behind) - math.lgamma(k + 1) for k in range(count))
    below = sum(math.exp(way + behind * log_success + k * log_other) for k, way in enumerate(ways))
    return max(0.0, 1.0 - below)
