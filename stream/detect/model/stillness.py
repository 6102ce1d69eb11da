"""Stillness: the view of a sensor that has stopped moving, whose errors may be smaller than ever.

The path of a sensor is the sum of its steps from frame to frame. A sensor is still if its newest steps are shorter
than ever in training. A sensor that is exactly still for long in training, too, is not judged.

Stillness counts as a level a little above the trained threshold. So it opens an incident, yet ranks behind large
errors, and a level that has become usual covers it.
"""

from dataclasses import dataclass

import msgspec
import numpy as np

from stream.detect.model.reduction import tree_sum
from stream.errors import ShapeError
from stream.intake.columns import Bools, Float32s, Float64s, Int64s

SPANS = (8, 16)  # newest steps
LATEST = 4  # each of these steps alone rules most sensors out
# A sensor is still where its path is at most this part of the lowest in training.
PART = 0.03
# The score at this path, and at a path of 0.
LEAST, MOST = 1.05, 1.25


class Paths(msgspec.Struct, frozen=True):
    """The paths of the sensors in training. Bundles of earlier versions have a `unit`, too, which has no effect.

    Attributes:
        lowest: for each of `SPANS`, the shortest path of each sensor, scaled; 0: stillness is usual, it is not judged.
    """

    lowest: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class StillSensors:
    """Still sensors in N windows: n pairs of a window and a sensor, mostly none.

    Attributes:
        rows, sensors: int64 (n,).
        score: float64 (n,), above 1.
    """

    rows: Int64s
    sensors: Int64s
    score: Float64s

    @classmethod
    def none(cls) -> "StillSensors":
        """No still sensor."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))

    def scores(self, count: int) -> Float64s:
        """Score of each of `count` windows, float64 (count,): that of its stillest sensor, 0 without one."""
        largest = np.zeros(count)
        np.maximum.at(largest, self.rows, self.score)
        return largest

    def by_sensor(self, row: int, sensors: int) -> Float64s:
        """Score of each of F sensors in a window, float64 (F,); 0: it moves."""
        score, here = np.zeros(sensors), self.rows == row
        score[self.sensors[here]] = self.score[here]
        return score


class Stillness:
    """Finds still sensors in windows, to the bit whatever the others are.

    Args:
        window, sensors: W, more than the shortest of `SPANS` and one, and F.

    Raises:
        ShapeError: paths of another shape, or a shorter window.
    """

    def __init__(self, paths: Paths, window: int, sensors: int) -> None:
        if np.shape(paths.lowest) != (len(SPANS), sensors) or window <= SPANS[0] + 1:
            raise ShapeError(f"paths: seen {np.shape(paths.lowest)} for a window of {window}; train again")
        self.paths = paths
        self._lowest = np.array(paths.lowest, np.float32)  # (2, F)
        self._window = window
        longest = self._lowest.max(axis=0) * np.float32(PART)
        self._longest = np.where(longest > 0, longest, np.float32(-1.0))

    def of(self, frames: Float32s, ends: Int64s, masked: Bools | None = None) -> StillSensors:
        """Finds the still sensors of N windows.

        Args:
            frames, ends, masked: as in `Ensemble.errors`.
        """
        rows, sensors = self._candidates(frames, ends)
        score = np.zeros(len(rows))
        for span, lowest in zip(SPANS, self._lowest[:, sensors], strict=True):
            if span < self._window - 1:
                cells = ends[rows] + np.arange(-span, 1)[:, None], sensors  # (span + 1, n)
                path = tree_sum(np.abs(np.diff(frames[cells], axis=0))[None])[0]
                is_still = (path <= PART * lowest) & (lowest > 0)
                if masked is not None:
                    is_still &= ~masked[cells].any(axis=0)
                moved = path[is_still].astype(np.float64) / (PART * lowest[is_still].astype(np.float64))
                score[is_still] = np.maximum(score[is_still], MOST - (MOST - LEAST) * moved)
        still = score > 0
        return StillSensors(rows[still], sensors[still], score[still])

    def _candidates(self, frames: Float32s, ends: Int64s) -> tuple[Int64s, Int64s]:
        """Windows and sensors, int64 (n,) each, with latest steps that are short enough; few, and soon found."""
        newest, before = (frames.take(ends - age, axis=0) for age in (0, 1))
        rows, sensors = np.nonzero(np.abs(np.subtract(newest, before, out=newest), out=newest) <= self._longest)
        for age in range(1, LATEST):
            at = ends[rows] - age
            short = np.abs(frames[at, sensors] - frames[at - 1, sensors]) <= self._longest[sensors]
            rows, sensors = rows[short], sensors[short]
        return rows, sensors
