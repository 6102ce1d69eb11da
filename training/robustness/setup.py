"""Who takes part: the ensemble, its members one by one, its counterpart, and a surrogate trained on the same data.

The counterpart has the same members, with a discriminator where the ensemble has none, and without it where it has one.
Each keeps the bundle's promise on the same held-out frames, so a single member is what the bundle would have been with
K = 1, and the counterpart what it would have been with the other `model.discriminator`.
"""

import sys
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
from stream.detect.model.discriminator import parted
from stream.detect.model.ensemble import Ensemble
from stream.errors import DataError
from stream.intake.columns import Bools, Float64s, Int32s, Int64s
from stream.registry.bundle import all_weights
from stream.registry.manifest import Manifest
from stream.settings.detection import ThresholdSettings
from training.calibration.calibrate import calibrate
from training.calibration.held_out import held_out_levels
from training.calibration.levels import Levels
from training.data.scaling import scaled_frames
from training.data.scored_history import frame_scores
from training.data.split import Part
from training.data.windows import evenly
from training.defaults import DISCRIMINATOR
from training.evaluate.baselines import Learned, learn, promise_of
from training.fitting.disagreement import usual_disagreement
from training.fitting.discriminator import MAX_EPOCHS, discriminate
from training.fitting.error_scale import error_spread, member_spreads
from training.fitting.fit import fit
from training.options import FitOptions, TrainOptions
from training.recalibration.recalibrate import BundleThresholds
from training.recalibration.run import bundle_thresholds
from training.robustness.segments import Float32s, affordable
from training.robustness.target import Contestant

# Members of the ensemble that a bundle of one member is compared with.
MEMBERS = 5
# Recorded normal strips that an attacker chooses from.
RECORDED = 2000


@dataclass(frozen=True)
class Field:
    """The contestants, and what an attacker may know of the data.

    Attributes:
        ensemble: all K members.
        alone: each of them as a detector of its own.
        counterpart: all K members, with a discriminator or without, as the ensemble is not.
        surrogate: a member with another seed, in no ensemble.
        trained: the ensemble was trained here, as the bundle has one member.
        recorded: float32 (n, L, F), scaled: strips of the data that the weights were fitted on.
        seen: float32 (F,) each, the smallest and the largest scaled value of each sensor in these data.
        why_not: in words, where the history is not the bundle's own; else empty.
        given: what a recalibration of the bundle starts from.
        normal: held-out normal levels by the bundle.
    """

    ensemble: Contestant
    alone: tuple[Contestant, ...]
    counterpart: Contestant
    surrogate: Contestant
    trained: bool
    recorded: Float32s
    seen: tuple[Float32s, Float32s]
    why_not: str
    given: BundleThresholds
    normal: Levels


def gather(folder: Path, manifest: Manifest, definition: Definition, history: TrainOptions) -> Field:
    """Trains the surrogate, a discriminator, and the ensemble where the bundle has one member; calibrates them.

    Args:
        history: how the bundle was trained, `data` being its history; the seed is that of the bundle.

    Raises:
        DataError: a history that nothing can be learned from, or a bundle that does not say what it promises.
        BundleError: a bundle that keeps no levels.
    """
    promise = promise_of(manifest)
    if promise is None:
        raise DataError(f"{folder}: its manifest does not say what its threshold promises; train again")
    camp = _Camp(learn(history, definition, manifest), definition, promise, history.train.seed)
    members = definition.spec.members
    if members > 1:
        known = replace(definition, usual_disagreement=camp.usual(definition.ensemble))
        ensemble = Contestant(known, all_weights(folder))
        surrogate = camp.member(camp.fitted(1, history.fit.with_seed(max(manifest.seeds) + 1)), 0)
    else:
        print(f"the bundle has one member; training {MEMBERS} and a surrogate to compare with", file=sys.stderr)
        trained = camp.fitted(MEMBERS + 1, history.fit.with_seed(manifest.seeds[0]))
        ensemble = camp.contestant({name: value[:MEMBERS] for name, value in trained.items()})
        surrogate = camp.member(trained, MEMBERS)
    alone = tuple(camp.member(ensemble.weights, k) for k in range(ensemble.definition.spec.members))
    recorded, seen = camp.recorded()
    return Field(
        ensemble=ensemble,
        alone=alone,
        counterpart=camp.counterpart(ensemble, manifest.seeds[0], history.train.max_epochs),
        surrogate=surrogate,
        trained=members == 1,
        recorded=recorded,
        seen=seen,
        why_not=camp.learned.why,
        given=bundle_thresholds(folder, manifest, definition),
        normal=camp.levels(definition),
    )


