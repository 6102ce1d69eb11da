"""A detector under attack: frozen members, thresholds, and the weights that an attacker may know."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from stream.detect.definition import Definition
from stream.detect.incidents.incidents import EXCEEDS
from stream.intake.columns import Bools, Float64s
from training.gate.segments import newest_frames
from training.robustness.differentiable_score import DifferentiableScore
from training.robustness.segments import AttackStrips


@dataclass(frozen=True)
class Target:
    """K members with their thresholds, and verdicts on strips by the frozen ensemble."""

    definition: Definition
    weights: Mapping[str, Tensor]

    def exceeds(self, strips: AttackStrips) -> Bools:
        """bool (N,): strips whose last frame is above the threshold."""
        above: Bools = self.levels(strips) / self.definition.thresholds.of_each(strips.series) > EXCEEDS
        return above

    def levels(self, strips: AttackStrips) -> Float64s:
        """float64 (N,): level of the last frame of each strip."""
        return newest_frames(self.definition, strips.values, strips.masked)[0]

    def flags_disagreement(self, strips: AttackStrips) -> Bools:
        """bool (N,): strips about whose last frame the members disagree more than is usual."""
        _, disagreement = newest_frames(self.definition, strips.values, strips.masked)
        return disagreement > self.definition.usual_disagreement

    def score(self) -> DifferentiableScore:
        """Builds the level with its gradient, for an attacker who knows all weights."""
        return DifferentiableScore(self.definition.spec, self.weights, self.definition.ensemble.error_scales)
