"""New thresholds from newer readings, without new weights: threshold[s] = scale[s] * q.

1. The bundle's own detector judges the readings; what must not set a threshold is left out (`training.sieve`).
2. What is left is cut off at the threshold in force. So it is compared with the bundle's kept levels, cut off at the
   same place: how much the median of each series has grown (its scale with it), and how often levels come near the
   threshold (the rate of the tail). What lies beyond is taken from the kept levels, which nobody could choose.
3. What is no more than chance moves nothing. What is a shift, a fall, or a tail that grew by itself is refused.
4. No threshold moves further than `max_step` at once, nor than `max_total` from where training put it; only training
   begins anew.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from stream.detect.incidents.threshold import ThresholdTable
from stream.detect.policy import Rules
from stream.detect.slots import Segments
from stream.intake.columns import Float64s, Int64s
from stream.registry.recalibration_facts import PoolFacts, StepFacts
from stream.settings.detection import RecalibrationSettings, ThresholdSettings
from training.calibration.calibrate import Calibration, calibrate_stored
from training.calibration.levels import Levels
from training.calibration.stored_levels import StoredLevels
from training.recalibration import batch_means
from training.recalibration.batch_means import Estimate
from training.recalibration.drift import (
    MOSTLY,
    Advice,
    Drift,
    PoolDrift,
    Reason,
    SensorDrift,
    SeriesDrift,
    exceedance_reasons,
    level_reasons,
    over,
    sensor_reasons,
    shape_reasons,
)
from training.recalibration.reference_levels import ReferenceLevels, reference_levels
from training.recalibration.replayed_levels import replayed_share
from training.recalibration.tail_rate import TailRate, tail_rate

# What so many blocks of a series say weighs as much as what all series say.
FEW_BLOCKS = 10
# Share of the series, and more than one, that call for a recalibration before the bundle does; repeats, beyond what is
# usual, that are refused.
MANY, REPEATED = 0.1, 0.05
# A threshold that changed by less, in the logarithm, is the same: rounding.
SAME_STEP = 1e-12


@dataclass(frozen=True)
class BundleThresholds:
    """A bundle's thresholds and what they rest on."""

    table: ThresholdTable
    kept: StoredLevels
    grid: Float64s
    rules: Rules
    promise: ThresholdSettings
    seed: int


@dataclass(frozen=True)
class Evidence:
    """What newer readings show, per series of the bundle in the order of its table (S,).

    Attributes:
        levels: those that may set thresholds; `names` are the bundle's.
        usual: frames that nothing but an incident speaks against; scored: those with a level; exceeding: of them.
        above: share of all scored ones that exceed.
        sensors: of each series, where inputs are known; flat: sensors that did not vary in training.
    """

    levels: Levels
    usual: Float64s
    scored: Float64s
    exceeding: Float64s
    above: Estimate
    sensors: dict[str, tuple[SensorDrift, ...]]
    flat: frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Recalibration:
    """What came of it.

    Attributes:
        drift: what was seen. refused: why no threshold may follow from it; empty where some may.
        before, table: the old thresholds and the new ones; the same where it is refused.
        calibration: what q rests on; None where it stays as it was.
        clipped: series whose threshold was to go further than in one step. bound: than in all.
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
        """float64 (S,): by which factor each series' threshold changes."""
        found: Float64s = (self.table.scale * self.table.q / (self.before.scale * self.before.q))[:-1]
        return found

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

    @property
    def pool(self) -> PoolFacts | None:
        """The drift of all series together; None where no series had enough levels."""
        return None if self.drift.pool is None else self.drift.pool.facts()


