"""Stillness: the view of a sensor that has stopped moving, whose errors may be smaller than ever.

The path of a sensor is the sum of its steps from frame to frame. A sensor is still if its newest steps are shorter
than ever in training. A sensor that is exactly still for long in training, too, is not judged.
"""

import msgspec
import numpy as np

from stream.detect.forms.odd_sensors import LEAST, MOST, OddSensors
from stream.detect.model.reduction import tree_sum
from stream.detect.policy import STILL
from stream.errors import ShapeError
from stream.intake.columns import Bools, Float32s, Int64s

SPANS = (8, 16)  # newest steps
LATEST = 4  # each of these steps alone rules most sensors out
# A sensor is still where its path is at most this part of the lowest in training.
PART = 0.03


class Paths(msgspec.Struct, frozen=True):
    """The paths of the sensors in training. Bundles of earlier versions have a `unit`, too, which has no effect.

    Attributes:
        lowest: for each of `SPANS`, the shortest path of each sensor, scaled; 0: stillness is usual, it is not judged.
    """

    lowest: tuple[tuple[float, ...], ...]


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

    def of(self, frames: Float32s, ends: Int64s, masked: Bools | None = None) -> OddSensors:
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
        view = np.full(int(still.sum()), STILL, np.int8)
        return OddSensors(rows[still], sensors[still], score[still], view)

    def _candidates(self, frames: Float32s, ends: Int64s) -> tuple[Int64s, Int64s]:
        """Windows and sensors, int64 (n,) each, with latest steps that are short enough; few, and soon found."""
        newest, before = (frames.take(ends - age, axis=0) for age in (0, 1))
        rows, sensors = np.nonzero(np.abs(np.subtract(newest, before, out=newest), out=newest) <= self._longest)
        for age in range(1, LATEST):
            at = ends[rows] - age
            short = np.abs(frames[at, sensors] - frames[at - 1, sensors]) <= self._longest[sensors]
            rows, sensors = rows[short], sensors[short]
        return rows, sensors
