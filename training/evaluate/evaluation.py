"""Evaluation of a bundle on labelled rows.

1. The labelled rows go through the detector with the threshold of its bundle. 2. Incidents and scores are compared with
the labels. 3. Where the history is given, baselines are measured on the same frames. 4. The promise of the threshold is
compared with its effect in normal frames. Nothing is tuned on these rows, and nothing depends on chance.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stream.detect.definition import Definition
from stream.intake.tables.reader import Hints
from stream.registry.bundle import calibration_levels
from stream.registry.manifest import Manifest
from training.data.framing import FramedHistory
from training.evaluate.baselines import BaselineHistory, fit_baselines, load_baseline_history
from training.evaluate.figures import Detections, Figures, GroundTruth, ground_truth, measure, rows_of
from training.evaluate.labelled import LabelledScores, score_labelled, spans
from training.evaluate.outcomes import EventOutcome, event_outcomes, while_open
from training.evaluate.promise import CurvePoint, PromiseComparison, compare_promise, curve, normal_frames
from training.evaluate.worst import WorstWindow, worst_windows
from training.options import TrainOptions

OURS = "narrows"


@dataclass(frozen=True)
class Bundle:
    """A verified bundle and where it lies."""

    folder: Path
    manifest: Manifest
    definition: Definition


@dataclass(frozen=True)
class EvaluationOptions:
    """The rows to evaluate on.

    Attributes:
        known: series that are evaluated; None: all.
        history: options of the bundle's training, with its history as `data`. Baselines are fitted on it. None: no
            baselines.
    """

    data: Path
    hints: Hints
    known: frozenset[str] | None = None
    history: TrainOptions | None = None


@dataclass(frozen=True)
class Baselines:
    """Detections and figures of the baselines, and the history they were fitted on.

    Attributes:
        no_threshold: by name of a baseline without a threshold, the reason.
        path: of the history.
        shared_frames: evaluated frames that are in the history too.
    """

    detections: tuple[Detections, ...]
    figures: tuple[Figures, ...]
    no_threshold: dict[str, str]
    history: BaselineHistory
    path: Path
    shared_frames: int


@dataclass(frozen=True)
class Evaluation:
    """Everything that tables, JSON and the page show; `baselines` is None where no history was given."""

    options: EvaluationOptions
    bundle: Bundle
    labelled: LabelledScores
    truth: GroundTruth
    ours: Figures
    outcomes: tuple[EventOutcome, ...]
    baselines: Baselines | None
    promise: PromiseComparison
    curve: tuple[CurvePoint, ...]
    worst: tuple[WorstWindow, ...]

    @property
    def figures(self) -> tuple[Figures, ...]:
        """Figures of the bundle, then those of the baselines."""
        return (self.ours, *(() if self.baselines is None else self.baselines.figures))

    @property
    def unscored(self) -> tuple[int, int]:
        """Number of frames without a score, and how many of them are labelled."""
        none = np.isnan(self.labelled.score)
        return int(none.sum()), int((none & self.truth.labels).sum())


def evaluate(bundle: Bundle, options: EvaluationOptions) -> Evaluation:
    """Measures a bundle on labelled rows.

    Raises:
        BundleError: the rows lack sensors of the bundle.
        DataError: no labels, no scores, or a history that no baseline can be fitted on.
    """
    definition, manifest = bundle.definition, bundle.manifest
    labelled = score_labelled(definition, options.data, options.hints, options.known)
    grace = definition.spec.receptive_field
    truth = ground_truth(labelled.frames, grace)
    incidents = spans(labelled.incidents)
    ours = measure(truth, Detections(OURS, labelled.score, incidents, labelled.level))
    assert ours.events is not None, "the detector has a threshold"
    normal = normal_frames(labelled.frames, grace)
    levels = calibration_levels(bundle.folder)
    return Evaluation(
        options=options,
        bundle=bundle,
        labelled=labelled,
        truth=truth,
        ours=ours,
        outcomes=tuple(event_outcomes(truth, labelled.score, incidents)),
        baselines=None if options.history is None else _baselines(bundle, options.history, labelled.frames, truth),
        promise=compare_promise(manifest, labelled.score, normal, while_open(labelled.frames, incidents), ours.events),
        curve=tuple(curve(levels, labelled.score, normal, definition.thresholds.q)),
        worst=tuple(worst_windows(labelled, definition)),
    )


def _baselines(bundle: Bundle, options: TrainOptions, frames: FramedHistory, truth: GroundTruth) -> Baselines:
    history = load_baseline_history(options, bundle.definition, bundle.manifest)
    fitted = fit_baselines(history, frames, bundle.definition, bundle.manifest, options.train.seed)
    return Baselines(
        detections=tuple(one.detections for one in fitted),
        figures=tuple(measure(truth, one.detections) for one in fitted),
        no_threshold={one.detections.name: one.no_threshold for one in fitted if one.no_threshold is not None},
        history=history,
        path=options.data,
        shared_frames=_shared(frames, history.frames),
    )


def _shared(these: FramedHistory, those: FramedHistory) -> int:
    """Number of frames whose series and time are in both histories."""
    theirs = {name: those.time[at] for name, at in rows_of(those).items()}
    return sum(int(np.isin(these.time[at], theirs.get(name, ())).sum()) for name, at in rows_of(these).items())
