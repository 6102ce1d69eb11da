"""What an attacker who may change readings within a budget can hide, from one member and from the ensemble.

1. Strips of labelled events that the ensemble or one of its members finds. 2. Each attacker lowers their level as far
as budget and knowledge let him; the verdict is the frozen detector's. 3. The evasion rate is the share of the strips
that a detector had found and finds no more; beside it, the share of the evaded that the members' disagreement betrays.
4. What needs no gradient: sensors that play back recorded data, and one that drifts away slowly. 5. What takes time:
levels made for the recalibration of thresholds.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from stream.detect.definition import Definition
from stream.errors import DataError
from stream.intake.columns import Bools, Int64s
from stream.settings.detection import RecalibrationSettings
from training.data.framing import FramedHistory
from training.data.windows import evenly
from training.robustness.pgd import Attack, Budget, Effort, Norm
from training.robustness.poisoning import Poisoning, poison
from training.robustness.replay_attack import Playback, nearest, playback
from training.robustness.segments import Strips, cut, whole_rows
from training.robustness.setup import Field
from training.robustness.slow_drift import Drift, drift
from training.robustness.target import Contestant

Knows = Literal["recorded data", "a surrogate", "one member", "everything"]
NORMS: tuple[Norm, ...] = ("linf", "l2")
SIZES = (0.1, 0.2, 0.4, 0.8, 1.6)
# Strips of events that are looked through for those that exceed.
LOOKED_AT = 2000


@dataclass(frozen=True)
class Asked:
    """How much to try: strips at most, the effort of an attacker, a seed, the bounds of a recalibration."""

    strips: int = 60
    effort: Effort = field(default_factory=Effort)
    seed: int = 0
    bounds: RecalibrationSettings = field(default_factory=RecalibrationSettings)


@dataclass(frozen=True)
class Evasion:
    """What one attacker achieved with one budget.

    Attributes:
        alone: evasion rate of the members as detectors of their own, mean; None where none had found a strip.
        ensemble: that of all together.
        betrayed: of the strips that evade the ensemble, the share with an unusual disagreement; None: none evades.
        counterpart: evasion rate of the ensemble's counterpart, of the same strips; who knows everything knows it too.
    """

    knows: Knows
    budget: Budget
    alone: float | None
    ensemble: float | None
    betrayed: float | None
    counterpart: float | None

    @property
    def ratio(self) -> float | None:
        """Of the ensemble's evasion rate to that of a single member."""
        if self.ensemble is None or not self.alone:
            return None
        return self.ensemble / self.alone


@dataclass(frozen=True)
class Robustness:
    """All that table, JSON and plot tell of.

    Attributes:
        looked_at: strips of events; exceeding: those that a detector finds; strips: those attacked.
        found: of these, by the ensemble, by a single member (mean), and by the counterpart.
        betrayed: share of the strips that the ensemble finds, untouched, with an unusual disagreement.
        normal_betrayed: the same of strips outside of events; what it costs to listen to it.
        seconds: all of it took.
    """

    asked: Asked
    field: Field
    looked_at: int
    exceeding: int
    strips: int
    found: tuple[int, float, int]
    betrayed: float | None
    normal_betrayed: float | None
    evasions: tuple[Evasion, ...]
    playbacks: tuple[Playback, ...]
    drifts: tuple[Drift, ...]
    poisonings: tuple[Poisoning, ...]
    seconds: float


def measure(known: Field, frames: FramedHistory, definition: Definition, asked: Asked) -> Robustness:
    """Attacks the strips of labelled events in these frames.

    Raises:
        DataError: no labelled frame, or none of their strips exceeds a threshold: there is nothing to hide.
    """
    begun = time.perf_counter()
    rows, normal = (whole_rows(frames, definition, LOOKED_AT, of_events=one) for one in (True, False))
    exceeding = _exceeding(known, cut(frames, rows, definition, known.seen)) if len(rows) else rows
    if not len(exceeding):
        raise DataError(
            f"{len(rows)} strips of labelled events were looked at, and no detector finds one: nothing to hide; give "
            "labelled rows with anomalies that are found, or a bundle that promises less"
        )
    strips = cut(frames, rows[evenly(exceeding, asked.strips)], definition, known.seen)
    ring = _Ring(known, strips, asked)
    quiet = known.ensemble.betrays(cut(frames, normal, definition, known.seen))
    evasions = tuple(ring.evasions())
    return Robustness(
        asked=asked,
        field=known,
        looked_at=len(rows),
        exceeding=len(exceeding),
        strips=len(strips),
        found=(
            int(ring.found.sum()),
            float(np.mean([own.sum() for own in ring.found_alone])),
            int(ring.found_counterpart.sum()),
        ),
        betrayed=_share(known.ensemble.betrays(strips), ring.found),
        normal_betrayed=_share(quiet, np.ones(len(quiet), np.bool_)),
        evasions=evasions,
        playbacks=playback(known.ensemble, strips, known.recorded),
        drifts=drift(known.ensemble.definition, frames),
        poisonings=poison(known.given, known.normal, asked.bounds, asked.seed),
        seconds=time.perf_counter() - begun,
    )


