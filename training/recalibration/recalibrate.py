"""New thresholds from newer readings, with the same weights: threshold[s] = scale[s] * q.

1. The detector of the bundle scores the readings. `training.recalibration.selection` removes levels that must not set
   thresholds.
2. The rest is cut off at the thresholds in force, and compared with the stored levels of the bundle, cut off at the
   same place. This gives the growth of the median of each series, and the rate of levels near the threshold. The tail
   above the threshold is taken from the stored levels, which no one can influence any more.
3. A change within its confidence interval leaves the threshold as it is. Shifted levels, fallen levels, and a tail that
   has changed far more than the median are refused.
4. No threshold moves further than `max_step` in one run, and than `max_total` from its value in training.
"""

from dataclasses import dataclass, replace

import numpy as np

from stream.detect.incidents.threshold import ThresholdTable
from stream.intake.columns import Float64s
from stream.registry.recalibration_facts import PoolFacts, StepFacts
from stream.settings.detection import RecalibrationSettings
from training.calibration.calibrate import Calibration, calibrate_stored
from training.recalibration.batch_means import Estimate
from training.recalibration.drift import Advice, Drift, Reason, SeriesDrift
from training.recalibration.evidence import BundleThresholds, Evidence
from training.recalibration.growth import Growth, level_growth
from training.recalibration.reasons import (
    MOSTLY,
    REPEATED,
    exceedance_reasons,
    level_reasons,
    refusals,
    sensor_reasons,
    shape_reasons,
    shared_reasons,
)
from training.recalibration.reference_levels import ReferenceLevels, reference_levels
from training.recalibration.replayed_levels import replayed_share
from training.recalibration.tail_rate import TailRate, tail_rate

# A change of a threshold below this, in the logarithm, is rounding.
SAME_STEP = 1e-12


@dataclass(frozen=True)
class Recalibration:
    """Result of a recalibration.

    Attributes:
        drift: the drift of the newer readings.
        refused: reasons to move no threshold; empty where thresholds may move.
        before, table: the thresholds before and after; the same where it is refused.
        calibration: the calibration of q; None where q stays.
        clipped, bound: series that reached the limit of one run, and of all runs.
    """

    drift: Drift
    refused: tuple[str, ...]
    before: ThresholdTable
    table: ThresholdTable
    calibration: Calibration | None
    clipped: int
    bound: int

    @property
    def steps(self) -> Float64s:
        """float64 (S,): factor by which the threshold of each series changes."""
        factors: Float64s = (self.table.scale * self.table.q / (self.before.scale * self.before.q))[:-1]
        return factors

    @property
    def step(self) -> StepFacts:
        """The changes of all series together."""
        steps = self.steps
        return StepFacts(
            series=int((np.abs(np.log(steps)) > SAME_STEP).sum()),
            smallest=float(steps.min()),
            median=float(np.median(steps)),
            largest=float(steps.max()),
            clipped=self.clipped,
            bound=self.bound,
        )


def recalibrate(
    bundle: BundleThresholds, evidence: Evidence, bounds: RecalibrationSettings, promised: float | None
) -> Recalibration:
    """Moves the thresholds as far as the evidence of newer readings allows.

    Args:
        promised: share of frames above the threshold that calibration promised; None where it is not known.
    """
    table, levels = bundle.table, evidence.levels
    growth, tail, pool = None, None, None
    reasons: list[Reason] = []
    if len(levels):
        ratio, reference = levels.level / table.scale[levels.series], reference_levels(bundle.stored, bundle.grid)
        growth = level_growth(bundle, evidence, reference, ratio, bounds)
        tail = _tail_rate(bundle, evidence, bounds, ratio, growth.factor)
        pool, reasons = _pool_drift(bundle, evidence, bounds, growth.pool, reference, ratio, tail, promised)
    known = {} if growth is None else growth.series
    series = tuple(_series_drift(bundle, evidence, bounds, s, known.get(s)) for s in range(len(table.names) - 1))
    drift = Drift(series, pool, (*reasons, *shared_reasons(series, bounds)))
    refused = refusals(drift, bounds)
    if refused or growth is None or tail is None:
        return Recalibration(drift, refused, table, table, None, 0, 0)
    return _moved(bundle, drift, bounds, growth, tail)


def _tail_rate(
    bundle: BundleThresholds, evidence: Evidence, bounds: RecalibrationSettings, ratio: Float64s, factor: Float64s
) -> TailRate:
    """Computes the rate of levels near the threshold, over the series whose growth a threshold may follow."""
    levels = evidence.levels
    bounded = (factor <= bounds.max_total)[levels.series]
    if not bounded.any():
        return TailRate(0, 0.0, bundle.stored.rate, ())
    counted = levels.rows(bounded)
    of_row = factor[counted.series]
    return tail_rate(counted, ratio[bounded] / of_row, bundle.stored, bundle.table.q / float(of_row.max()))


