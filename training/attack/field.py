"""Who takes part: the ensemble, each of its members as a detector of its own, and a surrogate trained on the same data.

Thresholds of single members keep the bundle's promise on the same held-out frames, so a single member is what the
bundle would have been with K = 1.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
from torch import Tensor

from stream.bundle import Manifest, all_weights
from stream.detect.definition import Definition
from stream.detect.discriminator import parted
from stream.detect.ensemble import Ensemble
from stream.detect.scale import POOLED
from stream.detect.threshold import ThresholdTable
from stream.errors import DataError
from stream.intake.columns import Bools, Int64s
from training.attack.contestant import Contestant
from training.attack.strips import Float32s, affordable, length, spaced
from training.calibrate import calibrate
from training.disagreement import usual_disagreement
from training.evaluate.baselines import Learned, learn, promise_of
from training.fit import FitOptions, fit
from training.held_out import everywhere, held_out
from training.options import ThresholdOptions, TrainOptions
from training.scaling import scaled_frames
from training.split import Part
from training.spread import error_spread

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
        surrogate: a member with another seed, in no ensemble.
        trained: the ensemble was trained here, as the bundle has one member.
        recorded: float32 (n, L, F), scaled: strips of the data that the weights were fitted on.
        seen: float32 (F,) each, the smallest and the largest scaled value of each sensor in these data.
        why_not: in words, where the history is not the bundle's own; else empty.
    """

    ensemble: Contestant
    alone: tuple[Contestant, ...]
    surrogate: Contestant
    trained: bool
    recorded: Float32s
    seen: tuple[Float32s, Float32s]
    why_not: str


def gather(
    folder: Path, manifest: Manifest, definition: Definition, history: TrainOptions, options: FitOptions
) -> Field:
    """Trains the surrogate, and the ensemble where the bundle has one member; calibrates each member for itself.

    Args:
        history: how the bundle was trained, `data` being its history.
        options: how its weights were fitted; the seed is that of the bundle.

    Raises:
        DataError: a history that nothing can be learned from, or a bundle that does not say what it promises.
    """
    promise = promise_of(manifest)
    if promise is None:
        raise DataError(f"{folder}: its manifest does not say what its threshold promises; train again")
    camp = _Camp(learn(history, definition, manifest), definition, promise, history.seed)
    members = definition.spec.members
    if members > 1:
        known = replace(definition, usual_disagreement=camp.usual(definition.ensemble))
        ensemble = Contestant(known, all_weights(folder))
        surrogate = camp.member(camp.fitted(1, replace(options, seed=max(manifest.seeds) + 1)), 0)
    else:
        print(f"the bundle has one member; training {MEMBERS} and a surrogate to compare with", file=sys.stderr)
        trained = camp.fitted(MEMBERS + 1, replace(options, seed=manifest.seeds[0]))
        ensemble = camp.contestant({name: value[:MEMBERS] for name, value in trained.items()})
        surrogate = camp.member(trained, MEMBERS)
    alone = tuple(camp.member(ensemble.weights, k) for k in range(ensemble.definition.spec.members))
    recorded, seen = camp.recorded()
    return Field(ensemble, alone, surrogate, members == 1, recorded, seen, camp.learned.why)


@dataclass(frozen=True)
class _Camp:
    """Where members are trained, and given a threshold, on the bundle's frames."""

    learned: Learned
    definition: Definition
    promise: ThresholdOptions
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

    def contestant(self, of: Mapping[str, Tensor]) -> Contestant:
        """A detector of these members, with its own unit of errors, threshold and usual disagreement.

        With a discriminator the unit stays the bundle's: what it adds to an error was calibrated in it.
        """
        judged = bool(parted(of)[1])
        spec = msgspec.structs.replace(
            self.definition.spec,
            members=len(next(iter(of.values()))),
            discriminator=self.definition.spec.discriminator if judged else 0,
        )
        ensemble = Ensemble(spec, of, self.definition.ensemble.spread if judged else None)
        if not judged and not (self.definition.ensemble.spread == 1.0).all():
            frames, holes = self._frames()
            unseen = np.sort(np.concatenate([self._ends(Part.STOP), self._ends(Part.CALIBRATE)]))
            series = self.learned.frames.series[unseen]
            ensemble = Ensemble(spec, of, error_spread(ensemble, frames, holes, unseen, series))
        beyond = ThresholdTable((POOLED,), np.ones(1), np.zeros(1, np.int64), 1e300)
        draft = replace(
            self.definition, spec=spec, ensemble=ensemble, thresholds=beyond, usual_disagreement=self.usual(ensemble)
        )
        learned = self.learned
        seen = everywhere(learned.history, learned.frames, draft)
        assert seen is not None, "the detector must frame as the framing did"
        levels = held_out(learned.frames, learned.part, Part.CALIBRATE, seen, draft)
        found = calibrate(levels, draft.rules, self.promise, self.seed)
        return Contestant(replace(draft, thresholds=found.table), of)

    def usual(self, ensemble: Ensemble) -> float:
        """How far these members usually disagree on held-out normal frames."""
        return usual_disagreement(ensemble, *self._frames(), self._ends(Part.CALIBRATE))

    def recorded(self) -> tuple[Float32s, tuple[Float32s, Float32s]]:
        """Strips of the fit part, and the range of each sensor in it."""
        frames, support = self._frames()[0], length(self.definition)
        part = self.learned.part
        whole = np.flatnonzero(self.learned.frames.within(part, Part.FIT, support))
        ends = spaced(whole, affordable(self.definition, RECORDED))
        fitted = frames[(part == Part.FIT) | (part == Part.STOP)]
        return frames[ends[:, None] + np.arange(1 - support, 1)], (fitted.min(axis=0), fitted.max(axis=0))

    def _frames(self) -> tuple[Float32s, Bools | None]:
        holes = np.isnan(self.learned.frames.values)
        frames = scaled_frames(self.learned.frames, self.definition.scales, self.definition.policy.clip)
        return frames, holes if holes.any() else None

    def _ends(self, part: Part) -> Int64s:
        return np.flatnonzero(self.learned.frames.within(self.learned.part, part, self.definition.spec.window))
