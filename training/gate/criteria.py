"""The gate: may this model go to production? Judged on data that nothing has seen, before any alias moves.

A criterion refuses only what the data exclude at a stated confidence; where they are too few to tell, it is not judged,
and says so: a gate that refuses sound models is turned off.
"""

from collections.abc import Sequence

import msgspec

from stream.detect.policy import ModelSpec
from stream.registry.manifest import Manifest
from stream.registry.manifest_facts import CapacityFacts, Criterion, GateFacts, MetricFacts, Verdict
from training.fitting.posterior import COLLAPSED, active_dimensions, least_active_dimensions

# Of each criterion: how seldom a model that keeps its limit is refused by chance.
CHANCE = 0.01


def overall(criteria: Sequence[Criterion]) -> Verdict:
    """One refusal refuses; something must have been judged to pass."""
    verdicts = {one.verdict for one in criteria}
    return "refused" if "refused" in verdicts else "passed" if "passed" in verdicts else "not judged"


def with_verdict(effect: GateFacts, criteria: Sequence[Criterion]) -> GateFacts:
    """Facts for the manifest: the effect of the threshold on the gate part, with the criteria and their verdict."""
    return msgspec.structs.replace(effect, verdict=overall(criteria), criteria=tuple(criteria))


def inherited(parent: Manifest) -> MetricFacts:
    """Metrics of a child with the same weights: the parent's verdict, without what the parent's threshold did."""
    gate = parent.metrics.gate
    judged = gate.judged or parent.version
    note = f"{judged} was judged, with its own threshold"
    kept = GateFacts(verdict=gate.verdict, criteria=gate.criteria, judged=judged, note=note)
    return msgspec.structs.replace(parent.metrics, gate=kept, capacity=None)


def not_judged(name: str, why: str) -> Criterion:
    return Criterion(name, "not judged", None, None, why)


def capacity_criteria(capacity: CapacityFacts, cut_off: bool) -> list[Criterion]:
    """Criteria `too strong` and `too weak`, from the measured capacity.

    Args:
        cut_off: training ended at its limit of epochs: a weak model may still learn.
    """
    over, under = "too strong", "too weak"
    if capacity.verdict == "not judged":
        return [not_judged(name, capacity.reason) for name in (over, under)]
    reason = capacity.reason
    of_over: Verdict = "refused" if capacity.verdict == over else "passed"
    of_under: Verdict = "refused" if capacity.verdict == under else "passed"
    of_weak = reason
    if cut_off and of_under == "refused":
        of_under, of_weak = "not judged", f"training ended at `train.max_epochs`, before it was done: {reason}"
    return [
        Criterion(over, of_over, capacity.freedom, capacity.most_freedom, reason),
        Criterion(under, of_under, capacity.explained, capacity.freedom, of_weak),
    ]


def collapse_criteria(spec: ModelSpec, told: Sequence[tuple[float, ...]]) -> list[Criterion]:
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
