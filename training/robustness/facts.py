"""Evasion rates as `narrows robustness --json` prints them. Keys are stable: some may be added, none renamed."""

import msgspec

from training.robustness.evasion import Evasion, Knowledge, Robustness
from training.robustness.pgd import Effort, Norm


class StripFacts(msgspec.Struct, frozen=True):
    """Numbers of segments, and the share of found ones with an unusual disagreement; see `Robustness`."""

    looked_at: int
    exceeding: int
    attacked: int
    found: int
    found_by_one: float
    found_by_counterpart: int
    disagreeing: float | None


class EvasionFacts(msgspec.Struct, frozen=True):
    """Evasion rates of one attacker with one budget; see `Evasion`. `betrayed` is its `flagged`, `one` its `alone`."""

    knows: Knowledge
    norm: Norm
    budget: float
    one: float | None
    ensemble: float | None
    ratio: float | None
    betrayed: float | None
    counterpart: float | None


class RobustnessFacts(msgspec.Struct, frozen=True):
    """Every figure; null where there is none. `history` says how it differs from that of the bundle."""

    members: int
    trained: bool
    discriminator: bool
    history: str | None
    seed: int
    effort: Effort
    strips: StripFacts
    normal_disagreeing: float | None
    usual_disagreement: float
    evasion: list[EvasionFacts]
    seconds: float
    data: str
    version: str


def facts(of: Robustness, data: str, version: str) -> RobustnessFacts:
    """Collects every figure of a measurement.

    Args:
        data: the labelled readings.
        version: that of the bundle.
    """
    found, alone, counterpart = of.found
    definition = of.setup.ensemble.definition
    strips = StripFacts(of.looked_at, of.exceeding, of.segments, found, alone, counterpart, of.flagged)
    return RobustnessFacts(
        members=definition.spec.members,
        trained=of.setup.trained,
        discriminator=definition.spec.discriminator > 0,
        history=of.setup.other_history or None,
        seed=of.options.seed,
        effort=of.options.effort,
        strips=strips,
        normal_disagreeing=of.normal_flagged,
        usual_disagreement=definition.usual_disagreement,
        evasion=[_evasion(one) for one in of.evasions],
        seconds=round(of.seconds, 1),
        data=data,
        version=version,
    )


def _evasion(of: Evasion) -> EvasionFacts:
    return EvasionFacts(
        knows=of.knows,
        norm=of.budget.norm,
        budget=of.budget.size,
        one=of.alone,
        ensemble=of.ensemble,
        ratio=of.ratio,
        betrayed=of.flagged,
        counterpart=of.counterpart,
    )
