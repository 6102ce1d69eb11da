"""Stillness: the view of a sensor that has stopped moving, whose errors may be smaller than ever.

The path of a sensor is the sum of its steps from frame to frame. A sensor is still if its newest steps are shorter
than ever in training, and the rest of its window is longer: it has stopped just now. A sensor that is exactly still for
long in training, too, is not judged.
"""

import msgspec
import numpy as np

from stream.detect.model.reduction import tree_sum
from stream.errors import ShapeError
from stream.intake.columns import Bools, Float32s, Int64s

SPANS = (8, 16)  # newest steps
LATEST = 4  # of these: their path alone rules most sensors out
# A path of 0 is a stillness of 1 / (SHARE * BOUNDARY) = 2.5; one of 0.075 of the lowest in training is 1, the least.
SHARE, BOUNDARY = 0.05, 8.0
LONGER = 1e-6  # scaled units by which the rest of the window is longer


class Paths(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The paths of the sensors in training, and what stillness counts as.

    Attributes:
        lowest: for each of `SPANS`, the shortest path of each sensor, scaled; 0: stillness is usual, it is not judged.
        unit: error that a stillness of 1 counts as, > 0.
    """

    lowest: tuple[tuple[float, ...], ...]
    unit: float


class Stillness:
    """Computes the stillness of windows, to the bit whatever the others are.

    Args:
        window, sensors: W, more than the shortest of `SPANS` and one, and F.

    Raises:
        ShapeError: paths of another shape, or a shorter window.
    """

    def __init__(self, paths: Paths, window: int, sensors: int) -> None:
        if np.shape(paths.lowest) != (len(SPANS), sensors) or window <= SPANS[0] + 1:
            raise ShapeError(f"paths: seen {np.shape(paths.lowest)} for a window of {window}; train again")
        self._lowest = np.array(paths.lowest, np.float32)  # (2, F)
        self._unit, self._window, self._sensors = np.float32(paths.unit), window, sensors
        least = self._lowest.max(axis=0)[:, None] * np.float32(1 / BOUNDARY - SHARE)
        self._longest = np.where(least > 0, least, np.float32(-1.0))

    def candidates(self, observed: Float32s) -> tuple[Int64s, Int64s]:
        """Sensors and rows, int64 (n,) each, in which the latest steps are short enough; few, and soon found.

        Args:
            observed: float32 (W * F, rows), scaled.
        """
        size = LATEST * self._sensors
        steps = np.subtract(observed[-size:], observed[-size - self._sensors : -self._sensors])
        np.abs(steps, out=steps)
        path = tree_sum(steps.reshape(1, LATEST, self._sensors, -1))[0]
        sensors, rows = np.nonzero(path <= self._longest)
        return sensors, rows

    def of(self, frames: Float32s, ends: Int64s, masked: Bools | None, sensors: Int64s) -> Float32s:
        """Stillness of n sensors in a window each, as an error, float32 (n,); 0: below the least.

        Args:
            frames, ends, masked: as in `Ensemble.errors`, with one window for each of `sensors`.
            sensors: int64 (n,).
        """
        cells = ends + np.arange(1 - self._window, 1)[:, None], sensors  # (W, n)
        steps, found = np.abs(np.diff(frames[cells], axis=0))[None], np.zeros(len(ends), np.float32)
        for span, lowest in zip(SPANS, self._lowest[:, sensors], strict=True):
            if span < self._window - 1:
                path, rest = (tree_sum(part.copy())[0] for part in (steps[:, -span:], steps[:, :-span]))
                with np.errstate(divide="ignore", invalid="ignore"):  # not judged over this span
                    stillness = lowest / (path + SHARE * lowest) / np.float32(BOUNDARY)
                is_still = (stillness >= 1) & (rest > path + LONGER) & (lowest > 0)
                found = np.maximum(found, np.where(is_still, stillness * self._unit, np.float32(0)))
        if masked is not None:
            found[masked[cells].any(axis=0)] = 0
        return found