def recalibrate(
    given: BundleThresholds, seen: Evidence, bounds: RecalibrationSettings, promised: float | None
) -> Recalibration:
    """Judges what newer readings show, and moves the thresholds as far as it bears.

    Args:
        promised: share of frames above the threshold, for the statistics alone.
    """
    table, levels = given.table, seen.levels
    if not len(levels):
        drift = Drift(tuple(_series(given, seen, bounds, s, None) for s in range(len(table.names) - 1)), None)
        return _refused(replace(drift, said=_of_all(drift, bounds)), table, bounds)
    ratio, law = levels.level / table.scale[levels.series], reference_levels(given.kept, given.grid)
    batch, alone = batch_means.batches(levels.series, levels.block), _own_median(table, law.quantile(0.5))
    growth = _growth(law, ratio, batch, float(seen.exceeding.sum()), over(len(levels), len(given.kept)), table.q)
    known = Segments(levels.series)
    changes: dict[int, Estimate] = {}
    for s, start, end in zip(known.series.tolist(), known.start.tolist(), known.end.tolist(), strict=True):
        if -(-(end - start) // levels.block) >= bounds.min_blocks:
            # A series that the bundle has no levels of has the scale of all.
            own, widened = slice(start, end), over(end - start, int(table.rows[s] or table.rows[-1]))
            change = _growth(law, ratio[own], batch[own], float(seen.exceeding[s]), widened, table.q)
            if change.within(bounds.max_total):
                changes[s] = change.times(1.0 / alone[s])
    factor = _shrunk(changes, levels, growth.value, len(table.names))
    tail = _tail(given, bounds, levels, ratio, factor)
    pool = _pool(given, seen, bounds, growth, law, ratio, tail, promised)
    drift = Drift(tuple(_series(given, seen, bounds, s, changes.get(s)) for s in range(len(table.names) - 1)), pool)
    drift = replace(drift, said=_of_all(drift, bounds))
    if refusals(drift, bounds):
        return _refused(drift, table, bounds)
    return _moved(given, drift, bounds, factor, tail)


def refusals(drift: Drift, bounds: RecalibrationSettings) -> tuple[str, ...]:
    """Why no threshold may follow from what was seen."""
    enough = sum(one.level is not None for one in drift.series)
    wanted = bounds.min_series * len(drift.series)
    found = [said.reason for said in drift.said if said.advice is Advice.RETRAIN]
    if enough < wanted:
        most = max((one.blocks for one in drift.series), default=0)
        found.insert(
            0,
            f"{enough} of {len(drift.series)} series have {bounds.min_blocks} blocks of levels that may set a "
            f"threshold (the most: {most}) and tell their median within a factor of {bounds.max_total:g}; "
            f"{math.ceil(wanted)} are needed: give more readings",
        )
    return tuple(found)


def _refused(drift: Drift, table: ThresholdTable, bounds: RecalibrationSettings) -> Recalibration:
    return Recalibration(drift, refusals(drift, bounds), table, table, None, 0, 0)


def trained_scale(table: ThresholdTable) -> Float64s:
    """float64 (R,): the scales that training found."""
    return table.scale if table.trained is None else table.trained


def _own_median(table: ThresholdTable, usual: float) -> Float64s:
    """float64 (R,): the median ratio level / scale of each series as a part of the `usual` one, that of all together.

    1 where nothing is known of it.
    """
    own = np.full(len(table.scale), usual) if table.median is None else table.median / table.scale
    found: Float64s = np.where((own > 0) & np.isfinite(own), own, usual) / usual
    return found


def _growth(
    law: ReferenceLevels, ratio: Float64s, batch: Int64s, exceeding: float, widened: float, q: float
) -> Estimate:
    """By which factor levels have grown, of which those above q are not known.

    By the median of those that are, beside the kept ones that would be; but no more than where all that exceed are
    normal: levels that were moved have fewer than levels that have grown.
    """
    cut = law.growth(batch_means.median(ratio, batch, widened), q)
    return cut.or_less(batch_means.median(ratio, batch, widened, exceeding).times(1.0 / law.quantile(0.5)))


def _shrunk(changes: dict[int, Estimate], levels: Levels, growth: float, rows: int) -> Float64s:
    """float64 (R,): how much each series' levels have grown; what few blocks say is shrunk to what all say."""
    factor = np.full(rows, growth)
    count = np.bincount(levels.series, minlength=rows) / levels.block
    for s, change in changes.items():
        share = count[s] / (count[s] + FEW_BLOCKS)
        factor[s] = np.exp(share * np.log(max(change.value, 1e-12)) + (1.0 - share) * np.log(max(growth, 1e-12)))
    return factor


def _tail(
    given: BundleThresholds, bounds: RecalibrationSettings, levels: Levels, ratio: Float64s, factor: Float64s
) -> TailRate:
    """How often levels come near the threshold, of the series that it may follow."""
    near = (factor <= bounds.max_total)[levels.series]
    if not near.any():
        return TailRate(0, 0.0, given.kept.rate, ())
    counted = levels.rows(near)
    of_row = factor[counted.series]
    return tail_rate(counted, ratio[near] / of_row, given.kept, given.table.q / float(of_row.max()))


def _series(
    given: BundleThresholds, seen: Evidence, bounds: RecalibrationSettings, s: int, change: Estimate | None
) -> SeriesDrift:
    table, name, block = given.table, given.table.names[s], given.kept.block
    first, last = np.searchsorted(seen.levels.series, [s, s + 1])
    blocks, is_enough = -(-int(last - first) // block), seen.usual[s] >= bounds.min_blocks * block
    since = float(table.scale[s] / trained_scale(table)[s])
    exceeding = float(seen.exceeding[s] / max(seen.scored[s], 1))
    said = [
        one
        for sensor in seen.sensors.get(name, ())
        for one in sensor_reasons(sensor, (name, sensor.sensor) in seen.flat)
        if is_enough
    ]
    if change is not None:
        said += level_reasons(change, since, bounds.margin, bounds.max_total)
    if exceeding > MOSTLY and is_enough:
        said.append(Reason(Advice.RETRAIN, f"{exceeding:.0%} of its frames exceed the threshold"))
    return SeriesDrift(
        series=name,
        blocks=blocks,
        level=change,
        since_training=None if change is None else change.value * since,
        exceeding=exceeding,
        sensors=seen.sensors.get(name, ()),
        said=tuple(said),
    )


def _pool(
    given: BundleThresholds,
    seen: Evidence,
    bounds: RecalibrationSettings,
    growth: Estimate,
    law: ReferenceLevels,
    ratio: Float64s,
    tail: TailRate,
    promised: float | None,
) -> PoolDrift:
    table = given.table
    since = float(table.scale[-1] / trained_scale(table)[-1])
    low, high = np.quantile(ratio, [0.1, 0.9])
    cut = table.q / growth.value
    spread = since * float(high - low) / max(law.cut(0.9, cut) - law.cut(0.1, cut), 1e-12)
    repeated = replayed_share(seen.levels, ratio, given.kept)
    said = level_reasons(growth, since, bounds.margin, bounds.max_total)
    if not said or said[0].advice is Advice.RECALIBRATE:
        said += shape_reasons(growth.times(since), spread, bounds.margin)
    said += [*tail.said, *exceedance_reasons(seen.above, 1.0 - law.share_below(cut) + (promised or 0.0))]
    if repeated > REPEATED:
        reason = f"{repeated:.0%} of the levels go the way of others to the bit: replayed or copied data"
        said.append(Reason(Advice.RETRAIN, reason))
    return PoolDrift(
        level=growth,
        since_training=growth.times(since),
        spread=spread,
        far=tail.seen,
        expected=tail.expected,
        rate=tail.rate,
        repeated=repeated,
        exceeding=seen.above,
        promised=promised,
        said=tuple(said),
    )


def _of_all(drift: Drift, bounds: RecalibrationSettings) -> tuple[Reason, ...]:
    """What is said of the bundle as a whole: by all levels together, and by many of its series."""
    said = list(drift.pool.said if drift.pool is not None else ())
    refusing = (1.0 - bounds.min_series) * len(drift.series)
    for advice, most in ((Advice.RETRAIN, refusing), (Advice.RECALIBRATE, max(1.0, MANY * len(drift.series)))):
        those = [one for one in drift.series if one.advice is advice]
        if len(those) > most:
            first = next(one.reason for one in those[0].said if one.advice is advice)
            said.append(
                Reason(advice, f"{len(those)} of {len(drift.series)} series, such as {those[0].series!r}: {first}")
            )
    return tuple(said)


def _moved(
    given: BundleThresholds, drift: Drift, bounds: RecalibrationSettings, factor: Float64s, tail: TailRate
) -> Recalibration:
    """The thresholds where they are to be, within their bounds."""
    table, kept = given.table, given.kept
    calibration = None
    if tail.rate != kept.rate:
        newer = replace(kept, today=tail.rate)
        calibration = calibrate_stored(newer, table, given.rules, given.promise, given.seed)
    q = table.q if calibration is None else calibration.table.q
    trained = trained_scale(table) * _trained_q(given)
    assert drift.pool is not None
    all_move = _moves(drift.pool.level)
    before = table.scale * table.q
    wanted = before.copy()
    for s, one in enumerate(drift.series):
        if one.level is not None and one.advice is not Advice.RETRAIN:
            wanted[s] *= (factor[s] if all_move or _moves(one.level) else 1.0) * q / table.q
    wanted[-1] *= (factor[-1] if all_move else 1.0) * q / table.q
    allowed = _limited(wanted, trained, bounds.max_total)
    final = _limited(allowed, before, bounds.max_step)
    return Recalibration(
        drift=drift,
        refused=(),
        before=table,
        # In this order, so that what does not move stays as it is, to the bit.
        table=replace(
            table,
            scale=table.scale * (final / before) * (table.q / q),
            q=q,
            trained=trained_scale(table),
            median=None if table.median is None else table.median * (final / before) * (table.q / q),
        ),
        calibration=calibration,
        clipped=int((final != allowed)[:-1].sum()),
        bound=int((allowed != wanted)[:-1].sum()),
    )


def _moves(level: Estimate) -> bool:
    """Whether it is more than chance and a trifle that a level is not what the threshold was made for."""
    return bool(level_reasons(level, 1.0, np.inf, np.inf))


def _trained_q(given: BundleThresholds) -> float:
    """The q that training would have found for the promise and the rules of today."""
    if given.kept.rate == 1.0:
        return given.table.q
    alone = replace(given.kept, today=1.0)
    return calibrate_stored(alone, given.table, given.rules, given.promise, given.seed).table.q


def _limited(wanted: Float64s, centre: Float64s, factor: float) -> Float64s:
    """`wanted`, no further than by a factor from `centre`, either way."""
    found: Float64s = np.clip(wanted, centre / factor, centre * factor)
    return found
