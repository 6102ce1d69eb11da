"""One bundle under three attacks: replayed sensors, a slow drift of one sensor, a poisoned recalibration."""

import time
from dataclasses import dataclass

import numpy as np

from stream.errors import DataError
from stream.settings.detection import RecalibrationSettings
from tests.robustness.poisoning import Poisoning, poison
from tests.robustness.replay_attack import ReplayAttack, replay_attacks
from tests.robustness.slow_drift import SlowDrift, slow_drifts
from training.data.framing import FramedHistory
from training.data.windows import evenly
from training.evaluate.evaluation import Bundle
from training.options import TrainOptions
from training.recalibration.evidence import bundle_thresholds
from training.robustness.evasion import LOOKED_AT
from training.robustness.segments import cut, whole_rows
from training.robustness.setup import target_builder

SEED = 0


@dataclass(frozen=True)
class Study:
    """Results of the three attacks.

    Attributes:
        looked_at: number of segments of labelled events; segments: number of those that the bundle finds, attacked.
        seconds: duration of the study.
    """

    version: str
    looked_at: int
    segments: int
    replay_attacks: tuple[ReplayAttack, ...]
    slow_drifts: tuple[SlowDrift, ...]
    poisonings: tuple[Poisoning, ...]
    seconds: float


def study(
    bundle: Bundle,
    frames: FramedHistory,
    history: TrainOptions,
    segments: int,
    bounds: RecalibrationSettings,
) -> Study:
    """Attacks a bundle on labelled frames.

    Args:
        history: options of the bundle's training, with its history as `data`.
        segments: most segments to replay sensors on.
        bounds: those of a recalibration.

    Raises:
        DataError: the bundle finds no segment of a labelled event, or its history is unusable.
        BundleError: the bundle keeps no levels.
    """
    begun = time.perf_counter()
    definition = bundle.definition
    builder = target_builder(bundle.folder, bundle.manifest, definition, history)
    target, (recorded, trained_range) = builder.bundle(bundle.folder), builder.recorded()
    rows = whole_rows(frames, definition, LOOKED_AT, of_events=True)
    found = np.flatnonzero(target.exceeds(cut(frames, rows, definition, trained_range))) if len(rows) else rows
    if not len(found):
        raise DataError(f"the bundle finds none of {len(rows)} segments of labelled events; give rows in which it does")
    attacked = cut(frames, rows[evenly(found, segments)], definition, trained_range)
    given = bundle_thresholds(bundle.folder, bundle.manifest, definition)
    return Study(
        version=bundle.manifest.version,
        looked_at=len(rows),
        segments=len(attacked),
        replay_attacks=replay_attacks(target, attacked, recorded),
        slow_drifts=slow_drifts(definition, frames),
        poisonings=poison(given, builder.levels(definition), bounds, SEED),
        seconds=time.perf_counter() - begun,
    )
