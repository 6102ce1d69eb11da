"""Slow drift: a sensor walks away so slowly that every window looks right. How far does it get before an alert?

Through the real detector, on normal frames of the labelled data.
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
# Frames that are shown to the detector, at most; sensors that walk, each for itself.
FRAMES, SENSORS = 1500, 8
# Frames pushed at once: a readings' batch for each sensor and speed.
AT_ONCE = 4096


@dataclass(frozen=True)
class Drift:
    """One speed, over the sensors that walked.

    Attributes:
        speed: standard deviations per frame.
        sensors: how many walked; noticed: of them, those on which the score exceeded.
        reached: standard deviations, median over the sensors that were noticed, when the score first exceeded.
        furthest: standard deviations at the end of the stretch: where those that were not noticed have got to.
    """

    speed: float
    sensors: int
    noticed: int
    reached: float | None
    furthest: float


def drift(definition: Definition, frames: FramedHistory) -> tuple[Drift, ...]:
    """Walks sensors away on the longest normal stretch in which the score does not exceed by itself; () where none."""
    stretch = _stretch(definition, frames)
    if len(stretch) < 2 * definition.spec.receptive_field:
        return ()
    alone = _alone(definition, frames.names[frames.series[stretch[0]]])
    values, times = frames.values[stretch], frames.time[stretch]
    sensors = evenly(np.arange(values.shape[1]), SENSORS).tolist()
    # The walk begins once there are levels.
    walk = np.maximum(np.arange(len(stretch)) - definition.spec.receptive_field, 0)
    scale = alone.scales.scale[0]
    found = []
    for speed in SPEEDS:
        walked = [_with(values, f, speed * walk * scale[f]) for f in sensors]
        first = [at for own in walked if (at := _exceeds_at(alone, times, own)) is not None]
        reached = float(np.median([speed * walk[at] for at in first])) if first else None
        found.append(Drift(speed, len(sensors), len(first), reached, float(speed * walk[-1])))
    return tuple(found)


def _stretch(definition: Definition, frames: FramedHistory) -> Int64s:
    """Rows of the first `FRAMES` frames of the longest stretch without label, gap, missing value or exceeding score."""
    good = (frames.fitness == Fitness.WHOLE) & ~frames.marked & ~np.isnan(frames.values).any(axis=1)
    run = frames.run_within(good)
    if not len(run) or not run.any():
        return np.zeros(0, np.int64)
    end = int(run.argmax())
    rows = np.arange(end - int(run[end]) + 1, end + 1)
    alone = _alone(definition, frames.names[frames.series[end]])
    first = 0
    while first < len(rows):
        shown = rows[first : first + FRAMES]
        at = _exceeds_at(alone, frames.time[shown], frames.values[shown])
        if at is None:
            return shown
        first += at + 1
    return np.zeros(0, np.int64)


def _with(values: Float64s, sensor: int, added: Float64s) -> Float64s:
    walked = values.copy()
    walked[:, sensor] += added
    return walked


def _exceeds_at(definition: Definition, times: Int64s, values: Float64s) -> int | None:
    """The first of these frames of one series at which the score exceeds; None where none does."""
    place = np.arange(len(times), dtype=np.int64)
    readings = Readings(("walk",), np.zeros(len(times), np.int32), times, values, place)
    exceeding = np.flatnonzero(Detector(definition).push(readings).verdicts.score > EXCEEDS)
    return int(exceeding[0]) if len(exceeding) else None


def _alone(definition: Definition, series: str) -> Definition:
    """The definition with the scale and threshold of one series for whatever series comes."""
    row, thresholds = definition.scales.row(series), definition.thresholds
    scales, one = definition.scales, np.ones(1, np.int64)
    return replace(
        definition,
        scales=ScaleTable((POOLED,), scales.mean[row : row + 1], scales.scale[row : row + 1], one),
        thresholds=ThresholdTable((POOLED,), np.array([thresholds.of(series) / thresholds.q]), one, thresholds.q),
    )
