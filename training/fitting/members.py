"""Fits an ensemble with all its parts: members, error scales, discriminators, usual disagreement, self-test."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np
from torch import Tensor

from stream.detect.forms.forms import Forms
from stream.detect.forms.relations import Relations
from stream.detect.forms.stillness import Paths, Stillness
from stream.detect.frames.scale import ScaleTable
from stream.detect.model.autoencoders import load as load_model
from stream.detect.model.ensemble import Ensemble
from stream.detect.policy import FramePolicy, ModelSpec
from stream.intake.columns import UInt8s
from stream.registry.bundle import SelfTest
from training.data.framing import FramedHistory
from training.data.scaling import scaled_frames, within
from training.data.split import Part
from training.fitting.disagreement import usual_disagreement
from training.fitting.discriminator import MAX_EPOCHS, FittedDiscriminator, fit_discriminator
from training.fitting.error_scale import member_error_scales, view_ensemble, view_scales, view_tails
from training.fitting.fit import Epoch, FittedMembers, fit, seeds_of
from training.fitting.relations import fit_relations
from training.fitting.stillness import shortest_paths
from training.options import FitOptions

SELFTEST_WINDOWS = 16


@dataclass(frozen=True)
class TrainedEnsemble:
    """An ensemble fitted on a history, and all its weights.

    `discriminator` is None where the model has none.
    """

    fitted: FittedMembers
    discriminator: FittedDiscriminator | None
    ensemble: Ensemble
    forms: Forms
    usual_disagreement: float
    selftest: SelfTest

    weights: dict[str, Tensor]


@dataclass(frozen=True)
class Progress:
    """Callbacks that show the progress of training: a stage with a note, and each epoch."""

    stage: Callable[[str, str], None]
    epoch: Callable[[Epoch], None]


def fit_ensemble(
    framed: FramedHistory,
    part: UInt8s,
    scales: ScaleTable,
    policy: FramePolicy,
    spec: ModelSpec,
    standardise: bool,
    options: FitOptions,
    progress: Progress,
) -> TrainedEnsemble:
    """Fits the members on the fit part, stops on its held-out end, and records errors of some windows as a self-test.

    Args:
        part: uint8 (T,), `Part`.
        standardise: divide the error of each sensor by its usual error.
    """
    frames, holes = scaled_frames(framed, scales, policy), np.isnan(framed.values)
    seen = within(frames, policy.clip)
    masked = holes if holes.any() else None
    ends = {p: np.flatnonzero(framed.within(part, p, spec.window)) for p in (Part.FIT, Part.STOP, Part.CALIBRATE)}
    plain = msgspec.structs.replace(spec, discriminator=0)
    fitted = fit(seen, masked, ends[Part.FIT], ends[Part.STOP], plain, options, progress.epoch)
    held_out = np.sort(np.concatenate([ends[Part.STOP], ends[Part.CALIBRATE]]))
    unseen = frames, masked, held_out, framed.series[held_out]
    error_scales = np.ones((len(spec.views), spec.sensors))
    if standardise:
        error_scales = view_scales(plain, fitted.weights, *unseen)
    discriminator = None
    if spec.discriminator:
        progress.stage("discriminate", f"{spec.members} with {spec.discriminator} hidden units")
        discriminator = fit_discriminator(
            load_model(spec, fitted.weights), view_ensemble(plain, fitted.weights, spec.views[-1], error_scales[-1]),
            member_error_scales(view_ensemble(plain, fitted.weights, spec.views[-1]), *unseen), frames, masked,
            ends[Part.FIT], ends[Part.STOP], held_out, seeds_of(spec, options),
            min(options.train.max_epochs, MAX_EPOCHS), clip=policy.clip,
        )  # fmt: skip
    weights = fitted.weights | (discriminator.weights if discriminator else {})
    tails = view_tails(spec, weights, error_scales, frames, masked, held_out)
    ensemble = Ensemble(spec, weights, error_scales, tails)
    forms = Forms()
    if len(spec.views) > 1:
        lowest = shortest_paths(framed, part, frames, masked, spec.window, policy.max_carry)
        relations = fit_relations(framed, part, frames, masked, spec)
        weights |= relations
        forms = Forms(
            Stillness(Paths(tuple(map(tuple, lowest.tolist()))), spec.window, spec.sensors) if lowest.any() else None,
            Relations(spec, relations) if relations else None,
        )
    chosen = ends[Part.STOP][np.linspace(0, len(ends[Part.STOP]) - 1, SELFTEST_WINDOWS).astype(np.int64)]
    windows = np.stack([frames[end - spec.window + 1 : end + 1] for end in chosen.tolist()])
    flat = np.ascontiguousarray(windows.reshape(-1, spec.sensors))
    tested = ensemble.errors(flat, np.arange(len(windows), dtype=np.int64) * spec.window + spec.window - 1, None)
    usual = usual_disagreement(ensemble, frames, masked, ends[Part.CALIBRATE])
    return TrainedEnsemble(fitted, discriminator, ensemble, forms, usual, SelfTest(windows, tested.error), weights)
