"""Scaled units: (value - mean) / scale per series and sensor; those beyond the clip are cut, or grow slowly."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stream.detect.policy import FramePolicy
from stream.errors import ShapeError
from stream.intake.columns import Bools, Float32s, Float64s, Int64s

POOLED = ""
FARTHEST = 1e300  # scaled; its logarithm is finite


@dataclass(frozen=True)
class ScaleTable:
    """Mean and standard deviation of each series on normal data.

    Attributes:
        names: R series; the row `POOLED` serves series that were not in training.
        mean, scale: float64 (R, F), in the sensors' units; scale > 0, by its value where a sensor moves in no series.
        rows: int64 (R,), number of frames behind each row.
        wild: int64 (R, F), values too far from the others, which mean and scale leave out. None: not known.
        borrowed: bool (R, F), the scale is of other series, as the sensor does not move in this one. None: nowhere.
    """

    names: tuple[str, ...]
    mean: Float64s
    scale: Float64s
    rows: Int64s
    wild: Int64s | None = None
    borrowed: Bools | None = None

    def __post_init__(self) -> None:
        shape = (len(self.names), self.mean.shape[-1])
        if POOLED not in self.names or self.mean.shape != shape or self.scale.shape != shape:
            raise ShapeError(
                f"scale table: {len(self.names)} series (pooled row {'there' if POOLED in self.names else 'missing'}), "
                f"mean {self.mean.shape}, scale {self.scale.shape}; expected one row per series and a pooled row"
            )
        if not (np.isfinite(self.mean).all() and np.isfinite(self.scale).all() and (self.scale > 0).all()):
            raise ShapeError("scale table: every mean must be finite and every scale finite and > 0; retrain")

    def row(self, name: str) -> int:
        """The row that serves `name`."""
        return self._row_of.get(name, self._row_of[POOLED])

    @property
    def without_unit(self) -> Bools:
        """Mask of the sensors whose scale is not the spread of their own series, bool (R, F).

        Older bundles give such a sensor the scale 1.
        """
        still: Bools = self.scale == 1.0
        return still if self.borrowed is None else still | self.borrowed

    @cached_property
    def still(self) -> Bools:
        """Mask of the sensors that stood still in the training data of a series, bool (R, F).

        A series too short for a unit of its own has the pooled mean; its sensors may have moved.
        """
        pooled = self.row(POOLED)
        still: Bools = self.without_unit & (self.without_unit[pooled] | (self.mean != self.mean[pooled]))
        return still

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.names)}


def scaled(values: Float64s, mean: Float64s, scale: Float64s, policy: FramePolicy) -> Float32s:
    """float32 (n, F): masked sensors (NaN) become 0, their mean; values beyond the clip as the policy says.

    Args:
        values, mean, scale: float64 (n, F).
    """
    z, clip = (values - mean) / scale, policy.clip
    if policy.beyond_clip == "cut":
        np.clip(z, -clip, clip, out=z)
    elif (beyond := np.abs(z) > clip).any():
        far = z[beyond]
        z[beyond] = np.copysign(clip + np.log(np.fmin(np.abs(far), FARTHEST) / clip), far)
    np.nan_to_num(z, copy=False, nan=0.0)
    return z.astype(np.float32)
