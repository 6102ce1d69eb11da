"""Compares a new model, the challenger, with the one in production, the champion, on rows that neither was trained on.

Both are compared by incidents on normal rows, and by synthetic anomalies in the same segments, each at its own
thresholds. The challenger is refused only where it is worse by more than a margin, beyond doubt.
"""

import math
from dataclasses import dataclass

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

# Margins: so many times the false alerts of the champion; so much less of the synthetic anomalies found.
MORE_ALERTS, LESS_FOUND = 1.5, 0.2
# Blocks of W + M frames that a comparison needs.
FEWEST_BLOCKS = 10
TRIALS: tuple[tuple[Kind, float], ...] = (("level_shift", 2.0), ("level_shift", 4.0), ("noise_burst", 4.0))
ALERTS, DETECTION = NAMES = ("false alerts beside production", "detection beside production")


@dataclass(frozen=True)
class ScoredModel:
    """A model with its thresholds, and its scores of every frame of the history.

    Attributes:
        caution: factor from its thresholds to the upper end of their interval, >= 1.
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
    """Judges a challenger beside production by both criteria; not judged where the two cannot be compared.

    Args:
        part: uint8 (T,), `Part`s of the frames.
        data: facts about the challenger's history.
        calibration: of the challenger's thresholds.
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
    comparison = _comparison(framed, *_rows(manifest, framed, part, data), challenger, champion)
    return _compared(comparison, calibration, seed)


def _promise(threshold: ThresholdFacts) -> str:
    return f"{threshold.method} {threshold.promised}"


def _rows(manifest: Manifest, framed: FramedHistory, part: UInt8s, data: DataFacts) -> tuple[Bools, str]:
    """Selects gate frames that neither model was trained on, bool (T,), and describes them in words."""
    gate = part == Part.GATE
    theirs = manifest.data
    if (theirs.fingerprint, theirs.frames) == (data.fingerprint, data.frames):
        return gate, "the gate part of the history that both learned from the rest of"
    until = learned_until(manifest)
    which = f"the gate part after {rfc3339(until)}, where what {manifest.version} has learned from ends"
    return gate & (framed.time > until), which


@dataclass(frozen=True)
class _Comparison:
    """Both models on the same rows.

    Attributes:
        inside: bool (T,), rows on which both have a level of normal frames.
        which: these rows in words.
        frames: frames that a level of either model rests on: the larger number.
    """

    challenger: ScoredModel
    champion: ScoredModel
    framed: FramedHistory
    inside: Bools
    which: str
    frames: int


def _comparison(
    framed: FramedHistory, rows: Bools, which: str, challenger: ScoredModel, champion: ScoredModel
) -> _Comparison:
    frames = max(one.definition.spec.receptive_field for one in (challenger, champion))
    scored = np.isfinite(challenger.scores.level) & np.isfinite(champion.scores.level)
    inside = rows & scored & (framed.run_within(framed.normal) >= frames)
    return _Comparison(challenger, champion, framed, inside, which, frames)


def _compared(comparison: _Comparison, calibration: Calibration, seed: int) -> list[Criterion]:
    count, needed = int(comparison.inside.sum()), FEWEST_BLOCKS * comparison.frames
    if count < needed:
        return _neither(f"{count} normal frames are in {comparison.which}; {needed} needed: give newer history")
    return [_alerts(comparison, calibration), _detection(comparison, seed)]


def _alerts(comparison: _Comparison, calibration: Calibration) -> Criterion:
    levels = levels_at(comparison.framed, comparison.inside, comparison.challenger.scores, comparison.frames + 1)
    ours, theirs = (_openings(one, comparison) for one in (comparison.challenger, comparison.champion))
    more, fewer = (int((sign * (ours.series - theirs.series) > 0).sum()) for sign in (1, -1))
    # If production alerts less often than it promised, the promise is the standard.
    promised = calibration.facts().alerts_per_week or 0.0
    expected, observations = promised * levels.weeks, max(1.0, calibration.implied_per_week * calibration.weeks)
    limit, share = max(MORE_ALERTS * theirs.count, expected), MORE_ALERTS / (1 + MORE_ALERTS)
    reason = (
        f"{ours.count} incidents, production {theirs.count}, on {comparison.which}: more in {more} series, fewer in "
        f"{fewer}; {limit:.3g} are let pass, {MORE_ALERTS:g} times those of production, and what is promised"
    )
    by_chance = _binomial_tail(ours.count, ours.count + theirs.count, share)
    if ours.count <= limit:
        return Criterion(ALERTS, "passed", ours.count, limit, reason)
    if max(by_chance, chance_of_at_least(ours.count, expected, observations)) >= CHANCE:
        text = f"{reason}: more than that, but too few to exclude that it is chance"
        return Criterion(ALERTS, "not judged", ours.count, limit, text)
    amounts = np.repeat([1.0, -MORE_ALERTS], [ours.count, theirs.count])
    daily = daily_rates(levels, np.concatenate([ours.time, theirs.time]), amounts, levels.step / WEEK)
    if (undecided := undecided_reason(daily, 0.0)) is not None:
        return Criterion(ALERTS, "not judged", ours.count, limit, f"{reason}: {undecided}")
    return Criterion(ALERTS, "refused", ours.count, limit, f"{reason}, and the days agree")


