"""All that the gate looks at, in one place: what was held out, the model and its thresholds, production."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from stream.intake.columns import UInt8s
from stream.registry import Registry
from training.calibrate import Calibration
from training.champion import Contender, beside_production
from training.fit import Fitted
from training.framing import FramedHistory
from training.gate import Criterion, collapsed, strong_enough
from training.gate_promise import promise_kept
from training.history import History
from training.levels import Levels
from training.separable import MOST_STRIPS, of_labelled, of_synthetic
from training.split import Part
from training.strips import raw_strips
from training.trial import support
from training.windows import evenly


@dataclass(frozen=True)
class Held:
    """What a model is judged on.

    Attributes:
        part: uint8 (T,), `Part`s of the frames.
        levels: the model's, of the calibrate and gate parts.
        data: what the manifest says of the history; strength: of how constrained the model is.
    """

    history: History
    framed: FramedHistory
    part: UInt8s
    levels: Mapping[Part, Levels]
    data: Mapping[str, Any]
    strength: Mapping[str, Any]


def judge(
    held: Held, challenger: Contender, calibration: Calibration, fitted: Fitted, registry: Registry, seed: int
) -> list[Criterion]:
    """The verdicts, in the order in which they are told."""
    definition, framed, gate = challenger.definition, held.framed, held.levels[Part.GATE]
    ends = np.flatnonzero(framed.within(held.part, Part.GATE, support(definition.spec)))
    strips = raw_strips(framed, evenly(ends, MOST_STRIPS), support(definition.spec), seed)
    return [
        of_synthetic(strips, definition, seed),
        of_labelled(framed, held.part, challenger.seen.level, gate, definition),
        *strong_enough(held.strength, cut_off=not fitted.stopped_early),
        *collapsed(definition.spec, fitted.divergence),
        *promise_kept(gate, held.levels[Part.CALIBRATE], calibration, definition.rules),
        *beside_production(registry, challenger, held.history, framed, held.part, held.data, calibration, seed),
    ]
