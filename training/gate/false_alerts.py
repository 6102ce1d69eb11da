"""The promise of the threshold on the gate part: refused only where even twice as much is excluded, day by day.

Neighbouring levels hang together, so incidents are counted, or blocks with a level above; the threshold rests on a few
of them itself, so as much new data may bring more by chance; and one day is not like the other, so a promise is broken
only where days agree on it.
"""

import math
from dataclasses import dataclass

import numpy as np

from stream.detect.policy import Rules
from stream.intake.columns import Float64s, Int64s
from stream.registry.manifest_facts import Criterion
from training.calibration.calibrate import Calibration
from training.calibration.levels import WEEK, Levels, incident_events
from training.gate.criteria import CHANCE, not_judged

# A promise is kept where no more than twice as much comes. A detector that is in alarm for more than a tenth of normal
# time is none, whatever was promised.
KEPT, IN_ALARM = 2.0, 0.1
DAY = WEEK // 7
# Student's t at 99 %, one-sided, for means of 3, 4, ... days; the last for more.
T = (6.965, 4.541, 3.747, 3.365, 3.143, 2.998, 2.896, 2.821)
FEWEST_DAYS = 3
REMEDY = (
    "the newest part of the history is not like what the threshold was calibrated on: look for faults in it and label "
    "or exclude them, give newer history, or promise less"
)


@dataclass(frozen=True, slots=True)
class Found:
    """Something counted on the gate part.

    Attributes:
        count: independent observations: incidents, or blocks.
        expected: as many as the limit would bring.
        behind: observations that the threshold rests on.
        daily: float64 (D,), what was measured on each whole day; limit: what may be.
    """

    count: int
    expected: float
    behind: float
    measured: float
    daily: Float64s
    limit: float
    said: str

    def criterion(self, name: str) -> Criterion:
        """Refused where chance is excluded, and each day as it comes would say the same."""
        if chance_of_at_least(self.count, self.expected, self.behind) >= CHANCE:
            return Criterion(name, "passed", self.measured, self.limit, self.said)
        if (open_ := undecided_reason(self.daily, self.limit)) is not None:
            return Criterion(name, "not judged", self.measured, self.limit, f"{self.said}: {open_}")
        return Criterion(name, "refused", self.measured, self.limit, f"{self.said}, and the days agree: {REMEDY}")


def promise_criteria(gate: Levels, calibrated: Levels, calibration: Calibration, rules: Rules) -> list[Criterion]:
    """Incidents or levels above beside those promised, and the time in alarm.

    Args:
        gate, calibrated: levels of the gate and calibrate parts.
    """
    promise, alarm = "promise", "time in alarm"
    if not len(gate):
        return [not_judged(name, "no held-out frames are left for the gate") for name in (promise, alarm)]
    score = gate.level / calibration.table.of_each(gate.names)[gate.series]
    behind = _blocks_above(calibrated, calibration.ratio / calibration.table.q)
    if calibration.method == "percentile":
        share = KEPT * (1.0 - calibration.promised / 100.0)
        kept, most = _above(gate, score, behind, share), max(IN_ALARM, share)
    else:
        kept, most = _incidents(gate, score, rules, calibration), IN_ALARM
    return [kept.criterion(promise), _above(gate, score, behind, most).criterion(alarm)]


def _incidents(gate: Levels, score: Float64s, rules: Rules, calibration: Calibration) -> Found:
    limit = KEPT * calibration.promised
    opened = np.array([e.started_at for e in incident_events(gate, score, rules) if e.state == "opened"], np.int64)
    said = (
        f"{len(opened)} incidents in {gate.weeks:.3g} normal series-weeks; promised are {calibration.promised:g} per "
        f"series and week, and {limit:g} are let pass"
    )
    daily = daily_rates(gate, opened, np.ones(len(opened)), gate.step / WEEK)
    behind = max(1.0, calibration.implied_per_week * calibration.weeks)
    return Found(len(opened), limit * gate.weeks, behind, len(opened) / max(gate.weeks, 1e-12), daily, limit, said)


def _above(gate: Levels, score: Float64s, behind: int, limit: float) -> Found:
    above, found = score > 1, _blocks_above(gate, score)
    share = float(above.mean())
    said = (
        f"{share:.2%} of {len(gate):,} normal frames above the threshold, in {found} blocks; {limit:.2%} are let pass"
    )
    size = max(1.0, int(above.sum()) / max(found, 1))  # frames above of a block that has some
    daily = daily_rates(gate, gate.time, above.astype(np.float64), np.ones(len(gate)))
    return Found(found, limit * len(gate) / size, max(1, behind), share, daily, limit, said)


def _blocks_above(levels: Levels, score: Float64s) -> int:
    """Blocks with a score above 1."""
    return len(np.unique(levels.in_block[score > 1]))


def daily_rates(gate: Levels, time: Int64s, amount: Float64s, weight: Float64s) -> Float64s:
    """float64 (D,): amounts at times over the weights (n,) of the frames, of each whole day that has frames."""
    start = int(gate.time.min())
    days = int(gate.time.max() - start) // DAY

    def total(at: Int64s, values: Float64s) -> Float64s:
        return np.bincount((at - start) // DAY, values, minlength=days + 1)[:days].astype(np.float64)

    covered = total(gate.time, weight)
    seen = covered > 0
    found: Float64s = total(time, amount)[seen] / covered[seen]
    return found


def undecided_reason(daily: Float64s, limit: float) -> str | None:
    """Why days, float64 (D,), do not show that their mean is above a limit; None where they do, at 99 %."""
    days = len(daily)
    if days < FEWEST_DAYS:
        return f"more than chance would bring, on {days} whole days; {FEWEST_DAYS} needed to know how days differ"
    t = T[min(days - FEWEST_DAYS, len(T) - 1)]
    if float(daily.mean()) - t * float(daily.std(ddof=1)) / days**0.5 <= limit:
        return f"more than chance would bring, but {days} days differ too much to tell"
    return None


def chance_of_at_least(count: int, mean: float, behind: float) -> float:
    """How likely so many or more are where `mean` are expected, and that from as few as `behind` observations.

    A Poisson count whose rate is known as well as so many observations tell it: negative binomial.
    """
    if mean == 0.0:
        return float(count == 0)
    log_success, log_other = math.log(behind / (behind + mean)), math.log(mean / (behind + mean))
    # In logarithms: of many observations the first terms are smaller than any number.
    ways = (math.lgamma(behind + k) - math.lgamma(behind) - math.lgamma(k + 1) for k in range(count))
    below = sum(math.exp(way + behind * log_success + k * log_other) for k, way in enumerate(ways))
    return max(0.0, 1.0 - below)
