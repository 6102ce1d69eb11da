"""Scaled units of a history: the scale table of the bundle, and the frames that a model is fitted on."""

import dataclasses

import numpy as np

from stream.detect.frames.scale import POOLED, ScaleTable, fit_scale, scaled
from stream.detect.slots import Segments
from stream.intake.columns import Float32s, UInt8s
from training.data.framing import FramedHistory
from training.data.split import Part


def scale_table(framed: FramedHistory, part: UInt8s) -> ScaleTable:
    """Computes mean and standard deviation of each series on its fit part.

    A series too short to be cut into parts gets the pooled values. The deviation of a few frames is almost 0, and every
    later value would lie far outside.

    Args:
        part: uint8 (T,), `Part`.
    """
    in_fit = (part == Part.FIT) | (part == Part.STOP)
    table = fit_scale(framed.names, framed.series, framed.values, in_fit & framed.normal)
    cut = {framed.names[i] for i in np.unique(framed.series[part == Part.CALIBRATE]).tolist()} | {POOLED}
    short = np.array([name not in cut for name in table.names])[:, None]
    pooled = table.row(POOLED)
    return dataclasses.replace(
        table,
        mean=np.where(short, table.mean[pooled], table.mean),
        scale=np.where(short, table.scale[pooled], table.scale),
    )


def scaled_frames(framed: FramedHistory, table: ScaleTable, clip: float) -> Float32s:
    """Scales all frames: float32 (T, F), C-contiguous, masked values 0.

    Goes series by series: a float64 copy of all frames would be large.
    """
    frames = np.empty(framed.values.shape, np.float32)
    for series, start, end in Segments(framed.series):
        row = table.row(framed.names[series])
        frames[start:end] = scaled(framed.values[start:end], table.mean[row], table.scale[row], clip)
    return frames
