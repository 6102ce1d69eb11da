"""Scaled units of a history: the scale table of the bundle, and the frames that a model is fitted on."""

from dataclasses import dataclass

import numpy as np

from stream.detect.frames.scale import POOLED, ScaleTable, scaled
from stream.detect.policy import FramePolicy
from stream.detect.slots import Segments
from stream.intake.columns import Bools, Float32s, Float64s, Int64s, UInt8s
from training.data.framing import FramedHistory
from training.data.moments import Moments, moments
from training.data.split import Part

# Values of a sensor in the fit part of a series, if it has so many frames; the deviation of fewer is chance.
FEWEST = 30
# Share of a sensor's one value that is its unit, if that is below 1. A unit in which each move is clipped lets any move
# drown the other sensors: on public data with commands that move first after training, that ranks worse.
AT_REST = 0.5


@dataclass(frozen=True)
class FitMoments:
    """Moments of R series on their fit parts, and of all these frames together.

    Attributes:
        names: the series.
        is_cut: bool (R,), the series has frames in later parts too. Else it is too short to have moments of its own.
        rows: int64 (R,), frames of the fit part.
        own: arrays (R, F).
        pooled: arrays (F,). Its deviation includes that between series, so that a new series scales sanely.
    """

    names: tuple[str, ...]
    is_cut: Bools
    rows: Int64s
    own: Moments
    pooled: Moments

    @property
    def known(self) -> Bools:
        """Mask of the sensors with a level of their own in each series, bool (R, F)."""
        known: Bools = self.own.count >= np.minimum(FEWEST, self.rows)[:, None]
        return known

    @property
    def moving(self) -> Bools:
        """Mask of the sensors with a deviation of their own in each series, bool (R, F)."""
        return self.known & (self.own.deviation > 0)

    def table(self) -> ScaleTable:
        """The scale table, with the pooled row.

        A series too short to be cut, and a sensor without values in a series, get the pooled values. A sensor that
        stands still in a series gets the median deviation of the other series. One that moves in no series gets a unit
        by its value.
        """
        known, moving = self.known & self.is_cut[:, None], self.moving & self.is_cut[:, None]
        scale = np.where(moving, self.own.deviation, np.where(known, self._usual(), self.pooled.deviation))
        scale = np.vstack([scale, self.pooled.deviation])
        mean = np.vstack([np.where(known, self.own.mean, self.pooled.mean), self.pooled.mean])
        return ScaleTable(
            names=(*self.names, POOLED),
            mean=mean,
            scale=np.where(scale > 0, scale, unit_at_rest(mean)),
            rows=np.append(self.rows, self.rows.sum()),
            wild=np.vstack([self.own.wild, self.pooled.wild]),
            borrowed=np.vstack([~moving, self.pooled.deviation == 0]),
        )

    def _usual(self) -> Float64s:
        """Median deviation of each sensor over the series where it moves, float64 (F,); 0 where it moves in none."""
        usual = np.zeros(self.moving.shape[1])
        for sensor in np.flatnonzero(self.moving.any(axis=0)).tolist():
            usual[sensor] = np.median(self.own.deviation[self.moving[:, sensor], sensor])
        return usual


def unit_at_rest(value: Float64s) -> Float64s:
    """Units of sensors that always have this value: half of it, at most 1; 1 for 0.

    A switch or command that moves from 0 to 1 counts as one deviation. A set point of 0.02 moves visibly to 0.03.
    """
    size = AT_REST * np.abs(value)
    return np.where(size > 0, np.minimum(size, 1.0), 1.0)


def fit_moments(framed: FramedHistory, part: UInt8s) -> FitMoments:
    """Computes the moments of each series on its fit part.

    Args:
        part: uint8 (T,), `Part`.
    """
    usable = framed.fitted(part)
    values, runs = framed.values[usable], Segments(framed.series[usable])
    own = [moments(values[start:end]) for _, start, end in runs]
    return FitMoments(
        names=tuple(framed.names[series] for series in runs.series.tolist()),
        is_cut=np.isin(runs.series, framed.series[part == Part.CALIBRATE]),
        rows=runs.length.astype(np.int64),
        own=Moments(*(np.array(column) for column in zip(*(of.columns for of in own), strict=True))),
        pooled=moments(values),
    )


def scaled_frames(framed: FramedHistory, table: ScaleTable, policy: FramePolicy) -> Float32s:
    """Scales all frames: float32 (T, F), C-contiguous, masked values 0.

    Goes series by series: a float64 copy of all frames would be large.
    """
    frames = np.empty(framed.values.shape, np.float32)
    for series, start, end in Segments(framed.series):
        row = table.row(framed.names[series])
        frames[start:end] = scaled(framed.values[start:end], table.mean[row], table.scale[row], policy)
    return frames


def within(frames: Float32s, clip: float) -> Float32s:
    """The frames as the model sees them in training, limited to +-clip."""
    if not frames.size or (frames.max() <= clip and frames.min() >= -clip):
        return frames
    limited: Float32s = np.clip(frames, -clip, clip)
    return limited
