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
from training.gate.capacity import measure_capacity
from training.gate.champion import ScoredModel, champion_criteria
from training.gate.criteria import capacity_criteria, collapse_criteria
from training.gate.false_alerts import promise_criteria
from training.gate.segments import cut_segments, most_segments
from training.gate.separability import labelled_criterion, synthetic_criterion


@dataclass(frozen=True)
class GateData:
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
class GateResult:
    """How constrained the model is, as `training.strength` tells it, and the gate's verdicts, as they are told."""

    strength: CapacityFacts
    criteria: list[Criterion]


def run_gate(
    held: GateData,
    challenger: ScoredModel,
    calibration: Calibration,
    fitted: FittedMembers,
    registry: Registry,
    seed: int,
) -> GateResult:
    """Tries the model out, and judges it."""
    definition, framed, gate = challenger.definition, held.framed, held.levels[Part.GATE]
    spec, frames = definition.spec, definition.spec.receptive_field
    strips = cut_segments(framed, framed.within(held.part, Part.GATE, frames), frames, most_segments(spec), seed)
    tried = measure_capacity(framed, held.part, definition, fitted.weights, seed)
    criteria = [
        synthetic_criterion(strips, definition, seed),
        labelled_criterion(framed, held.part, challenger.scores.level, gate, definition),
        *capacity_criteria(tried, cut_off=not fitted.stopped_early),
        *collapse_criteria(spec, fitted.divergence),
        *promise_criteria(gate, held.levels[Part.CALIBRATE], calibration, definition.rules),
        *champion_criteria(registry, challenger, held.history, framed, held.part, held.data, calibration, seed),
    ]
    return GateResult(tried, criteria)
