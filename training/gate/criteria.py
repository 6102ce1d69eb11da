"""The gate: may this model go to production? Judged on data that nothing has seen, before any alias moves.

A criterion refuses only what the data exclude at a stated confidence; where they are too few to tell, it is not judged,
and says so: a gate that refuses sound models is turned off.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from stream.detect.policy import ModelSpec
from stream.registry.manifest import Manifest
from training.fitting.posterior import COLLAPSED, active_dimensions, least_active_dimensions

Verdict = Literal["passed", "refused", "not judged"]
# Of each criterion: how seldom a model that keeps its limit is refused by chance.
CHANCE = 0.01


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing that was looked at.

    Attributes:
        measured, limit: in the unit that `said` names; None where there is none.
        said: what was seen, what was expected and, where it is refused, what to do.
    """

    name: str
    verdict: Verdict
    measured: float | None
    limit: float | None
    said: str


def overall(criteria: Sequence[Criterion]) -> Verdict:
    """One refusal refuses; something must have been judged to pass."""
    verdicts = {one.verdict for one in criteria}
    return "refused" if "refused" in verdicts else "passed" if "passed" in verdicts else "not judged"


def facts(criteria: Sequence[Criterion]) -> dict[str, Any]:
    """For the manifest."""
    return {"verdict": overall(criteria), "criteria": [asdict(one) for one in criteria]}


def inherited(parent: Manifest) -> dict[str, Any]:
    """The metrics of a child with the same weights: the verdict is the parent's, and what its threshold did is gone."""
    gate = parent.metrics.get("gate", {})
    kept = {name: gate[name] for name in ("verdict", "criteria") if name in gate}
    judged = gate.get("judged", parent.version)
    metrics = {name: value for name, value in parent.metrics.items() if name not in ("gate", "strength")}
    return metrics | {"gate": kept | {"judged": judged, "note": f"{judged} was judged, with its own threshold"}}


def not_judged(name: str, why: str) -> Criterion:
    return Criterion(name, "not judged", None, None, why)


def strong_enough(strength: Mapping[str, Any], cut_off: bool) -> list[Criterion]:
    """Too strong or too weak, by the trials of `training.strength`.

    Args:
        cut_off: training was ended before it was done: what is weak then may still learn.
    """
    strong, weak = "too strong", "too weak"
    if strength["verdict"] == "not judged":
        return [not_judged(name, strength["said"]) for name in (strong, weak)]
    freedom, explained, said = strength["freedom"], strength["explained"], strength["said"]
    verdicts: dict[str, Verdict] = dict.fromkeys((strong, weak), "passed")
    if strength["verdict"] in verdicts:
        verdicts[strength["verdict"]] = "refused"
    of_weak = said
    if cut_off and verdicts[weak] == "refused":
        verdicts[weak], of_weak = "not judged", f"training ended at `train.max_epochs`, before it was done: {said}"
    return [
        Criterion(strong, verdicts[strong], freedom, strength["most_freedom"], said),
        Criterion(weak, verdicts[weak], explained, freedom, of_weak),
    ]


def collapsed(spec: ModelSpec, told: Sequence[tuple[float, ...]]) -> list[Criterion]:
    """Whether the code of a variational model tells something of a window; nothing is said of other models."""
    if not told:
        return []
    name, needed = "posterior collapse", least_active_dimensions(spec)
    member = min(range(len(told)), key=lambda k: active_dimensions(told[k]))
    living = active_dimensions(told[member])
    nats = ", ".join(f"{one:.2g}" for one in told[member])
    seen = f"the code of member {member} tells {nats} nats per dimension, at least {COLLAPSED:g} in {living}"
    if living >= needed:
        return [Criterion(name, "passed", living, needed, f"{seen} of {spec.latent}; {needed} needed")]
    remedy = (
        f"it makes every window into the same one; lower `model.beta`, seen {spec.beta:g}, or set `model.kind: dense`"
    )
    return [Criterion(name, "refused", living, needed, f"{seen} of {spec.latent}, {needed} needed: {remedy}")]
