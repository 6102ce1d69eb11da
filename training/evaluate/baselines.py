"""Baselines: simple detectors in the place of the model, on the same frames and under the same rules.

A baseline is fitted on the frames that the weights were fitted on, series by series. Its scores are averaged over M
frames, as errors are. Its threshold comes from the same calibrate frames by the same promise, its incidents from the
same code. It needs no window, so it has scores in frames where the model still warms up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from stream.detect.definition import Definition
from stream.detect.frames.frames import Fitness
from stream.detect.frames.scale import POOLED
from stream.detect.incidents.incidents import EXCEEDS
from stream.detect.incidents.level import levels as smoothed
from stream.detect.slots import Segments
from stream.errors import DataError
from stream.intake.columns import Bools, Float64s, UInt8s
from stream.registry.manifest import Manifest
from stream.replay import layout_for
from stream.settings.detection import ThresholdSettings
from training.calibration.calibrate import calibrate
from training.calibration.levels import Levels, incident_events
from training.data.framing import FramedHistory, frame
from training.data.history import History, fingerprint, read_history
from training.data.split import Part, Shares, split
from training.evaluate.figures import Detections, rows_of
from training.evaluate.labelled import spans
from training.metrics.floors import FLOORS, Floor, Score, always_on
from training.options import TrainOptions
from training.revision.child import threshold_settings


@dataclass(frozen=True)
class BaselineHistory:
    """The history that baselines are fitted on, cut as the bundle's was.

    Attributes:
        part: uint8 (T,), `Part` of each frame.
        difference: in words; None: it is the bundle's own history, cut in the same places.
    """

    history: History
    frames: FramedHistory
    part: UInt8s
    difference: str | None


@dataclass(frozen=True)
class Baseline:
    """Detections of a baseline on the evaluated frames; `no_threshold` is the reason where it has no threshold."""

    detections: Detections
    no_threshold: str | None


def load_baseline_history(options: TrainOptions, definition: Definition, manifest: Manifest) -> BaselineHistory:
    """Reads the history at `options.data` as the bundle's frames, in the parts of a training run.

    Raises:
        DataError: it cannot be read, lacks sensors of the bundle, or is too short to be cut.
    """
    hints = replace(options.hints.with_optional_label(options.data), sensors=definition.sensors)
    history = read_history(options, layout_for(options.data, hints, definition))
    frames = frame(history.batches, definition.policy, definition.sensors)
    part = split(
        frames.series, frames.time, frames.normal, Shares(**dict(options.train.parts)), definition.spec.receptive_field
    )
    difference = None
    if fingerprint(history) != manifest.data.fingerprint:
        difference = "other readings than the bundle was trained on"
    elif frames.count_frames(part) != manifest.data.frames:
        difference = "the bundle's readings, cut into other parts than in its training (`train.parts`)"
    return BaselineHistory(history, frames, part, difference)


def fit_baselines(
    history: BaselineHistory, evaluated: FramedHistory, definition: Definition, manifest: Manifest, seed: int
) -> list[Baseline]:
    """Fits every baseline and applies it to the evaluated frames.

    Args:
        seed: seed of the training, for the resampling behind thresholds.

    Raises:
        DataError: no frames to fit on.
    """
    fitter = _BaselineFitter(history, evaluated, definition, known_promise(manifest), seed)
    return [fitter.baseline(name, floor) for name, floor in FLOORS.items()]


@dataclass(frozen=True)
class _BaselineFitter:
    """Fits baselines; holds everything that is the same for each of them."""

    history: BaselineHistory
    evaluated: FramedHistory
    definition: Definition
    promise: ThresholdSettings | None
    seed: int

    def baseline(self, name: str, floor: Floor) -> Baseline:
        """Fits a baseline and applies it to the evaluated frames."""
        fitted = _fitted(floor, self.history)
        level = _levels(fitted, self.evaluated, self.definition)
        if floor is always_on:
            # This alarm never ends: it is above any threshold.
            return Baseline(self._alarmed(name, 2 * EXCEEDS * level), None)
        if self.promise is None:
            return Baseline(Detections(name, level, None), "the bundle does not say what its threshold promises")
        try:
            threshold = self._threshold(fitted, self.promise)
        except DataError as reason:
            return Baseline(Detections(name, level, None), str(reason))
        return Baseline(self._alarmed(name, level / threshold), None)

    def _threshold(self, fitted: Mapping[str, Score], promise: ThresholdSettings) -> Float64s:
        """Threshold of each frame's series, float64 (T,), by the bundle's promise on its calibrate frames."""
        frames, spec = self.history.frames, self.definition.spec
        held_out = frames.within(self.history.part, Part.CALIBRATE, spec.receptive_field)
        levels = _as_levels(frames, _levels(fitted, frames, self.definition), held_out, spec.block)
        table = calibrate(levels, self.definition.rules, promise, self.seed).table
        thresholds: Float64s = table.of_each(self.evaluated.names)[self.evaluated.series]
        return thresholds

    def _alarmed(self, name: str, score: Float64s) -> Detections:
        """Detections with the incidents that the online code opens for these scores."""
        scored = _as_levels(self.evaluated, score, np.ones(len(score), np.bool_), 1)
        newest = {event.alert_id: event for event in incident_events(scored, scored.level, self.definition.rules)}
        return Detections(name, score, spans(newest.values()))


def known_promise(manifest: Manifest) -> ThresholdSettings | None:
    """The promise of the bundle's threshold; None where its manifest does not say."""
    method, promised = manifest.threshold.method, manifest.threshold.promised
    return None if method is None or promised is None else threshold_settings(method, promised)


def _fitted(floor: Floor, history: BaselineHistory) -> Mapping[str, Score]:
    """Fits a baseline for each series that has frames to fit on, and a pooled one for every other series."""
    frames = history.frames
    fit = np.flatnonzero(frames.fitted(history.part))
    runs = Segments(frames.series[fit])
    own = {frames.names[series]: floor(frames.values[fit[start:end]]) for series, start, end in runs}
    return {**own, POOLED: floor(frames.values[fit])}


def _levels(fitted: Mapping[str, Score], frames: FramedHistory, definition: Definition) -> Float64s:
    """Scores of a baseline averaged over M frames, as errors are: float64 (T,), NaN where the model has no error."""
    error = np.full(len(frames), np.nan)
    for name, rows in rows_of(frames).items():
        error[rows] = fitted.get(name, fitted[POOLED])(frames.values[rows])
    error[frames.fitness != Fitness.WHOLE] = np.nan
    back = definition.spec.smoothing - 1
    run = frames.run_within(frames.fitness != Fitness.OFF)
    at = np.arange(len(frames), dtype=np.int64) + back
    level = smoothed(np.concatenate([np.full(back, np.nan), error]), at, run, 1, back + 1)
    return np.where(np.isnan(error), np.nan, level)


def _as_levels(frames: FramedHistory, level: Float64s, chosen: Bools, block: int) -> Levels:
    scored = chosen & np.isfinite(level)
    return Levels(
        names=frames.names,
        series=frames.series[scored],
        time=frames.time[scored],
        level=level[scored],
        step=frames.step[scored],
        vetoed=np.zeros(int(scored.sum()), np.bool_),
        block=block,
    )
