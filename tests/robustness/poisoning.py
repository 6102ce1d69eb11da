"""Poisoning of recalibration: an attacker makes newer levels, and thresholds follow them run after run.

The attacker knows the thresholds in force and controls a share of the time. The decision is that of
`training.recalibration.recalibrate`, from levels alone. Its check of sensors is left out, in the attacker's favour.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from stream.detect.incidents.incidents import EXCEEDS
from stream.intake.columns import Float64s
from stream.settings.detection import RecalibrationSettings
from training.calibration.levels import Levels, incident_events
from training.data.framing import FramedHistory
from training.recalibration import batch_means
from training.recalibration.evidence import BundleThresholds, Evidence
from training.recalibration.observed import NewerReadings, incident_spans, newer_data_facts
from training.recalibration.recalibrate import Recalibration, recalibrate
from training.recalibration.selection import select_levels

RUNS = 6
SHARES = (0.05, 0.1, 0.3, 1.0)
# Blocks in a stretch that the attacker controls.
AT_ONCE = 2
# Copies to the bit are refused: repeated levels differ by this much noise, as a share of them.
NOISE = 1e-3

# Makes newer levels of normal ones, for the present bundle, in run 0, 1, ...
Attack = Callable[[BundleThresholds, Levels, int], Levels]


@dataclass(frozen=True)
class Poisoning:
    """Result of one attacker, on the series whose threshold moved furthest.

    Attributes:
        how: the attack in words.
        share: share of the time that the attacker controls; 0 where nobody attacks.
        factors: factor of the threshold in each run; None where the run was refused.
        threshold: factor of the threshold over all runs.
        reason: reason of the first refusal; None where no run was refused.
    """

    how: str
    share: float
    factors: tuple[float | None, ...]
    threshold: float
    reason: str | None


def growing(factor: float) -> Attack:
    """All levels grow by a factor in each run, like growing noise: the least conspicuous attack."""
    return lambda bundle, newer, run: replace(newer, level=newer.level * factor ** (run + 1))


def adding(amount: float) -> Attack:
    """All levels rise in each run, by a share of the scale that training found."""

    def attack(bundle: BundleThresholds, newer: Levels, run: int) -> Levels:
        return replace(newer, level=newer.level + amount * (run + 1) * bundle.trained_scale[newer.series])

    return attack


def crowding(bundle: BundleThresholds, newer: Levels, run: int) -> Levels:
    """All levels stand just below the threshold in force."""
    below = np.random.default_rng(run).uniform(0.92, 0.97, len(newer))
    return replace(newer, level=bundle.table.of_each(newer.names)[newer.series] * below)


def part_time(attack: Attack, share: float) -> Attack:
    """The attack in a share of the time, in stretches of `AT_ONCE` blocks."""

    def own(bundle: BundleThresholds, newer: Levels, run: int) -> Levels:
        stretch = np.arange(len(newer)) // (AT_ONCE * newer.block)
        chosen = (np.random.default_rng([run, 1]).random(stretch.max() + 1) < share)[stretch]
        return replace(newer, level=np.where(chosen, attack(bundle, newer, run).level, newer.level))

    return own


# Small enough to pass for noise in the first run.
WAYS: dict[str, Attack] = {
    "levels grow by 20 % a run": growing(1.2),
    "levels are moved up by 15 % a run": adding(0.15),
    "levels stay just below the threshold": crowding,
}


def poison(
    bundle: BundleThresholds, held_out: Levels, bounds: RecalibrationSettings, seed: int
) -> tuple[Poisoning, ...]:
    """Recalibrates a bundle `RUNS` times: on normal levels as they are, then with each attacker and share.

    Args:
        held_out: normal levels by the bundle's own detector; newer ones repeat their course.
    """
    newer = [repeated_levels(bundle, held_out, bounds, np.random.default_rng([seed, run])) for run in range(RUNS)]
    attacks = [(how, share, part_time(attack, share)) for how, attack in WAYS.items() for share in SHARES]
    return tuple(
        _poisoned(bundle, newer, bounds, how, share, attack)
        for how, share, attack in [("nobody attacks", 0.0, growing(1.0)), *attacks]
    )


def thresholds(bundle: BundleThresholds) -> Float64s:
    """float64 (S,): of each series."""
    found: Float64s = (bundle.table.scale * bundle.table.q)[:-1]
    return found


def child(bundle: BundleThresholds, result: Recalibration) -> BundleThresholds:
    """Starting point of the next recalibration."""
    rate = bundle.stored.rate if result.calibration is None else result.calibration.rate
    return replace(bundle, table=result.table, stored=replace(bundle.stored, rate=rate))


def recalibration_input(bundle: BundleThresholds, newer: Levels) -> Evidence:
    """Input of a recalibration from newer levels, with the incidents of the bundle's thresholds; all frames usual."""
    score = newer.level / bundle.table.of_each(newer.names)[newer.series]
    nothing, size, block = np.zeros(len(newer), np.bool_), len(newer.names), bundle.stored.block
    framed = FramedHistory(
        newer.names, newer.series, newer.time, np.zeros((len(newer), 0)), np.zeros(len(newer), np.uint8),
        np.diff(newer.series, prepend=-1) > 0, nothing, nothing, nothing, nothing, newer.step, {},
    )  # fmt: skip
    opened = incident_spans(incident_events(newer, score, bundle.rules))
    observed = NewerReadings(framed, newer.level, score, newer.vetoed, opened, newer_data_facts("", framed, ""))
    above = (score > EXCEEDS).astype(np.float64)
    count = np.bincount(newer.series, minlength=size).astype(np.float64)
    return Evidence(
        levels=select_levels(observed, (), frozenset(newer.names), -1, block).levels,
        eligible=count,
        scored=count,
        exceeding=np.bincount(newer.series, above, size).astype(np.float64),
        exceeding_share=batch_means.mean(above, batch_means.batches(newer.series, block)),
        sensors={},
        flat=frozenset(),
    )


