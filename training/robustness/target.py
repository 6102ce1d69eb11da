"""A detector under attack: frozen members, thresholds, and the weights that an attacker may know."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from stream.detect.definition import Definition
from stream.detect.incidents.incidents import EXCEEDS
from stream.intake.columns import Bools, Float64s
from training.gate.segments import newest_frames
from training.robustness.differentiable_score import DifferentiableScore
from training.robustness.segments import AttackSegments


@dataclass(frozen=True)
class Target:
    """K members with their thresholds, and verdicts on segments by the frozen ensemble."""

    definition: Definition
    weights: Mapping[str, Tensor]

    def exceeds(self, segments: AttackSegments) -> Bools:
        """Mask of segments whose last frame is above the threshold, bool (N,)."""
        above: Bools = self.levels(segments) / self.definition.thresholds.of_each(segments.series) > EXCEEDS
        return above

    def levels(self, segments: AttackSegments) -> Float64s:
        """float64 (N,): level of the last frame of each segment."""
        return newest_frames(self.definition, segments.values, segments.masked)[0]

    def flags_disagreement(self, segments: AttackSegments) -> Bools:
        """Mask of segments about whose last frame the members disagree more than is usual, bool (N,)."""
        _, disagreement = newest_frames(self.definition, segments.values, segments.masked)
        return disagreement > self.definition.usual_disagreement

    def score(self) -> DifferentiableScore:
        """Builds the level with its gradient, for an attacker who knows all weights."""
        return DifferentiableScore(
            self.definition.spec, self.weights, self.definition.ensemble.error_scales, self.definition.ensemble.tails
        )
