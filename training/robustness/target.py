"""A detector under attack: frozen members, thresholds, and the weights that an attacker may know."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from stream.detect.definition import Definition
from stream.detect.incidents.incidents import EXCEEDS
from stream.detect.incidents.level import levels
from stream.intake.columns import Bools, Float64s
from training.robustness.differentiable_score import DifferentiableScore
from training.robustness.segments import Strips


@dataclass(frozen=True)
class Target:
    """K members with their thresholds, and verdicts on strips by the frozen ensemble."""

    definition: Definition
    weights: Mapping[str, Tensor]

    def exceeds(self, strips: Strips) -> Bools:
        """bool (N,): strips whose last frame is above the threshold."""
        above: Bools = self.levels(strips) / self.definition.thresholds.of_each(strips.series) > EXCEEDS
        return above

    def levels(self, strips: Strips) -> Float64s:
        """float64 (N,): level of the last frame of each strip."""
        spec = self.definition.spec
        error, _ = self._errors(strips)
        last = np.arange(len(strips), dtype=np.int64) * spec.smoothing + spec.smoothing - 1
        run = np.full(len(strips), self.definition.spec.receptive_field)
        return levels(error.ravel(), last, run, spec.window, spec.smoothing)

    def flags_disagreement(self, strips: Strips) -> Bools:
        """bool (N,): strips about whose last frame the members disagree more than is usual."""
        unusual: Bools = self._errors(strips)[1][:, -1] > self.definition.usual_disagreement
        return unusual

    def score(self) -> DifferentiableScore:
        """Builds the level with its gradient, for an attacker who knows all weights."""
        return DifferentiableScore(self.definition.spec, self.weights, self.definition.ensemble.spread)

    def _errors(self, strips: Strips) -> tuple[Float64s, Float64s]:
        """Error and disagreement of each window, float64 (N, M) each."""
        window, frames = self.definition.spec.window, strips.values.shape[1]
        ends = np.arange(len(strips), dtype=np.int64)[:, None] * frames + np.arange(window - 1, frames)
        values = np.ascontiguousarray(strips.values.reshape(-1, self.definition.spec.sensors))
        found = self.definition.ensemble.errors(values, ends.ravel(), strips.masked.reshape(values.shape))
        return found.error.reshape(ends.shape), found.disagreement.reshape(ends.shape)
