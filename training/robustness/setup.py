"""Setup of the attacks: the ensemble, its members one by one, its counterpart, and a surrogate.

The counterpart has the same members, with a discriminator where the ensemble has none, and without it where it has one.
Every target keeps the bundle's promise on the same held-out frames. So a single member is the bundle with K = 1, and
the counterpart is the bundle with the other choice of `model.discriminator`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
from torch import Tensor

from stream.detect.definition import Definition
from stream.detect.frames.scale import POOLED
from stream.detect.incidents.threshold import ThresholdTable
from stream.detect.model.autoencoders import load
from stream.detect.model.discriminator import split_weights
from stream.detect.model.ensemble import Ensemble
from stream.errors import DataError
from stream.intake.columns import Bools, Float32s, Float64s, Int32s, Int64s
from stream.messages import say
from stream.registry.bundle import all_weights
from stream.registry.manifest import Manifest
from stream.settings.detection import ThresholdSettings
from training.calibration.calibrate import calibrate, calibrate_relative
from training.calibration.held_out import held_out_levels
from training.calibration.levels import Levels
from training.calibration.usual import relative_levels
from training.data.scaling import scaled_frames, within
from training.data.scored_history import frame_scores
from training.data.split import Part
from training.data.windows import evenly
from training.defaults import DISCRIMINATOR
from training.evaluate.baselines import BaselineHistory, known_promise, load_baseline_history
from training.fitting.disagreement import usual_disagreement
from training.fitting.discriminator import MAX_EPOCHS, fit_discriminator
from training.fitting.error_scale import member_error_scales, view_ensemble, view_scales, view_tails
from training.fitting.fit import fit
from training.options import FitOptions, TrainOptions
from training.robustness.segments import affordable
from training.robustness.target import Target

# Members of the ensemble that is trained beside a bundle of one member.
MEMBERS = 5
# Recorded normal segments that an attacker chooses from.
RECORDED = 2000


@dataclass(frozen=True)
class Setup:
    """The targets, and the data that an attacker may know.

    Attributes:
        ensemble: all K members.
        members: each of them as a detector of its own.
        counterpart: all K members, with a discriminator where the ensemble has none, and without where it has one.
        surrogate: a member with another seed, in no ensemble.
        trained: the ensemble was trained here, as the bundle has one member.
        recorded: float32 (n, L, F), scaled: segments of the data that the weights were fitted on.
        trained_range: float32 (F,) each, the smallest and the largest scaled value of each sensor in these data.
        other_history: in words, how the history differs from the bundle's own; None where it does not.
    """

    ensemble: Target
    members: tuple[Target, ...]
    counterpart: Target
    surrogate: Target
    trained: bool
    recorded: Float32s
    trained_range: tuple[Float32s, Float32s]
    other_history: str | None


def prepare(folder: Path, manifest: Manifest, definition: Definition, history: TrainOptions) -> Setup:
    """Trains the surrogate, a discriminator, and the ensemble where the bundle has one member; calibrates them.

    Args:
        history: options of the bundle's training, with its history as `data`. The seed is that of the bundle.

    Raises:
        DataError: the history is unusable, or the bundle's manifest has no promise.
    """
    builder = target_builder(folder, manifest, definition, history)
    members = definition.spec.members
    if members > 1:
        ensemble = builder.bundle(folder)
        surrogate = builder.member(builder.train_members(1, history.fit.with_seed(max(manifest.seeds) + 1)), 0)
    else:
        say(f"the bundle has one member; training {MEMBERS} and a surrogate to compare with")
        trained = builder.train_members(MEMBERS + 1, history.fit.with_seed(manifest.seeds[0]))
        ensemble = builder.target({name: value[:MEMBERS] for name, value in trained.items()})
        surrogate = builder.member(trained, MEMBERS)
    recorded, trained_range = builder.recorded()
    return Setup(
        ensemble=ensemble,
        members=tuple(builder.member(ensemble.weights, k) for k in range(ensemble.definition.spec.members)),
        counterpart=builder.counterpart(ensemble, manifest.seeds[0], history.train.max_epochs),
        surrogate=surrogate,
        trained=members == 1,
        recorded=recorded,
        trained_range=trained_range,
        other_history=builder.baseline.difference,
    )


@dataclass(frozen=True)
class TargetBuilder:
    """Trains members on the bundle's frames, and gives them thresholds that keep its promise."""

    baseline: BaselineHistory
    definition: Definition
    promise: ThresholdSettings
    seed: int

    def bundle(self, folder: Path) -> Target:
        """The bundle itself, with its usual disagreement on these frames."""
        usual = self._usual_disagreement(self.definition.ensemble)
        return Target(replace(self.definition, usual_disagreement=usual), all_weights(folder))

    def train_members(self, members: int, options: FitOptions) -> dict[str, Tensor]:
        """Trains members of the bundle's shape, without a discriminator; returns their weights."""
        spec = msgspec.structs.replace(self.definition.spec, members=members, discriminator=0)
        frames, missing = self._frames()
        frames = within(frames, self.definition.policy.clip)
        result = fit(frames, missing, self._ends(Part.FIT), self._ends(Part.STOP), spec, options, lambda epoch: None)
        return result.weights

    def member(self, weights: Mapping[str, Tensor], k: int) -> Target:
        """Member k as a detector of its own."""
        return self.target({name: value[k : k + 1].clone() for name, value in weights.items()})

    def counterpart(self, ensemble: Target, seed: int, max_epochs: int) -> Target:
        """The same members with a discriminator that is trained here, or without their own.

        Errors keep their unit: it is that of the members, and a discriminator's penalty is calibrated in it.
        """
        own, judge = split_weights(ensemble.weights)
        units = ensemble.definition.ensemble.error_scales
        if judge:
            return self.target(own, units)
        plain = ensemble.definition.spec
        spec = msgspec.structs.replace(plain, discriminator=DISCRIMINATOR)
        say(f"training a discriminator beside the {spec.members} members")
        unseen = self._unseen()
        view = plain.views[-1]
        member_scales = member_error_scales(view_ensemble(plain, own, view), *unseen)
        frames, missing, ends, _ = unseen
        trained = fit_discriminator(
            load(spec, own), view_ensemble(plain, own, view, units[-1]), member_scales, frames, missing,
            self._ends(Part.FIT), self._ends(Part.STOP), ends, range(seed, seed + spec.members),
            min(max_epochs, MAX_EPOCHS), clip=self.definition.policy.clip,
        )  # fmt: skip
        return self.target(own | trained.weights, units)

    def target(self, weights: Mapping[str, Tensor], units: Float64s | None = None) -> Target:
        """A detector of these members, with its own threshold and usual disagreement.

        Args:
            units: float64 (V, F), of errors. None: the members' own, or the bundle's where there is a discriminator,
                whose penalty was calibrated in them.
        """
        penalised, bundle = bool(split_weights(weights)[1]), self.definition
        spec = msgspec.structs.replace(
            bundle.spec,
            members=len(next(iter(weights.values()))),
            discriminator=(bundle.spec.discriminator or DISCRIMINATOR) if penalised else 0,
        )
        if units is None and (penalised or (bundle.ensemble.error_scales == 1.0).all()):
            units = bundle.ensemble.error_scales
        frames, missing, ends, series = self._unseen()
        if units is None:
            units = view_scales(spec, weights, frames, missing, ends, series)
        ensemble = Ensemble(spec, weights, units, view_tails(spec, weights, units, frames, missing, ends))
        beyond = ThresholdTable((POOLED,), np.ones(1), np.zeros(1, np.int64), 1e300)
        usual = self._usual_disagreement(ensemble)
        draft = replace(bundle, spec=spec, ensemble=ensemble, thresholds=beyond, usual_disagreement=usual)
        return Target(replace(draft, thresholds=self._thresholds(draft)), weights)

    def levels(self, definition: Definition) -> Levels:
        """Held-out normal levels by this detector."""
        return self._held_out(definition)[Part.CALIBRATE]

    def _held_out(self, definition: Definition) -> dict[Part, Levels]:
        """Normal levels by this detector of the parts that its weights have not seen."""
        scores = frame_scores(self.baseline.history, definition)
        return {
            part: held_out_levels(self.baseline.frames, self.baseline.part, part, scores, definition)
            for part in (Part.STOP, Part.CALIBRATE, Part.GATE)
        }

    def _thresholds(self, draft: Definition) -> ThresholdTable:
        """Thresholds as training computes them; those that learn, as they are at the end of the history."""
        levels = self._held_out(draft)
        if draft.learning is None:
            return calibrate(levels[Part.CALIBRATE], draft.rules, self.promise, self.seed).table
        return calibrate_relative(relative_levels(levels, draft.learning), draft.rules, self.promise, self.seed).table

    def recorded(self) -> tuple[Float32s, tuple[Float32s, Float32s]]:
        """Segments of the fit part, and the range of each sensor in it."""
        frames, length = self._frames()[0], self.definition.spec.receptive_field
        part = self.baseline.part
        whole = np.flatnonzero(self.baseline.frames.within(part, Part.FIT, length))
        ends = evenly(whole, affordable(self.definition, RECORDED))
        fitted = frames[(part == Part.FIT) | (part == Part.STOP)]
        return frames[ends[:, None] + np.arange(1 - length, 1)], (fitted.min(axis=0), fitted.max(axis=0))

    def _usual_disagreement(self, ensemble: Ensemble) -> float:
        return usual_disagreement(ensemble, *self._frames(), self._ends(Part.CALIBRATE))

    def _frames(self) -> tuple[Float32s, Bools | None]:
        missing = np.isnan(self.baseline.frames.values)
        frames = scaled_frames(self.baseline.frames, self.definition.scales, self.definition.policy)
        return frames, missing if missing.any() else None

    def _unseen(self) -> tuple[Float32s, Bools | None, Int64s, Int32s]:
        """Frames with the normal windows that no weight was fitted on: their ends, and the series of each."""
        ends = np.sort(np.concatenate([self._ends(Part.STOP), self._ends(Part.CALIBRATE)]))
        return *self._frames(), ends, self.baseline.frames.series[ends]

    def _ends(self, part: Part) -> Int64s:
        return np.flatnonzero(self.baseline.frames.within(self.baseline.part, part, self.definition.spec.window))


def target_builder(folder: Path, manifest: Manifest, definition: Definition, history: TrainOptions) -> TargetBuilder:
    """Reads the history of a bundle.

    Raises:
        DataError: the history is unusable, or the bundle's manifest has no promise.
    """
    promise = known_promise(manifest)
    if promise is None:
        raise DataError(f"{folder}: its manifest does not say what its threshold promises; train again")
    return TargetBuilder(load_baseline_history(history, definition, manifest), definition, promise, history.train.seed)
