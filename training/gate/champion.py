"""Challenger and champion: is a new model no worse than production, on the same rows, that neither has learned from?

Paired per series: incidents on normal rows, and synthetic anomalies in the same strips, each at its own thresholds.
Refused only where worse by more than the margin is all but certain.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from stream.detect.definition import Definition
from stream.errors import NarrowsError
from stream.events.record import rfc3339
from stream.intake.columns import Bools, Float64s, Int64s, UInt8s
from stream.registry.bundle import load
from stream.registry.manifest import Manifest
from stream.registry.manifest_facts import Criterion, DataFacts, ThresholdFacts
from stream.registry.registry import PRODUCTION, Registry
from training.calibration.calibrate import Calibration
from training.calibration.held_out import levels_at
from training.calibration.levels import WEEK, incident_events
from training.data.framing import FramedHistory
from training.data.history import History, learned_until
from training.data.scored_history import FrameScores, frame_scores
from training.data.split import Part
from training.data.synthetic import Kind, inject
from training.gate.criteria import CHANCE, not_judged
from training.gate.false_alerts import DAY, FEWEST_DAYS, chance_of_at_least, daily_rates, undecided_reason
from training.gate.segments import FEWEST, HeldOutSegments, cut_segments, most_segments
from training.gate.separability import ONE_SIDED

# So many times as many false alerts, and what was promised; so much less of the synthetic anomalies found.
MORE_ALERTS, LESS_FOUND = 1.5, 0.2
# Blocks of W + M frames that a comparison needs.
FEWEST_BLOCKS = 10
TRIALS: tuple[tuple[Kind, float], ...] = (("level_shift", 2.0), ("level_shift", 4.0), ("noise_burst", 4.0))
ALERTS, DETECTION = NAMES = ("false alerts beside production", "detection beside production")


@dataclass(frozen=True)
class ScoredModel:
    """A model with its thresholds, and what it makes of every frame of the history.

    Attributes:
        caution: how much larger its thresholds would be at the upper end of their interval, >= 1.
    """

    definition: Definition
    scores: FrameScores
    caution: float = 1.0


def champion_criteria(
    registry: Registry,
    challenger: ScoredModel,
    history: History,
    framed: FramedHistory,
    part: UInt8s,
    data: DataFacts,
    calibration: Calibration,
    seed: int,
) -> list[Criterion]:
    """The two criteria; not judged, with the reason, where the two cannot be compared.

    Args:
        data: what the challenger's manifest says of its history; calibration: of its thresholds.
    """
    detector = challenger.definition.detector
    try:
        version = registry.alias(detector, PRODUCTION)
        if version is None:
            return _neither("nothing is in production yet")
        manifest, definition = load(registry.folder(detector, version))
    except NarrowsError as fault:
        return _neither(f"production cannot be loaded: {fault}")
    if manifest.data.end is None:
        return _neither(f"production, {version}, does not say what it has learned from")
    if definition.sensors != challenger.definition.sensors:
        return _neither(f"production, {version}, has other sensors: {', '.join(definition.sensors)}")
    theirs, ours = _promise(manifest.threshold), _promise(calibration.facts())
    if theirs != ours:
        return _neither(
            f"production, {version}, promises {theirs}, this one {ours}: compare them with `narrows replay`"
        )
    scores = frame_scores(history, definition)
    if not np.array_equal(scores.time, framed.time):
        return _neither(f"production, {version}, makes other frames of these readings")
    caution = max((manifest.threshold.q_high or 0.0) / manifest.threshold_q, 1.0)
    champion = ScoredModel(definition, scores, caution)
    common = _common(framed, *_rows(manifest, framed, part, data), challenger, champion)
    return _compared(common, calibration, seed)


def _promise(threshold: ThresholdFacts) -> str:
    return f"{threshold.method} {threshold.promised}"


def _rows(manifest: Manifest, framed: FramedHistory, part: UInt8s, data: DataFacts) -> tuple[Bools, str]:
    """bool (T,), gate frames that neither has learned from, and which these are."""
    gate = part == Part.GATE
    known = manifest.data
    if (known.fingerprint, known.frames) == (data.fingerprint, data.frames):
        return gate, "the gate part of the history that both learned from the rest of"
    until = learned_until(manifest)
    which = f"the gate part after {rfc3339(until)}, where what {manifest.version} has learned from ends"
    return gate & (framed.time > until), which


@dataclass(frozen=True)
class _Common:
    """The two on the rows `inside`, bool (T,), on which both have a level of normal frames; `which` rows these are."""

    challenger: ScoredModel
    champion: ScoredModel
    framed: FramedHistory
    inside: Bools
    which: str

    @property
    def frames(self) -> int:
        """That one of them, or the other, looks at for a level."""
        return max(one.definition.spec.receptive_field for one in (self.challenger, self.champion))


def _common(framed: FramedHistory, rows: Bools, which: str, challenger: ScoredModel, champion: ScoredModel) -> _Common:
    common = _Common(challenger, champion, framed, rows, which)
    scored = np.isfinite(challenger.scores.level) & np.isfinite(champion.scores.level)
    return replace(common, inside=rows & scored & (framed.run_within(framed.normal) >= common.frames))


def _compared(common: _Common, calibration: Calibration, seed: int) -> list[Criterion]:
    count, needed = int(common.inside.sum()), FEWEST_BLOCKS * common.frames
    if count < needed:
        return _neither(f"{count} normal frames are in {common.which}; {needed} needed: give newer history")
    return [_alerts(common, calibration), _detection(common, seed)]


def _alerts(common: _Common, calibration: Calibration) -> Criterion:
    levels = levels_at(common.framed, common.inside, common.challenger.scores, common.frames + 1)
    ours, theirs = (_opened(one, common) for one in (common.challenger, common.champion))
    more, fewer = (int((sign * (ours.series - theirs.series) > 0).sum()) for sign in (1, -1))
    # A champion that is silent beyond its promise is none to be held to.
    promised = calibration.promised if calibration.method == "budget" else calibration.implied_per_week
    expected, behind = promised * levels.weeks, max(1.0, calibration.implied_per_week * calibration.weeks)
    limit, share = max(MORE_ALERTS * theirs.count, expected), MORE_ALERTS / (1 + MORE_ALERTS)
    said = (
        f"{ours.count} incidents, production {theirs.count}, on {common.which}: more in {more} series, fewer in "
        f"{fewer}; {limit:.3g} are let pass, {MORE_ALERTS:g} times those of production, and what is promised"
    )
    beside = _at_least(ours.count, ours.count + theirs.count, share)
    if max(beside, chance_of_at_least(ours.count, expected, behind)) >= CHANCE:
        return Criterion(ALERTS, "passed", ours.count, limit, said)
    amounts = np.repeat([1.0, -MORE_ALERTS], [ours.count, theirs.count])
    daily = daily_rates(levels, np.concatenate([ours.time, theirs.time]), amounts, levels.step / WEEK)
    if (open_ := undecided_reason(daily, 0.0)) is not None:
        return Criterion(ALERTS, "not judged", ours.count, limit, f"{said}: {open_}")
    return Criterion(ALERTS, "refused", ours.count, limit, f"{said}, and the days agree")


@dataclass(frozen=True)
class _Opened:
    """Incidents: when each opened, int64 (n,); how many in each series, int64 (S,)."""

    time: Int64s
    series: Int64s

    @property
    def count(self) -> int:
        return len(self.time)


def _opened(one: ScoredModel, common: _Common) -> _Opened:
    levels = levels_at(common.framed, common.inside, one.scores, common.frames + 1)
    score = levels.level / one.definition.thresholds.of_each(levels.names)[levels.series]
    opened = [e for e in incident_events(levels, score, one.definition.rules) if e.state == "opened"]
    place = {name: i for i, name in enumerate(levels.names)}
    series = np.array([place[event.series] for event in opened], np.int64)
    times = np.array([event.started_at for event in opened], np.int64)
    return _Opened(times, np.bincount(series, minlength=len(levels.names)))


def _detection(common: _Common, seed: int) -> Criterion:
    most = min(most_segments(one.definition.spec) for one in (common.challenger, common.champion))
    strips = cut_segments(common.framed, common.inside, common.frames, most, seed)
    pairs = np.concatenate([_found(common, strips, kind, size, seed) for kind, size in TRIALS])
    if len(strips) < FEWEST or not len(pairs):
        still = "" if len(pairs) else ", and no sensor that moves in them"
        return not_judged(DETECTION, f"{len(strips)} strips in {common.which}, {FEWEST} needed{still}")
    less = pairs[:, 1] - pairs[:, 0]  # 1: production alone finds it
    # The trials of one strip hang together: as many observations as strips.
    lower = float(less.mean()) - ONE_SIDED * float(less.std()) / math.sqrt(len(strips))
    ours, theirs = pairs.mean(axis=0).tolist()
    said = (
        f"{ours:.1%} of {len(pairs)} synthetic anomalies found, by production {theirs:.1%}, in strips of "
        f"{common.which}; {LESS_FOUND:.0%} less are let pass"
    )
    if lower <= LESS_FOUND:
        return Criterion(DETECTION, "passed", ours, theirs - LESS_FOUND, said)
    days = int(np.ptp(common.framed.time[common.inside])) // DAY
    if days < FEWEST_DAYS:
        few = f"{days} whole days; {FEWEST_DAYS} needed, as thresholds of short histories differ by what a day was like"
        return Criterion(DETECTION, "not judged", ours, theirs - LESS_FOUND, f"{said}: {few}")
    return Criterion(DETECTION, "refused", ours, theirs - LESS_FOUND, said)


def _found(common: _Common, strips: HeldOutSegments, kind: Kind, size: float, seed: int) -> Float64s:
    """float64 (n, 2), 1 where each of the two finds the anomaly; it is as large as the scale of the champion says.

    A champion whose threshold may be low by chance is no standard: it is held at the upper end of its interval.
    """
    challenger, champion = common.challenger.definition, common.champion.definition
    made = inject(strips.scaled(champion), kind, size, seed, clip=champion.policy.clip, allowed=strips.free)
    anomalous = strips.of(made.rows).unscaled(made.strips, champion)
    found = anomalous.scores(challenger) > 1, anomalous.scores(champion) > common.champion.caution
    return np.stack(found, axis=1).astype(np.float64)


def _at_least(count: int, of: int, share: float) -> float:
    """Chance of so many or more, of so many that are each of this share."""
    ways = (math.lgamma(of + 1) - math.lgamma(k + 1) - math.lgamma(of - k + 1) for k in range(count, of + 1))
    return sum(
        math.exp(way + k * math.log(share) + (of - k) * math.log(1 - share)) for k, way in enumerate(ways, start=count)
    )


def _neither(why: str) -> list[Criterion]:
    return [not_judged(name, why) for name in NAMES]
