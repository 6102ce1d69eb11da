"""An evaluation from rows to figures.

1. The labelled rows go through the detector, with the threshold that its bundle came with. 2. The labels say what the
incidents and the order of the scores were worth. 3. Floors do the same on the same frames, where the history is given.
4. What the threshold promised is put beside what it did in normal frames. Nothing is tuned on the way, and nothing
depends on chance.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stream.detect.definition import Definition
from stream.intake.parquet import Hints
from stream.registry.bundle import calibration_levels
from stream.registry.manifest import Manifest
from training.data.framing import FramedHistory
from training.evaluate.baselines import BaselineHistory, fit_baselines, load_baseline_history
from training.evaluate.figures import Detections, Figures, GroundTruth, ground_truth, measure, rows_of
from training.evaluate.labelled import LabelledScores, score_labelled, spans
from training.evaluate.promise import Point, Promise, compare_promise, curve, normal_frames
from training.evaluate.worst import Window, worst
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
    """What to evaluate.

    Attributes:
        known: series that are taken; None: all.
        history: how the bundle was trained, `data` being its history: what floors are fitted on. None: no floors.
    """

    data: Path
    hints: Hints
    known: frozenset[str] | None = None
    history: TrainOptions | None = None


@dataclass(frozen=True)
class Floors:
    """Figures of the floors, and what they rest on.

    Attributes:
        no_threshold: of floors that could not be given one, the reason, by name.
        seen: frames to be judged that are in the history, too.
    """

    figures: tuple[Figures, ...]
    no_threshold: dict[str, str]
    learned: BaselineHistory
    history: Path
    seen: int


@dataclass(frozen=True)
class Evaluation:
    """All that tables, JSON and the page tell of; `floors` is None where no history was given."""

    asked: EvaluationOptions
    bundle: Bundle
    labelled: LabelledScores
    truth: GroundTruth
    ours: Figures
    floors: Floors | None
    promise: Promise
    curve: tuple[Point, ...]
    worst: tuple[Window, ...]

    @property
    def figures(self) -> tuple[Figures, ...]:
        """Ours, then the floors'."""
        return (self.ours, *(() if self.floors is None else self.floors.figures))

    @property
    def unscored(self) -> tuple[int, int]:
        """Frames without a score, and how many of them are labelled."""
        none = np.isnan(self.labelled.score)
        return int(none.sum()), int((none & self.truth.labels).sum())


def evaluate(bundle: Bundle, asked: EvaluationOptions) -> Evaluation:
    """Measures a bundle on labelled rows.

    Raises:
        BundleError: the rows lack sensors of the bundle.
        DataError: no labels, no scores, or a history that floors cannot learn from.
    """
    definition, manifest = bundle.definition, bundle.manifest
    labelled = score_labelled(definition, asked.data, asked.hints, asked.known)
    grace = definition.spec.receptive_field
    known = ground_truth(labelled.frames, grace)
    ours = measure(known, Detections(OURS, labelled.score, spans(labelled.incidents)))
    assert ours.found is not None, "the detector has a threshold"
    normal = normal_frames(labelled.frames, grace)
    kept = calibration_levels(bundle.folder)
    return Evaluation(
        asked=asked,
        bundle=bundle,
        labelled=labelled,
        truth=known,
        ours=ours,
        floors=None if asked.history is None else _floors(bundle, asked, asked.history, labelled.frames, known),
        promise=compare_promise(manifest, labelled.score, normal, ours.found),
        curve=tuple(curve(kept, labelled.score, normal, definition.thresholds.q)),
        worst=tuple(worst(labelled, definition)),
    )


def _floors(
    bundle: Bundle, asked: EvaluationOptions, history: TrainOptions, judged: FramedHistory, known: GroundTruth
) -> Floors:
    learned = load_baseline_history(history, bundle.definition, bundle.manifest)
    found = fit_baselines(learned, judged, bundle.definition, bundle.manifest, history.train.seed)
    return Floors(
        figures=tuple(measure(known, one.said) for one in found),
        no_threshold={one.said.name: one.why for one in found if one.why is not None},
        learned=learned,
        history=history.data,
        seen=_shared(judged, learned.frames),
    )


def _shared(these: FramedHistory, those: FramedHistory) -> int:
    """Frames of a series and a time that are in both."""
    theirs = {name: those.time[at] for name, at in rows_of(those).items()}
    return sum(int(np.isin(these.time[at], theirs.get(name, ())).sum()) for name, at in rows_of(these).items())
