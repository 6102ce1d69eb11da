"""Odd sensors: pairs of a window and a sensor whose form is odd, though its error may be small.

Their score is a little above 1: it opens an incident, yet ranks behind large errors. It counts as a level of as many
trained thresholds, so a level that has become usual covers it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stream.detect.frames.frames import Frames
from stream.detect.policy import STILL
from stream.intake.columns import Float64s, Int8s, Int64s

# The scores at the limit of a view, and infinitely far from it.
LEAST, MOST = 1.05, 1.25


@dataclass(frozen=True, slots=True)
class OddSensors:
    """Odd sensors in N windows: n pairs of a window and a sensor, mostly none.

    Attributes:
        rows, sensors: int64 (n,).
        score: float64 (n,), above 1 for the oddest sensor of a window.
        view: int8 (n,), the view that finds it odd, a place in `VIEWS`.
    """

    rows: Int64s
    sensors: Int64s
    score: Float64s
    view: Int8s

    @classmethod
    def joined(cls, parts: Sequence["OddSensors"]) -> "OddSensors":
        """The pairs of all parts; none of no part."""
        none = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int8)
        columns = zip(none, *((part.rows, part.sensors, part.score, part.view) for part in parts), strict=True)
        return cls(*(np.concatenate(column) for column in columns))

    def scores(self, count: int) -> tuple[Float64s, Int8s]:
        """The score of each of `count` windows, that of its oddest sensor, and the view that gives it.

        Returns:
            float64 (count,), 0 without an odd sensor. int8 (count,), -1 without.
        """
        largest, view = np.zeros(count), np.full(count, -1, np.int8)
        if len(self.rows):
            np.maximum.at(largest, self.rows, self.score)
            gives = self.score == largest[self.rows]
            view[self.rows[gives][::-1]] = self.view[gives][::-1]  # of equal ones, that of the first
        return largest, view

    def alive(self, frames: Frames, windows: Int64s) -> Frames:
        """The frames, without the values of sensors that repeat them to the bit for as long as stillness looks back.

        Args:
            windows: int64 (N,), the frame at which each window ends.
        """
        frozen = (self.view == STILL) & (self.score >= MOST)
        if not frozen.any():
            return frames
        values = frames.values.copy()
        values[windows[self.rows[frozen]], self.sensors[frozen]] = np.nan
        return replace(frames, values=values)

    def by_sensor(self, row: int, view: int, sensors: int) -> Float64s:
        """Score of each of F sensors in a window and a view, float64 (F,); 0: it is not odd."""
        score, here = np.zeros(sensors), (self.rows == row) & (self.view == view)
        score[self.sensors[here]] = self.score[here]
        return score
