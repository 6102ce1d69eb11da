"""Runs every criterion of the gate on a trained model, before any alias moves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from stream.detect.incidents.threshold import ThresholdTable
from stream.events.account import SeriesAccount
from stream.intake.columns import UInt8s
from stream.registry.capacity_facts import CapacityFacts
from stream.registry.manifest_facts import Criterion, DataFacts, MachineChange
from stream.registry.registry import Registry
from training.calibration.calibrate import Calibration
from training.calibration.levels import Levels
from training.data.framing import FramedHistory
from training.data.history import History
from training.data.split import Part
from training.fitting.fit import FittedMembers
from training.gate.capacity import measure_capacity
from training.gate.champion import ScoredModel, champion_criteria
from training.gate.coverage import coverage_criterion
from training.gate.criteria import capacity_criteria, collapse_criteria
from training.gate.drift import drift_criterion, machine_changes
from training.gate.false_alerts import promise_criteria
from training.gate.segments import cut_segments, most_segments
from training.gate.separability import labelled_criterion, synthetic_criterion


@dataclass(frozen=True)
class GateData:
    """The data that a model is judged on.

    Attributes:
        framed: the history in frames, T of them.
        part: uint8 (T,), `Part`s of the frames.
        levels: levels of the model on the calibrate and gate parts, as its thresholds see them.
        fixed: the levels themselves, and thresholds from the calibrate part that do not learn.
        data: facts about the history, for the manifest.
        accounts: of its series.
    """

    history: History
    framed: FramedHistory
    part: UInt8s
    levels: Mapping[Part, Levels]
    fixed: tuple[Mapping[Part, Levels], ThresholdTable]
    data: DataFacts
    accounts: Sequence[SeriesAccount]


def run_gate(
    data: GateData,
    challenger: ScoredModel,
    calibration: Calibration,
    fitted: FittedMembers,
    registry: Registry,
    seed: int,
) -> tuple[CapacityFacts, list[Criterion], tuple[MachineChange, ...]]:
    """Measures the capacity of a model, judges it by every criterion, and finds changes of the machine."""
    definition, framed, gate = challenger.definition, data.framed, data.levels[Part.GATE]
    spec, frames = definition.spec, definition.spec.receptive_field
    segments = cut_segments(framed, framed.within(data.part, Part.GATE, frames), frames, most_segments(spec), seed)
    capacity = measure_capacity(framed, data.part, definition, fitted.weights, seed)
    held_out, table = data.fixed
    fixed = replace(definition, thresholds=table, learning=None)
    bound = 1.0 if definition.learning is None else definition.learning.bound
    changes = machine_changes(held_out[Part.CALIBRATE], held_out[Part.GATE], fixed, framed, bound)
    criteria = [
        synthetic_criterion(segments, definition, seed),
        labelled_criterion(framed, data.part, challenger.scores.level, gate, definition),
        *capacity_criteria(capacity, cut_off=not fitted.stopped_early),
        *collapse_criteria(spec, fitted.divergence),
        coverage_criterion(data.accounts),
        *promise_criteria(gate, data.levels[Part.CALIBRATE], calibration, definition.rules),
        drift_criterion(changes, gate, data.data.start or "", definition.learning is not None),
        *champion_criteria(registry, challenger, data.history, framed, data.part, data.data, calibration, seed),
    ]
    if (basis := calibration.set_by) is not None and capacity.verdict == "fine":
        few = f"few stretches of the history make the threshold {basis.q / basis.q_without:.2g} times as high"
        capacity = msgspec.structs.replace(capacity, but=few)
    return capacity, criteria, changes