def repeated_levels(
    bundle: BundleThresholds, held_out: Levels, bounds: RecalibrationSettings, draw: np.random.Generator
) -> Levels:
    """Newer normal levels of the bundle's series, which repeat the course of the held-out ones until there are enough.

    On another course thresholds would move by themselves, and the effect of an attacker could not be told apart.
    """
    names, enough = bundle.table.names[:-1], bounds.min_blocks * held_out.block
    place = {name: s for s, name in enumerate(held_out.names)}
    rows = []
    for name in names:
        own = np.flatnonzero(held_out.series == place.get(name, -1))
        rows.append(np.tile(own, -(-enough // max(len(own), 1)) if len(own) < enough else 1))
    levels, step = held_out.rows(np.concatenate(rows)), int(np.median(held_out.step))
    return replace(
        levels,
        names=names,
        series=np.repeat(np.arange(len(names)), [len(own) for own in rows]).astype(np.int32),
        time=np.arange(len(levels), dtype=np.int64) * step,
        step=np.full(len(levels), step),
        level=levels.level * np.exp(NOISE * draw.normal(size=len(levels))),
    )


def _poisoned(
    bundle: BundleThresholds, newer: list[Levels], bounds: RecalibrationSettings, how: str, share: float, attack: Attack
) -> Poisoning:
    now, way, reasons = bundle, [thresholds(bundle)], list[str | None]()
    for run, normal in enumerate(newer):
        result = recalibrate(now, recalibration_input(now, attack(now, normal, run)), bounds, None)
        now = now if result.refused else child(now, result)
        way.append(thresholds(now))
        reasons.append(result.refused[0] if result.refused else None)
    furthest = int((way[-1] / way[0]).argmax())
    at = [float(one[furthest]) for one in way]
    steps = [after / before for before, after in itertools.pairwise(at)]
    return Poisoning(
        how=how,
        share=share,
        factors=tuple(step if reason is None else None for step, reason in zip(steps, reasons, strict=True)),
        threshold=at[-1] / at[0],
        reason=next((reason for reason in reasons if reason is not None), None),
    )