def _series_drift(
    bundle: BundleThresholds, evidence: Evidence, bounds: RecalibrationSettings, s: int, growth: Estimate | None
) -> SeriesDrift:
    table, name, block = bundle.table, bundle.table.names[s], bundle.stored.block
    first, last = np.searchsorted(evidence.levels.series, [s, s + 1])
    blocks, is_enough = -(-int(last - first) // block), evidence.eligible[s] >= bounds.min_blocks * block
    since = float(table.scale[s] / bundle.trained_scale[s])
    exceeding = float(evidence.exceeding[s] / max(evidence.scored[s], 1))
    sensors = evidence.sensors.get(name, ())
    reasons: list[Reason] = []
    if is_enough:
        for sensor in sensors:
            reasons += sensor_reasons(sensor, (name, sensor.sensor) in evidence.flat)
    if growth is not None:
        reasons += level_reasons(growth, since, bounds.margin, bounds.max_total)
    if exceeding > MOSTLY and is_enough:
        reasons.append(Reason(Advice.RETRAIN, f"{exceeding:.0%} of its frames exceed the threshold"))
    return SeriesDrift(
        series=name,
        blocks=blocks,
        level=growth,
        since_training=None if growth is None else growth.value * since,
        exceeding=exceeding,
        sensors=sensors,
        reasons=tuple(reasons),
    )


def _pool_drift(
    bundle: BundleThresholds,
    evidence: Evidence,
    bounds: RecalibrationSettings,
    growth: Estimate,
    reference: ReferenceLevels,
    ratio: Float64s,
    tail: TailRate,
    promised: float | None,
) -> tuple[PoolFacts, list[Reason]]:
    """Computes the drift of all series together, and the reasons that follow from it."""
    table = bundle.table
    since = float(table.scale[-1] / bundle.trained_scale[-1])
    low, high = np.quantile(ratio, [0.1, 0.9])
    cut = table.q / growth.value
    spread = since * float(high - low) / max(reference.cut(0.9, cut) - reference.cut(0.1, cut), 1e-12)
    repeated = replayed_share(evidence.levels, ratio, bundle.stored)
    reasons = level_reasons(growth, since, bounds.margin, bounds.max_total)
    if not reasons or reasons[0].advice is Advice.RECALIBRATE:
        reasons += shape_reasons(growth.times(since), spread, bounds.margin)
    explained = 1.0 - reference.share_below(cut) + (promised or 0.0)
    reasons += [*tail.reasons, *exceedance_reasons(evidence.exceeding_share, explained)]
    if repeated > REPEATED:
        text = f"{repeated:.0%} of the levels go the way of others to the bit: replayed or copied data"
        reasons.append(Reason(Advice.RETRAIN, text))
    facts = PoolFacts(
        level=growth.facts(),
        since_training=growth.times(since).facts(),
        spread=spread,
        far=tail.near,
        expected=tail.expected,
        rate=tail.rate,
        repeated=repeated,
        exceeding=evidence.exceeding_share.facts(),
        promised=promised,
    )
    return facts, reasons


def _moved(
    bundle: BundleThresholds, drift: Drift, bounds: RecalibrationSettings, growth: Growth, tail: TailRate
) -> Recalibration:
    """Moves the thresholds within their bounds."""
    table, stored = bundle.table, bundle.stored
    calibration = None
    if tail.rate != stored.rate:
        newer = replace(stored, rate=tail.rate)
        calibration = calibrate_stored(newer, table, bundle.rules, bundle.promise, bundle.seed)
    q = table.q if calibration is None else calibration.table.q
    trained = bundle.trained_scale * _trained_q(bundle)
    all_move, before = _moves(growth.pool), table.scale * table.q
    wanted = before.copy()
    for s, one in enumerate(drift.series):
        if one.level is not None and one.advice is not Advice.RETRAIN:
            wanted[s] *= (growth.factor[s] if all_move or _moves(one.level) else 1.0) * q / table.q
    wanted[-1] *= (growth.factor[-1] if all_move else 1.0) * q / table.q
    allowed = _limited(wanted, trained, bounds.max_total)
    final = _limited(allowed, before, bounds.max_step)
    return Recalibration(
        drift=drift,
        refused=(),
        before=table,
        # In this order, so that a threshold that does not move stays the same to the bit.
        table=replace(
            table,
            scale=table.scale * (final / before) * (table.q / q),
            q=q,
            trained=bundle.trained_scale,
            median=None if table.median is None else table.median * (final / before) * (table.q / q),
        ),
        calibration=calibration,
        clipped=int((final != allowed)[:-1].sum()),
        bound=int((allowed != wanted)[:-1].sum()),
    )


def _moves(level: Estimate) -> bool:
    """The level has changed by more than chance and a trifle."""
    return bool(level_reasons(level, 1.0, np.inf, np.inf))


def _trained_q(bundle: BundleThresholds) -> float:
    """Computes the q that training would have found for today's promise and rules."""
    if bundle.stored.rate == 1.0:
        return bundle.table.q
    alone = replace(bundle.stored, rate=1.0)
    return calibrate_stored(alone, bundle.table, bundle.rules, bundle.promise, bundle.seed).table.q


def _limited(wanted: Float64s, centre: Float64s, factor: float) -> Float64s:
    """Limits `wanted` to within a factor of `centre`, up and down."""
    limited: Float64s = np.clip(wanted, centre / factor, centre * factor)
    return limited
