"""Evasion: the share of found anomalies that an attacker hides who may change readings within a budget.

1. Segments of labelled events are chosen that the ensemble or one of its members finds.
2. Each attacker lowers their level as far as budget and knowledge allow. The verdict is the frozen detector's.
3. The evasion rate is the share of segments that a detector had found and no longer finds. Beside it stands the share
   of the evaded segments on which the members disagree unusually.

The command calls segments strips.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec
import numpy as np
import torch

from stream.detect.definition import Definition
from stream.errors import DataError
from stream.intake.columns import Bools
from training.data.framing import FramedHistory
from training.data.windows import evenly
from training.robustness.pgd import Attack, Budget, Effort, Norm
from training.robustness.segments import AttackSegments, cut, nearest, whole_rows
from training.robustness.setup import Setup
from training.robustness.target import Target

Knowledge = Literal["recorded data", "a surrogate", "one member", "everything"]
NORMS: tuple[Norm, ...] = ("linf", "l2")
SIZES = (0.1, 0.2, 0.4, 0.8, 1.6)
# Segments of events among which those that exceed are looked for.
LOOKED_AT = 2000


@dataclass(frozen=True)
class EvasionOptions:
    """Most segments to attack, the effort of an attacker, and a seed."""

    segments: int = 60
    effort: Effort = field(default_factory=Effort)
    seed: int = 0


class Evasion(msgspec.Struct, frozen=True, rename={"alone": "one", "flagged": "betrayed"}):
    """Evasion rates of one attacker with one budget, which is its size by this norm.

    Attributes:
        alone: mean rate of the members as detectors of their own; None where none had found a segment.
        ensemble: rate of all members together; `ratio`: that over `alone`.
        flagged: of the segments that evade the ensemble, the share with an unusual disagreement; None if none evades.
        counterpart: rate of the counterpart on the same segments. An attacker who knows everything knows it too.
    """

    knows: Knowledge
    norm: Norm
    budget: float
    alone: float | None
    ensemble: float | None
    ratio: float | None
    flagged: float | None
    counterpart: float | None


@dataclass(frozen=True)
class Robustness:
    """Everything that table, JSON and plot show.

    Attributes:
        looked_at: number of segments of events.
        exceeding: number of those that a detector finds.
        segments: number of those attacked.
        found: of the attacked, the number found by the ensemble, by a single member (mean) and by the counterpart.
        flagged: share of the untouched segments found by the ensemble that have an unusual disagreement.
        normal_flagged: the same share of segments outside of events.
        seconds: duration of the measurement.
    """

    options: EvasionOptions
    setup: Setup
    looked_at: int
    exceeding: int
    segments: int
    found: tuple[int, float, int]
    flagged: float | None
    normal_flagged: float | None
    evasions: tuple[Evasion, ...]
    seconds: float


def measure(setup: Setup, frames: FramedHistory, definition: Definition, options: EvasionOptions) -> Robustness:
    """Attacks the segments of labelled events in these frames.

    Raises:
        DataError: no frame is labelled, or no segment of an event exceeds a threshold, so there is nothing to hide.
    """
    begun = time.perf_counter()
    rows, normal = (whole_rows(frames, definition, LOOKED_AT, of_events=one) for one in (True, False))
    exceeding = rows
    if len(rows):
        segments = cut(frames, rows, definition, setup.trained_range)
        targets = (setup.ensemble, *setup.members)
        exceeding = np.flatnonzero(np.any([one.exceeds(segments) for one in targets], axis=0))
    if not len(exceeding):
        raise DataError(
            f"{len(rows)} strips of labelled events were looked at, and no detector finds one: nothing to hide; give "
            "labelled rows with anomalies that are found, or a bundle that promises less"
        )
    segments = cut(frames, rows[evenly(exceeding, options.segments)], definition, setup.trained_range)
    attacks = _Attacks(setup, segments, options)
    disagreeing = setup.ensemble.flags_disagreement(cut(frames, normal, definition, setup.trained_range))
    evasions = tuple(attacks.evasions())
    return Robustness(
        options=options,
        setup=setup,
        looked_at=len(rows),
        exceeding=len(exceeding),
        segments=len(segments),
        found=(
            int(attacks.found.sum()),
            float(np.mean([own.sum() for own in attacks.found_alone])),
            int(attacks.found_counterpart.sum()),
        ),
        flagged=_share(setup.ensemble.flags_disagreement(segments), attacks.found),
        normal_flagged=_share(disagreeing, np.ones(len(disagreeing), np.bool_)),
        evasions=evasions,
        seconds=time.perf_counter() - begun,
    )


class _Attacks:
    """The segments under attack, and the subset that each target had found."""

    def __init__(self, setup: Setup, segments: AttackSegments, options: EvasionOptions) -> None:
        self._setup, self._segments, self._options = setup, segments, options
        self._true, self._counted, self._box = segments.tensors
        self.found = setup.ensemble.exceeds(segments)
        self.found_alone = [one.exceeds(segments) for one in setup.members]
        self.found_counterpart = setup.counterpart.exceeds(segments)

    def evasions(self) -> Iterator[Evasion]:
        """Attacker by attacker, knowledge rising; budgets rising."""
        for norm in NORMS:
            budgets = [Budget(norm, size) for size in SIZES]
            recorded = [self._towards_recorded(budget) for budget in budgets]
            yield from self._transferred("recorded data", budgets, recorded)
            yield from self._transferred("a surrogate", budgets, self._descended(self._setup.surrogate, budgets))
            by_member = [self._descended(one, budgets) for one in self._setup.members]
            own = [
                _mean(_share(~one.exceeds(segments[at]), found) for one, found, segments in self._members(by_member))
                for at in range(len(budgets))
            ]
            for at, budget in enumerate(budgets):
                yield self._rates("one member", budget, own[at], [segments[at] for segments in by_member])
            everything = self._descended(self._setup.ensemble, budgets)
            against = self._descended(self._setup.counterpart, budgets)
            for budget, rate, segments, others in zip(budgets, own, everything, against, strict=True):
                counterpart = _share(~self._setup.counterpart.exceeds(others), self.found_counterpart)
                rates = self._rates("everything", budget, rate, [segments])
                yield msgspec.structs.replace(rates, counterpart=counterpart)

    def _members(self, by_member: list[list[AttackSegments]]) -> Iterator[tuple[Target, Bools, list[AttackSegments]]]:
        return zip(self._setup.members, self.found_alone, by_member, strict=True)

    def _transferred(
        self, knows: Knowledge, budgets: Sequence[Budget], by_budget: list[AttackSegments]
    ) -> Iterator[Evasion]:
        """Rates of an attacker who knows no target: all targets are given the same segments."""
        for budget, segments in zip(budgets, by_budget, strict=True):
            targets = zip(self._setup.members, self.found_alone, strict=True)
            alone = _mean(_share(~one.exceeds(segments), found) for one, found in targets)
            yield self._rates(knows, budget, alone, [segments])

    def _rates(self, knows: Knowledge, budget: Budget, alone: float | None, attacks: list[AttackSegments]) -> Evasion:
        """Rates of the ensemble and its counterpart, mean over attacks of one kind."""
        ensemble, counterpart = self._setup.ensemble, self._setup.counterpart
        hidden = [~ensemble.exceeds(segments) for segments in attacks]
        flagged = [
            _share(ensemble.flags_disagreement(segments), self.found & one)
            for segments, one in zip(attacks, hidden, strict=True)
        ]
        rate = _mean(_share(one, self.found) for one in hidden)
        other = _mean(_share(~counterpart.exceeds(segments), self.found_counterpart) for segments in attacks)
        ratio = rate / alone if rate is not None and alone else None
        return Evasion(knows, budget.norm, budget.size, alone, rate, ratio, _mean(flagged), other)

    def _descended(self, target: Target, budgets: Sequence[Budget]) -> list[AttackSegments]:
        """Segments with the lowest level by this target, for each budget. Each begins at the result of the last."""
        draw, score = torch.Generator().manual_seed(self._options.seed), target.score()
        clean = score.levels(self._true, self._counted).detach().numpy()
        assert np.allclose(clean, target.levels(self._segments), rtol=1e-3), "the attacked level must be the detector's"
        attack = Attack(lambda segments: score.levels(segments, self._counted), self._true, self._box)
        reached, here = [], self._true
        for budget in budgets:
            here = attack.best(budget, self._options.effort, here, draw)
            reached.append(self._segments.changed(here.numpy()))
        return reached

    def _towards_recorded(self, budget: Budget) -> AttackSegments:
        """Each segment moved towards its nearest recorded segment, as far as the budget allows."""
        attack = Attack(lambda segments: segments.sum(dim=(1, 2)), self._true, self._box)
        recorded = torch.from_numpy(nearest(self._segments, self._setup.recorded))
        return self._segments.changed(attack.within(budget, recorded).numpy())


def _share(chosen: Bools, among: Bools) -> float | None:
    """Share of `among` that is chosen; None where `among` is empty."""
    return float(chosen[among].mean()) if among.any() else None


def _mean(rates: Iterator[float | None] | list[float | None]) -> float | None:
    """Mean of the rates that are known; None where none is."""
    known = [rate for rate in rates if rate is not None]
    return float(np.mean(known)) if known else None
