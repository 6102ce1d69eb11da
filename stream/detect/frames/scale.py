"""Scaled units: (value - mean) / scale per series and sensor, limited to +-clip."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stream.errors import ShapeError
from stream.intake.columns import Bools, Float32s, Float64s, Int32s, Int64s

POOLED = ""


@dataclass(frozen=True)
class ScaleTable:
    """Mean and standard deviation of each series on normal data.

    Attributes:
        names: R series; the row `POOLED` serves series that were not in training.
        mean, scale: float64 (R, F), in the sensors' units; scale > 0, 1 for a constant sensor.
        rows: int64 (R,), number of frames behind each row.
    """

    names: tuple[str, ...]
    mean: Float64s
    scale: Float64s
    rows: Int64s

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

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.names)}


def scaled(values: Float64s, mean: Float64s, scale: Float64s, clip: float) -> Float32s:
    """float32 (n, F): masked sensors (NaN) become 0, their mean.

    Args:
        values, mean, scale: float64 (n, F).
    """
    z = (values - mean) / scale
    np.clip(z, -clip, clip, out=z)
    np.nan_to_num(z, copy=False, nan=0.0)
    return z.astype(np.float32)


def fit_scale(names: tuple[str, ...], series: Int32s, values: Float64s, usable: Bools) -> ScaleTable:
    """The scale table of `names` from usable frames, with the pooled row added.

    Args:
        series: int32 (T,), index into `names`.
        values: float64 (T, F), NaN where masked.
        usable: bool (T,), frames that count (the fit part).

    Returns:
        One row per series that has usable frames, and the pooled row: mean and standard deviation of all usable
        frames. The pooled deviation includes that between series, so that a new series scales sanely.
    """
    chosen, of = values[usable], series[usable]
    present = [i for i in range(len(names)) if (of == i).any()]
    rows = [_moments(chosen[of == i]) for i in present] + [_moments(chosen)]
    return ScaleTable(
        names=(*(names[i] for i in present), POOLED),
        mean=np.array([mean for mean, _ in rows]),
        scale=np.array([scale for _, scale in rows]),
        rows=np.array([int((of == i).sum()) for i in present] + [len(chosen)], np.int64),
    )


def _moments(values: Float64s) -> tuple[Float64s, Float64s]:
    """Mean and standard deviation (F,) of the finite values; a sensor without spread has scale 1."""
    finite = np.isfinite(values)
    count = np.maximum(finite.sum(axis=0), 1)
    mean = np.where(finite, values, 0.0).sum(axis=0) / count
    centred = np.where(finite, values - mean, 0.0)
    scale = np.sqrt((centred**2).sum(axis=0) / count)
    # Below this the spread is the rounding error of a constant; dividing by it would make noise.
    flat = scale <= 1e-9 * np.maximum(np.abs(mean), 1e-300)
    return mean, np.where(flat, 1.0, scale)