def _exceeding(field: Field, strips: Strips) -> Int64s:
    above = [one.exceeds(strips) for one in (field.ensemble, *field.alone)]
    return np.flatnonzero(np.any(above, axis=0))


class _Ring:
    """The strips under attack, and which of them each contestant had found."""

    def __init__(self, field: Field, strips: Strips, asked: Asked) -> None:
        self._field, self._strips, self._asked = field, strips, asked
        self._true, self._kept, self._box = strips.tensors
        self.found = field.ensemble.exceeds(strips)
        self.found_alone = [one.exceeds(strips) for one in field.alone]
        self.found_counterpart = field.counterpart.exceeds(strips)

    def evasions(self) -> Iterator[Evasion]:
        """Attacker by attacker, from who knows least on; budgets rising."""
        for norm in NORMS:
            budgets = [Budget(norm, size) for size in SIZES]
            recorded = [self._towards_recorded(budget) for budget in budgets]
            yield from self._transferred("recorded data", budgets, recorded)
            yield from self._transferred("a surrogate", budgets, self._descended(self._field.surrogate, budgets))
            by_member = [self._descended(one, budgets) for one in self._field.alone]
            own = [
                _mean(self._evades(one, found, strips[at]) for one, found, strips in self._members(by_member))
                for at in range(len(budgets))
            ]
            for at, budget in enumerate(budgets):
                yield self._mean_of("one member", budget, own[at], [strips[at] for strips in by_member])
            everything = self._descended(self._field.ensemble, budgets)
            against = self._descended(self._field.counterpart, budgets)
            for budget, rate, strips, others in zip(budgets, own, everything, against, strict=True):
                counterpart = self._evades(self._field.counterpart, self.found_counterpart, others)
                yield replace(self._mean_of("everything", budget, rate, [strips]), counterpart=counterpart)

    def _members(self, by_member: list[list[Strips]]) -> Iterator[tuple[Contestant, Bools, list[Strips]]]:
        return zip(self._field.alone, self.found_alone, by_member, strict=True)

    def _transferred(self, knows: Knows, budgets: Sequence[Budget], by_budget: list[Strips]) -> Iterator[Evasion]:
        """Of an attacker who knows no contestant: the same strips are shown to all."""
        for budget, strips in zip(budgets, by_budget, strict=True):
            contestants = zip(self._field.alone, self.found_alone, strict=True)
            alone = _mean(self._evades(one, found, strips) for one, found in contestants)
            yield self._mean_of(knows, budget, alone, [strips])

    def _mean_of(self, knows: Knows, budget: Budget, alone: float | None, attacks: list[Strips]) -> Evasion:
        """The rates of the ensemble and its counterpart, mean over attacks of one kind."""
        ensemble, counterpart = self._field.ensemble, self._field.counterpart
        betrayals = [_share(ensemble.betrays(strips), self._hidden(ensemble, self.found, strips)) for strips in attacks]
        rate = _mean(self._evades(ensemble, self.found, strips) for strips in attacks)
        other = _mean(self._evades(counterpart, self.found_counterpart, strips) for strips in attacks)
        return Evasion(knows, budget, alone, rate, _mean(betrayals), other)

    def _evades(self, contestant: Contestant, found: Bools, strips: Strips) -> float | None:
        return _share(~contestant.exceeds(strips), found)

    def _hidden(self, contestant: Contestant, found: Bools, strips: Strips) -> Bools:
        hidden: Bools = found & ~contestant.exceeds(strips)
        return hidden

    def _descended(self, target: Contestant, budgets: Sequence[Budget]) -> list[Strips]:
        """The strips with the lowest level by this contestant, for each budget; each begins where the last has led."""
        draw, score = torch.Generator().manual_seed(self._asked.seed), target.score()
        clean = score.levels(self._true, self._kept).detach().numpy()
        assert np.allclose(clean, target.levels(self._strips), rtol=1e-3), "what is descended on must be the level"
        attack = Attack(lambda strips: score.levels(strips, self._kept), self._true, self._box)
        reached, here = [], self._true
        for budget in budgets:
            here = attack.best(budget, self._asked.effort, here, draw)
            reached.append(self._changed(here))
        return reached

    def _towards_recorded(self, budget: Budget) -> Strips:
        """Each strip moved towards the recorded strip that is nearest to it, as far as the budget lets it."""
        attack = Attack(lambda strips: strips.sum(dim=(1, 2)), self._true, self._box)
        return self._changed(attack.within(budget, torch.from_numpy(nearest(self._strips, self._field.recorded))))

    def _changed(self, values: Tensor) -> Strips:
        return self._strips.changed(values.numpy())


def _share(holds: Bools, among: Bools) -> float | None:
    """Of those that are among, the share for which it holds; None where there are none."""
    return float(holds[among].mean()) if among.any() else None


def _mean(rates: Iterator[float | None] | list[float | None]) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return float(np.mean(known)) if known else None
