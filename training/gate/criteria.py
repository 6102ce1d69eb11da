"""Criteria of the gate, which decides on held-out data whether a model may go to production.

A criterion refuses a model only where the data exclude chance at a stated confidence. With too few data the criterion
is not judged, and the reason says so: users switch off a gate that refuses sound models.
"""

from collections.abc import Sequence

import msgspec

from stream.detect.policy import ModelSpec
from stream.registry.capacity_facts import CapacityFacts
from stream.registry.manifest import Manifest
from stream.registry.manifest_facts import ALARM, Criterion, GateFacts, MachineChange, MetricFacts, Verdict
from training.fitting.posterior import COLLAPSED, active_dimensions, least_active_dimensions
from training.gate.beside import CLEARLY
from training.gate.capacity import NOTHING, blindness

# Probability that a criterion refuses, by chance, a model that keeps its limit.
CHANCE = 0.01
# Probability that a criterion passes, by chance, a model that is at its limit.
CHANCE_TO_PASS = 0.1


def overall(criteria: Sequence[Criterion]) -> Verdict:
    """Verdict of the gate: refused if one criterion refuses, passed if none does and one at least passed.

    A model in alarm for longer than is let pass does not pass, though chance may be the reason.
    """
    verdicts = {one.verdict for one in criteria}
    if "refused" in verdicts:
        return "refused"
    return (
        "passed"
        if "passed" in verdicts and not any(one.name == ALARM and one.over for one in criteria)
        else "not judged"
    )


def with_verdict(effect: GateFacts, criteria: Sequence[Criterion], changes: Sequence[MachineChange] = ()) -> GateFacts:
    """Facts for the manifest: the effect of the threshold on the gate part, with the criteria and their verdict."""
    return msgspec.structs.replace(effect, verdict=overall(criteria), criteria=tuple(criteria), changes=tuple(changes))


def inherited(parent: Manifest) -> MetricFacts:
    """Metrics of a child with the same weights: the parent's, without the effect of the parent's threshold."""
    gate = parent.metrics.gate
    judged = gate.judged or parent.version
    note = f"{judged} was judged, with its own threshold"
    inherited_gate = GateFacts(verdict=gate.verdict, criteria=gate.criteria, judged=judged, note=note)
    return msgspec.structs.replace(parent.metrics, gate=inherited_gate, capacity=None)


def not_judged(name: str, reason: str) -> Criterion:
    """A criterion that the data are too few for."""
    return Criterion(name, "not judged", None, None, reason)


def capacity_criteria(capacity: CapacityFacts, cut_off: bool) -> list[Criterion]:
    """Judges the measured capacity: the criteria `too strong`, `too weak` and `sensitivity`.

    Args:
        cut_off: training ended at its limit of epochs; a model with too little capacity may still improve.
    """
    over, under, least = "too strong", "too weak", "sensitivity"
    if capacity.verdict == "not judged":
        return [not_judged(name, capacity.reason) for name in (over, under, least)]
    reason = capacity.reason
    over_verdict: Verdict = "refused" if capacity.verdict == over else "passed"
    return [
        Criterion(over, over_verdict, capacity.freedom, capacity.most_freedom, reason),
        _too_weak(under, capacity, cut_off),
        _sensitivity(least, capacity),
    ]


def _too_weak(name: str, capacity: CapacityFacts, cut_off: bool) -> Criterion:
    """Passes a model where chance excludes that a simple detector finds clearly more than it."""
    beside, reason = capacity.beside, capacity.reason
    if beside is None:
        return not_judged(name, f"no frames to fit simple detectors on: {reason}")
    limit = max(0.0, max(beside.simple.values()) - CLEARLY)
    verdict: Verdict = "passed" if beside.more[1] <= CLEARLY else "not judged"
    if capacity.verdict == name and not cut_off:
        verdict = "refused"
    elif capacity.verdict == name:
        reason = f"training ended at `train.max_epochs`, before it was done: {reason}"
    elif verdict == "not judged":
        reason = f"a simple detector may find {CLEARLY:.0%} more of them, up to {beside.more[1]:.0%}: {reason}"
    return Criterion(name, verdict, beside.found, limit, reason)


def _sensitivity(name: str, capacity: CapacityFacts) -> Criterion:
    """Refuses a model that is blind: its threshold is above every synthetic anomaly."""
    found = capacity.most_found or 0.0
    if found <= NOTHING:
        return Criterion(name, "refused", found, NOTHING, blindness(found))
    return Criterion(name, "passed", found, NOTHING, f"{found:.0%} of the easiest synthetic anomalies are found")


def collapse_criteria(spec: ModelSpec, divergence: Sequence[tuple[float, ...]]) -> list[Criterion]:
    """Judges a variational model by the active dimensions of its code; no criterion for other models.

    Args:
        divergence: nats of each dimension of the code, per member; empty for other models.
    """
    if not divergence:
        return []
    name, needed = "posterior collapse", least_active_dimensions(spec)
    member = min(range(len(divergence)), key=lambda k: active_dimensions(divergence[k]))
    active = active_dimensions(divergence[member])
    nats = ", ".join(f"{one:.2g}" for one in divergence[member])
    text = f"the code of member {member} tells {nats} nats per dimension, at least {COLLAPSED:g} in {active}"
    if active >= needed:
        return [Criterion(name, "passed", active, needed, f"{text} of {spec.latent}; {needed} needed")]
    remedy = (
        f"it makes every window into the same one; lower `model.beta`, seen {spec.beta:g}, or set `model.kind: dense`"
    )
    return [Criterion(name, "refused", active, needed, f"{text} of {spec.latent}, {needed} needed: {remedy}")]