@dataclass(frozen=True)
class _Camp:
    """Where members are trained, and given a threshold, on the bundle's frames."""

    learned: Learned
    definition: Definition
    promise: ThresholdSettings
    seed: int

    def fitted(self, members: int, options: FitOptions) -> dict[str, Tensor]:
        """Weights of so many new members, of the bundle's shape, without a discriminator."""
        spec = msgspec.structs.replace(self.definition.spec, members=members, discriminator=0)
        frames, holes = self._frames()
        done = fit(frames, holes, self._ends(Part.FIT), self._ends(Part.STOP), spec, options, lambda epoch: None)
        return done.weights

    def member(self, of: Mapping[str, Tensor], k: int) -> Contestant:
        """Member k as a detector of its own."""
        return self.contestant({name: value[k : k + 1].clone() for name, value in of.items()})

    def counterpart(self, ensemble: Contestant, seed: int, max_epochs: int) -> Contestant:
        """The same members with a discriminator that is trained here, or without the one that they have.

        Errors keep their unit: it is that of the members, and what a discriminator adds is calibrated in it.
        """
        own, judge = parted(ensemble.weights)
        unit = ensemble.definition.ensemble.spread
        if judge:
            return self.contestant(own, unit)
        plain = ensemble.definition.spec
        spec = msgspec.structs.replace(plain, discriminator=DISCRIMINATOR)
        print(f"training a discriminator beside the {spec.members} members", file=sys.stderr)
        unseen = self._unseen()
        spreads = member_spreads(Ensemble(plain, own), *unseen)
        frames, holes, held_out_levels, _ = unseen
        found = discriminate(
            load(spec, own), ensemble.definition.ensemble, spreads, frames, holes, self._ends(Part.FIT),
            self._ends(Part.STOP), held_out_levels, range(seed, seed + spec.members), min(max_epochs, MAX_EPOCHS),
            clip=self.definition.policy.clip,
        )  # fmt: skip
        return self.contestant(own | found.weights, unit)

    def contestant(self, of: Mapping[str, Tensor], unit: Float64s | None = None) -> Contestant:
        """A detector of these members, with its own threshold and usual disagreement.

        Args:
            unit: float64 (F,), of errors; None for its own, or the bundle's where there is a discriminator: what that
                adds to an error was calibrated in it.
        """
        judged, bundle = bool(parted(of)[1]), self.definition
        spec = msgspec.structs.replace(
            bundle.spec,
            members=len(next(iter(of.values()))),
            discriminator=(bundle.spec.discriminator or DISCRIMINATOR) if judged else 0,
        )
        if unit is None and (judged or (bundle.ensemble.spread == 1.0).all()):
            unit = bundle.ensemble.spread
        if unit is None:
            unit = error_spread(Ensemble(spec, of), *self._unseen())
        ensemble = Ensemble(spec, of, unit)
        beyond = ThresholdTable((POOLED,), np.ones(1), np.zeros(1, np.int64), 1e300)
        draft = replace(
            self.definition, spec=spec, ensemble=ensemble, thresholds=beyond, usual_disagreement=self.usual(ensemble)
        )
        found = calibrate(self.levels(draft), draft.rules, self.promise, self.seed)
        return Contestant(replace(draft, thresholds=found.table), of)

    def levels(self, definition: Definition) -> Levels:
        """Held-out normal levels by this detector."""
        learned = self.learned
        scores = frame_scores(learned.history, definition)
        return held_out_levels(learned.frames, learned.part, Part.CALIBRATE, scores, definition)

    def usual(self, ensemble: Ensemble) -> float:
        """How far these members usually disagree on held-out normal frames."""
        return usual_disagreement(ensemble, *self._frames(), self._ends(Part.CALIBRATE))

    def recorded(self) -> tuple[Float32s, tuple[Float32s, Float32s]]:
        """Strips of the fit part, and the range of each sensor in it."""
        frames, length = self._frames()[0], self.definition.spec.receptive_field
        part = self.learned.part
        whole = np.flatnonzero(self.learned.frames.within(part, Part.FIT, length))
        ends = evenly(whole, affordable(self.definition, RECORDED))
        fitted = frames[(part == Part.FIT) | (part == Part.STOP)]
        return frames[ends[:, None] + np.arange(1 - length, 1)], (fitted.min(axis=0), fitted.max(axis=0))

    def _frames(self) -> tuple[Float32s, Bools | None]:
        holes = np.isnan(self.learned.frames.values)
        frames = scaled_frames(self.learned.frames, self.definition.scales, self.definition.policy.clip)
        return frames, holes if holes.any() else None

    def _unseen(self) -> tuple[Float32s, Bools | None, Int64s, Int32s]:
        """Frames with the normal windows that no weight has seen: ends, and the series of each."""
        ends = np.sort(np.concatenate([self._ends(Part.STOP), self._ends(Part.CALIBRATE)]))
        return *self._frames(), ends, self.learned.frames.series[ends]

    def _ends(self, part: Part) -> Int64s:
        return np.flatnonzero(self.learned.frames.within(self.learned.part, part, self.definition.spec.window))
