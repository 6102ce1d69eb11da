"""All that the gate looks at, in one place: what was held out, the model and its thresholds, production."""

from collections.abc import Mapping
from dataclasses import dataclass

from stream.intake.columns import UInt8s
from stream.registry.manifest_facts import CapacityFacts, Criterion, DataFacts
from stream.registry.registry import Registry
from training.calibration.calibrate import Calibration
from training.calibration.levels import Levels
from training.data.framing import FramedHistory
from training.data.history import History
from training.data.split import Part
from training.fitting.fit import FittedMembers
from training.gate.capacity import strength
from training.gate.champion import Contender, beside_production
from training.gate.criteria import collapsed, of_capacity
from training.gate.false_alerts import promise_kept
from training.gate.segments import affordable, strips_of
from training.gate.separability import of_labelled, of_synthetic


@dataclass(frozen=True)
class Held:
    """What a model is judged on.

    Attributes:
        part: uint8 (T,), `Part`s of the frames.
        levels: the model's, of the calibrate and gate parts.
        data: what the manifest says of the history.
    """

    history: History
    framed: FramedHistory
    part: UInt8s
    levels: Mapping[Part, Levels]
    data: DataFacts


@dataclass(frozen=True)
class Judged:
    """How constrained the model is, as `training.strength` tells it, and the gate's verdicts, as they are told."""

    strength: CapacityFacts
    criteria: list[Criterion]


def judge(
    held: Held, challenger: Contender, calibration: Calibration, fitted: FittedMembers, registry: Registry, seed: int
) -> Judged:
    """Tries the model out, and judges it."""
    definition, framed, gate = challenger.definition, held.framed, held.levels[Part.GATE]
    spec, frames = definition.spec, definition.spec.receptive_field
    strips = strips_of(framed, framed.within(held.part, Part.GATE, frames), frames, affordable(spec), seed)
    tried = strength(framed, held.part, definition, fitted.weights, seed)
    criteria = [
        of_synthetic(strips, definition, seed),
        of_labelled(framed, held.part, challenger.scores.level, gate, definition),
        *of_capacity(tried, cut_off=not fitted.stopped_early),
        *collapsed(spec, fitted.divergence),
        *promise_kept(gate, held.levels[Part.CALIBRATE], calibration, definition.rules),
        *beside_production(registry, challenger, held.history, framed, held.part, held.data, calibration, seed),
    ]
    return Judged(tried, criteria)
