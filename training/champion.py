"""Challenger and champion: is a new model no worse than production, on the same rows, that neither has learned from?

Paired per series: incidents on normal rows, and synthetic anomalies in the same strips, each at its own thresholds.
Refused only where worse by more than the margin is all but certain.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from stream.bundle import Manifest, load
from stream.detect.definition import Definition
from stream.errors import NarrowsError
from stream.intake.columns import Bools, Float64s, Int64s, UInt8s
from stream.registry import PRODUCTION, Registry
from training.calibrate import Calibration
from training.framing import FramedHistory
from training.gate import CHANCE, Criterion, Verdict, not_judged
from training.gate_promise import chance, daily_rates, left_open
from training.held_out import Everywhere, chosen_levels, everywhere
from training.history import History
from training.levels import WEEK, incident_events
from training.separable import FEWEST, MOST_STRIPS, ONE_SIDED
from training.split import Part
from training.strips import RawStrips, raw_strips, support
from training.synthetic import Kind, inject
from training.windows import evenly

# So many times as many false alerts, and what was promised; so much less of the synthetic anomalies found.
MORE_ALERTS, LESS_FOUND = 1.5, 0.2
# Blocks of W + M frames that a comparison needs.
FEWEST_BLOCKS = 10
TRIALS: tuple[tuple[Kind, float], ...] = (("level_shift", 2.0), ("level_shift", 4.0), ("noise_burst", 4.0))
ALERTS, DETECTION = NAMES = ("false alerts beside production", "detection beside production")


@dataclass(frozen=True)
class Contender:
    """A model with its thresholds, and what it makes of every frame of the history."""

    definition: Definition
    seen: Everywhere


def beside_production(
    registry: Registry,
    challenger: Contender,
    history: History,
    framed: FramedHistory,
    part: UInt8s,
    data: Mapping[str, Any],
    calibration: Calibration,
    seed: int,
) -> list[Criterion]:
    """The two criteria; not judged, with the reason, where the two cannot be compared.

    Args:
        data: what the challenger's manifest says of its history; calibration: of its thresholds.
    """
    detector = challenger.definition.detector
    version = registry.alias(detector, PRODUCTION)
    if version is None:
        return _neither("nothing is in production yet")
    try:
        manifest, definition = load(registry.folder(detector, version))
    except NarrowsError as fault:
        return _neither(f"production cannot be loaded: {fault}")
    if definition.sensors != challenger.definition.sensors:
        return _neither(f"production, {version}, has other sensors: {', '.join(definition.sensors)}")
    theirs, ours = _promise(manifest.threshold), _promise(calibration.facts())
    if theirs != ours:
        return _neither(
            f"production, {version}, promises {theirs}, this one {ours}: compare them with `narrows replay`"
        )
    seen = everywhere(history, framed, definition)
    if seen is None:
        return _neither(f"production, {version}, makes other frames of these readings")
    return _compared(
        challenger, Contender(definition, seen), framed, *_rows(manifest, framed, part, data), calibration, seed
    )


def _promise(threshold: Mapping[str, Any]) -> str:
    return f"{threshold.get('method')} {threshold.get('promised')}"


def _rows(manifest: Manifest, framed: FramedHistory, part: UInt8s, data: Mapping[str, Any]) -> tuple[Bools, str]:
    """bool (T,), gate frames that neither has learned from, and which these are."""
    gate = part == Part.GATE
    known = manifest.data
    if known.get("fingerprint") == data["fingerprint"] and known.get("frames") == data["frames"]:
        return gate, "the gate part of the history that both learned from the rest of"
    until = np.datetime64(str(known["to"]).removesuffix("Z"), "ns").astype(np.int64)
    which = f"the gate part after {known['to']}, where the history of {manifest.version} ends"
    return gate & (framed.time > until), which


def _compared(
    challenger: Contender,
    champion: Contender,
    framed: FramedHistory,
    rows: Bools,
    which: str,
    calibration: Calibration,
    seed: int,
) -> list[Criterion]:
    frames = max(support(one.definition.spec) for one in (challenger, champion))
    whole = framed.run_within(framed.normal) >= frames
    inside = rows & whole & np.isfinite(challenger.seen.level) & np.isfinite(champion.seen.level)
    if inside.sum() < FEWEST_BLOCKS * frames:
        few = f"{int(inside.sum())} normal frames are in {which}; {FEWEST_BLOCKS * frames} needed: give newer history"
        return _neither(few)
    strips = raw_strips(framed, evenly(np.flatnonzero(inside), MOST_STRIPS), frames, seed)
    return [
        _alerts(challenger, champion, framed, inside, calibration, which),
        _detection(challenger.definition, champion.definition, strips, which, seed),
    ]


def _alerts(
    challenger: Contender,
    champion: Contender,
    framed: FramedHistory,
    inside: Bools,
    calibration: Calibration,
    which: str,
) -> Criterion:
    levels = chosen_levels(framed, inside, challenger.seen, support(challenger.definition.spec) + 1)
    ours, theirs = (_opened(one, framed, inside) for one in (challenger, champion))
    more, fewer = (int((sign * (ours.series - theirs.series) > 0).sum()) for sign in (1, -1))
    # A champion that is silent beyond its promise is none to be held to.
    promised = calibration.promised if calibration.method == "budget" else calibration.implied_per_week
    expected, behind = promised * levels.weeks, max(1.0, calibration.implied_per_week * calibration.weeks)
    limit, share = max(MORE_ALERTS * theirs.count, expected), MORE_ALERTS / (1 + MORE_ALERTS)
    said = (
        f"{ours.count} incidents, production {theirs.count}, on {which}: more in {more} series, fewer in {fewer}; "
        f"{limit:.3g} are let pass, {MORE_ALERTS:g} times those of production and what is promised"
    )
    by_chance = max(_at_least(ours.count, ours.count + theirs.count, share), chance(ours.count, expected, behind))
    if by_chance >= CHANCE:
        return Criterion(ALERTS, "passed", ours.count, limit, said)
    days = levels.step / WEEK
    times, weights = np.concatenate([ours.time, theirs.time]), [1.0, -MORE_ALERTS]
    amounts = np.repeat(weights, [ours.count, theirs.count])
    if (open_ := left_open(daily_rates(levels, times, amounts, days), 0.0)) is not None:
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


def _opened(one: Contender, framed: FramedHistory, inside: Bools) -> _Opened:
    levels = chosen_levels(framed, inside, one.seen, support(one.definition.spec) + 1)
    score = levels.level / one.definition.thresholds.of_each(levels.names)[levels.series]
    opened = [e for e in incident_events(levels, score, one.definition.rules) if e.state == "opened"]
    place = {name: i for i, name in enumerate(levels.names)}
    series = np.array([place[event.series] for event in opened], np.int64)
    return _Opened(
        np.array([event.started_at for event in opened], np.int64), np.bincount(series, minlength=len(levels.names))
    )


def _detection(challenger: Definition, champion: Definition, strips: RawStrips, which: str, seed: int) -> Criterion:
    if len(strips) < FEWEST:
        return not_judged(DETECTION, f"{len(strips)} strips of normal frames in {which}, {FEWEST} needed")
    found = [_found(challenger, champion, strips, kind, size, seed) for kind, size in TRIALS]
    pairs = np.concatenate([pair for pair in found if pair is not None] or [np.zeros((0, 2))])
    if not len(pairs):
        return not_judged(DETECTION, "no sensor of these strips moves")
    less = pairs[:, 1] - pairs[:, 0]  # 1: production alone finds it
    # The trials of one strip hang together: as many observations as strips.
    lower = float(less.mean()) - ONE_SIDED * float(less.std()) / math.sqrt(len(strips))
    ours, theirs = pairs.mean(axis=0).tolist()
    said = (
        f"{ours:.1%} of {len(pairs)} synthetic anomalies found, by production {theirs:.1%}, in strips of {which}; "
        f"{LESS_FOUND:.0%} less are let pass"
    )
    return Criterion(DETECTION, _verdict(lower > LESS_FOUND), ours, theirs - LESS_FOUND, said)


def _found(
    challenger: Definition, champion: Definition, strips: RawStrips, kind: Kind, size: float, seed: int
) -> Float64s | None:
    """float64 (n, 2), 1 where each of the two finds the anomaly; it is as large as the scale of the champion says."""
    made = inject(strips.scaled(champion), kind, size, seed, clip=champion.policy.clip, allowed=~strips.masked())
    if made.why_none is not None:
        return None
    anomalous = strips.of(made.rows).unscaled(made.strips, champion)
    return np.stack([anomalous.scores(one) > 1 for one in (challenger, champion)], axis=1).astype(np.float64)


def _at_least(count: int, of: int, share: float) -> float:
    """Chance of so many or more, of so many that are each of this share."""
    ways = (math.lgamma(of + 1) - math.lgamma(k + 1) - math.lgamma(of - k + 1) for k in range(count, of + 1))
    return sum(
        math.exp(way + k * math.log(share) + (of - k) * math.log(1 - share)) for k, way in enumerate(ways, start=count)
    )


def _verdict(worse: bool) -> Verdict:
    return "refused" if worse else "passed"


def _neither(why: str) -> list[Criterion]:
    return [not_judged(name, why) for name in NAMES]
