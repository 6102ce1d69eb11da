"""Slow drift: a sensor moves away so slowly that every window looks normal, until the score exceeds.

The drifts go through the real detector, on normal frames of the labelled data.
"""

from dataclasses import dataclass, replace

import numpy as np

from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.frames.frames import Fitness
from stream.detect.frames.scale import POOLED, ScaleTable
from stream.detect.incidents.incidents import EXCEEDS
from stream.detect.incidents.threshold import ThresholdTable
from stream.intake.columns import Float64s, Int64s, Readings
from training.data.framing import FramedHistory
from training.data.windows import evenly

# Standard deviations of the sensor per frame.
SPEEDS = (0.003, 0.01, 0.03, 0.1)
# Most frames that are shown to the detector, and most sensors that drift, one at a time.
FRAMES, SENSORS = 1500, 8


@dataclass(frozen=True)
class SlowDrift:
    """Drifts of one speed, one sensor at a time.

    Attributes:
        speed: standard deviations per frame.
        sensors: number of sensors; noticed: number of those on which the score exceeded.
        reached: standard deviations at which the score first exceeded, median over the noticed sensors.
        furthest: standard deviations at the end of the stretch, which the unnoticed sensors have reached.
    """

    speed: float
    sensors: int
    noticed: int
    reached: float | None
    furthest: float


def slow_drifts(definition: Definition, frames: FramedHistory) -> tuple[SlowDrift, ...]:
    """Drifts sensors on the longest normal stretch in which the score does not exceed; () where there is none."""
    stretch = _stretch(definition, frames)
    if len(stretch) < 2 * definition.spec.receptive_field:
        return ()
    alone = _for_one_series(definition, frames.names[frames.series[stretch[0]]])
    values, times = frames.values[stretch], frames.time[stretch]
    sensors = evenly(np.arange(values.shape[1]), SENSORS).tolist()
    # The drift begins once there are levels.
    steps = np.maximum(np.arange(len(stretch)) - definition.spec.receptive_field, 0)
    scale = alone.scales.scale[0]
    results = []
    for speed in SPEEDS:
        drifted = [_with(values, f, speed * steps * scale[f]) for f in sensors]
        first = [at for own in drifted if (at := _exceeds_at(alone, times, own)) is not None]
        reached = float(np.median([speed * steps[at] for at in first])) if first else None
        results.append(SlowDrift(speed, len(sensors), len(first), reached, float(speed * steps[-1])))
    return tuple(results)


def _stretch(definition: Definition, frames: FramedHistory) -> Int64s:
    """Rows of the first `FRAMES` frames of the longest stretch without label, gap, missing value or exceeding score."""
    good = (frames.fitness == Fitness.WHOLE) & ~frames.marked & ~np.isnan(frames.values).any(axis=1)
    run = frames.run_within(good)
    if not len(run) or not run.any():
        return np.zeros(0, np.int64)
    end = int(run.argmax())
    rows = np.arange(end - int(run[end]) + 1, end + 1)
    alone = _for_one_series(definition, frames.names[frames.series[end]])
    first = 0
    while first < len(rows):
        stretch = rows[first : first + FRAMES]
        at = _exceeds_at(alone, frames.time[stretch], frames.values[stretch])
        if at is None:
            return stretch
        first += at + 1
    return np.zeros(0, np.int64)


def _with(values: Float64s, sensor: int, added: Float64s) -> Float64s:
    changed = values.copy()
    changed[:, sensor] += added
    return changed


def _exceeds_at(definition: Definition, times: Int64s, values: Float64s) -> int | None:
    """First of these frames of one series at which the score exceeds; None where none does."""
    offset = np.arange(len(times), dtype=np.int64)
    readings = Readings(("drift",), np.zeros(len(times), np.int32), times, values, offset)
    exceeding = np.flatnonzero(Detector(definition).push(readings).verdicts.score > EXCEEDS)
    return int(exceeding[0]) if len(exceeding) else None


def _for_one_series(definition: Definition, series: str) -> Definition:
    """The definition with the scale and threshold of one series for every series."""
    row, thresholds = definition.scales.row(series), definition.thresholds
    scales, one = definition.scales, np.ones(1, np.int64)
    return replace(
        definition,
        scales=ScaleTable((POOLED,), scales.mean[row : row + 1], scales.scale[row : row + 1], one),
        thresholds=ThresholdTable((POOLED,), np.array([thresholds.of(series) / thresholds.q]), one, thresholds.q),
    )