@dataclass(frozen=True)
class _Openings:
    """Start of each incident, int64 (n,), and number of incidents in each series, int64 (S,)."""

    time: Int64s
    series: Int64s

    @property
    def count(self) -> int:
        """Number of incidents."""
        return len(self.time)


def _openings(one: ScoredModel, comparison: _Comparison) -> _Openings:
    levels = levels_at(comparison.framed, comparison.inside, one.scores, comparison.frames + 1)
    score = levels.level / one.definition.thresholds.of_each(levels.names)[levels.series]
    opened = [e for e in incident_events(levels, score, one.definition.rules) if e.state == "opened"]
    place = {name: i for i, name in enumerate(levels.names)}
    series = np.array([place[event.series] for event in opened], np.int64)
    times = np.array([event.started_at for event in opened], np.int64)
    return _Openings(times, np.bincount(series, minlength=len(levels.names)))


def _detection(comparison: _Comparison, seed: int) -> Criterion:
    most = min(most_segments(one.definition.spec) for one in (comparison.challenger, comparison.champion))
    segments = cut_segments(comparison.framed, comparison.inside, comparison.frames, most, seed)
    pairs = np.concatenate([_found(comparison, segments, kind, size, seed) for kind, size in TRIALS])
    if len(segments) < FEWEST or not len(pairs):
        still = "" if len(pairs) else ", and no sensor that moves in them"
        return not_judged(DETECTION, f"{len(segments)} strips in {comparison.which}, {FEWEST} needed{still}")
    less = pairs[:, 1] - pairs[:, 0]  # 1: production alone finds it
    # The anomalies of one segment depend on each other: segments are the observations.
    lower = float(less.mean()) - ONE_SIDED * float(less.std()) / math.sqrt(len(segments))
    ours, theirs = pairs.mean(axis=0).tolist()
    reason = (
        f"{ours:.1%} of {len(pairs)} synthetic anomalies found, by production {theirs:.1%}, in strips of "
        f"{comparison.which}; {LESS_FOUND:.0%} less are let pass"
    )
    if ours >= theirs - LESS_FOUND:
        return Criterion(DETECTION, "passed", ours, theirs - LESS_FOUND, reason)
    if lower <= LESS_FOUND:
        text = f"{reason}: less than that, but too few to exclude that it is chance"
        return Criterion(DETECTION, "not judged", ours, theirs - LESS_FOUND, text)
    days = int(np.ptp(comparison.framed.time[comparison.inside])) // DAY
    if days < FEWEST_DAYS:
        few = f"{days} whole days; {FEWEST_DAYS} needed, as thresholds of short histories differ by what a day was like"
        return Criterion(DETECTION, "not judged", ours, theirs - LESS_FOUND, f"{reason}: {few}")
    return Criterion(DETECTION, "refused", ours, theirs - LESS_FOUND, reason)


def _found(comparison: _Comparison, segments: HeldOutSegments, kind: Kind, size: float, seed: int) -> Float64s:
    """Injects one kind of anomaly, in units of the champion's scale; float64 (n, 2), 1 where each model finds it.

    The champion's threshold may be low by chance, so it is taken at the upper end of its interval.
    """
    challenger, champion = comparison.challenger.definition, comparison.champion.definition
    made = inject(segments.scaled(champion), kind, size, seed, clip=champion.policy.clip, allowed=segments.free)
    anomalous = segments.of(made.rows).unscaled(made.segments, champion)
    both = anomalous.scores(challenger) > 1, anomalous.scores(champion) > comparison.champion.caution
    return np.stack(both, axis=1).astype(np.float64)


def _binomial_tail(count: int, of: int, share: float) -> float:
    """Probability of `count` or more out of `of`, each with probability `share`."""
    ways = (math.lgamma(of + 1) - math.lgamma(k + 1) - math.lgamma(of - k + 1) for k in range(count, of + 1))
    return sum(
        math.exp(way + k * math.log(share) + (of - k) * math.log(1 - share)) for k, way in enumerate(ways, start=count)
    )


def _neither(reason: str) -> list[Criterion]:
    return [not_judged(name, reason) for name in NAMES]
