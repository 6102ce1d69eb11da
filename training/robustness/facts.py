"""Evasion rates as `narrows robustness --json` prints them. Keys are stable: some may be added, none renamed."""

import msgspec

from training.robustness.evasion import Evasion, Robustness
from training.robustness.pgd import Effort


class StripFacts(msgspec.Struct, frozen=True):
    """Numbers of segments, and the share of found ones with an unusual disagreement; see `Robustness`."""

    looked_at: int
    exceeding: int
    attacked: int
    found: int
    found_by_one: float
    found_by_counterpart: int
    disagreeing: float | None


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
    evasion: tuple[Evasion, ...]
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
        history=of.setup.other_history,
        seed=of.options.seed,
        effort=of.options.effort,
        strips=strips,
        normal_disagreeing=of.normal_flagged,
        usual_disagreement=definition.usual_disagreement,
        evasion=of.evasions,
        seconds=round(of.seconds, 1),
        data=data,
        version=version,
    )
