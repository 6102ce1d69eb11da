"""The promise of the threshold on the gate part: refused only where even twice as much is excluded.

Neighbouring levels hang together, so incidents are counted, or blocks with a level above; and the threshold rests on a
few of them itself, so as much new data may bring more, by chance, than the promise says.
"""

import math
from dataclasses import dataclass

import numpy as np

from stream.detect.policy import Rules
from stream.intake.columns import Float64s
from training.calibrate import Calibration, place
from training.gate import CHANCE, Criterion, not_judged
from training.levels import Levels, incidents
from training.tail import blocks

# BARS of a promise that is kept: no more than twice as much. A detector that is in alarm for more than a tenth of
# normal time is none, whatever was promised.
KEPT, IN_ALARM = 2.0, 0.1
REMEDY = (
    "the newest part of the history is not like what the threshold was calibrated on: look for faults in it and label "
    "or exclude them, give newer history, or promise less"
)


@dataclass(frozen=True, slots=True)
class Above:
    """How levels exceed a threshold: frames, those above it, and blocks that have some."""

    frames: int
    above: int
    blocks: int

    @property
    def share(self) -> float:
        return self.above / self.frames


def promise_kept(gate: Levels, calibrated: Levels, calibration: Calibration, rules: Rules) -> list[Criterion]:
    """Incidents or levels above beside those promised, and the time in alarm.

    Args:
        gate, calibrated: levels of the gate and calibrate parts.
    """
    names = ("promise", "time in alarm")
    if not len(gate):
        return [not_judged(name, "no held-out frames are left for the gate") for name in names]
    score = gate.level / calibration.table.of_each(gate.names)[gate.series]
    seen = above(gate, score)
    behind = above(calibrated, calibration.ratio / calibration.table.q)
    if calibration.method == "percentile":
        promised = 1.0 - calibration.promised / 100.0
        return [
            _share(names[0], seen, behind, KEPT * promised),
            _share(names[1], seen, behind, max(IN_ALARM, KEPT * promised)),
        ]
    found, opened = _incidents(names[0], incidents(gate, score, rules), gate.weeks, calibration), IN_ALARM
    return [found, _share(names[1], seen, behind, opened)]


def above(levels: Levels, score: Float64s) -> Above:
    """How often scores float64 (n,) are above 1."""
    block = blocks(levels.series.astype(np.int64), place(levels), levels.block)
    return Above(len(score), int((score > 1).sum()), len(np.unique(block[score > 1])))


def _incidents(name: str, count: int, weeks: float, calibration: Calibration) -> Criterion:
    limit = KEPT * calibration.promised
    behind = max(1.0, calibration.implied_per_week * calibration.weeks)
    said = (
        f"{count} incidents in {weeks:.3g} normal series-weeks; promised are {calibration.promised:g} per series and "
        f"week, and {limit:g} are let pass"
    )
    return _criterion(name, chance(count, limit * weeks, behind), count / max(weeks, 1e-12), limit, said)


def _share(name: str, seen: Above, behind: Above, limit: float) -> Criterion:
    size = seen.above / max(seen.blocks, 1)
    expected = limit * seen.frames / max(size, 1.0)  # blocks
    said = (
        f"{seen.share:.2%} of {seen.frames:,} normal frames above the threshold, in {seen.blocks} blocks; "
        f"{limit:.2%} are let pass"
    )
    return _criterion(name, chance(seen.blocks, expected, max(1, behind.blocks)), seen.share, limit, said)


def _criterion(name: str, probability: float, measured: float, limit: float, said: str) -> Criterion:
    if probability < CHANCE:
        return Criterion(
            name, "refused", measured, limit, f"{said}, and chance is excluded at {1 - CHANCE:.0%}; {REMEDY}"
        )
    return Criterion(name, "passed", measured, limit, said)


def chance(count: int, mean: float, behind: float) -> float:
    """How likely so many or more are where `mean` are expected, and that from as few as `behind` observations.

    A Poisson count whose rate is known as well as so many observations tell it: negative binomial.
    """
    success = behind / (behind + mean)
    term, below = success**behind if success < 1 else 1.0, 0.0
    for k in range(count):
        below += term
        term *= (behind + k) / (k + 1) * (1.0 - success)
    return max(0.0, 1.0 - below) if math.isfinite(below) else 0.0
