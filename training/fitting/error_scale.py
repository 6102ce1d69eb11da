"""Usual error of each sensor on normal data that the weights have not seen: the unit of its error."""

import numpy as np

from stream.detect.model.ensemble import Ensemble
from stream.detect.slots import Segments
from stream.intake.columns import Bools, Float32s, Float64s, Int32s, Int64s

# Share of the median sensor's scale. A sensor that was constant in training must not outweigh all others.
LEAST_SHARE = 1e-3
# Squared scaled units: a thousandth of a standard deviation. Reconstruction in float32 is hardly more precise.
LEAST = 1e-6
AT_ONCE = 8192  # windows


def error_scales(ensemble: Ensemble, frames: Float32s, masked: Bools | None, ends: Int64s, series: Int32s) -> Float64s:
    """Computes the usual error of each sensor: mean over windows, then the median over members and over series.

    Medians, so that one bad member or series does not decide for all.

    Args:
        ensemble: its errors are not scaled yet.
        frames: float32 (P, F), C-contiguous, scaled; masked cells hold 0.
        masked: bool (P, F), or None.
        ends: int64 (N,), held-out normal windows, by the row of their newest frame; N >= 1.
        series: int32 (N,), of each window, sorted.

    Returns:
        float64 (F,), > 0, in the units of the loss. The median sensor's where one is always masked.
    """
    return _floored(np.median(_usual(ensemble, frames, masked, ends, series), axis=1))


def member_error_scales(
    ensemble: Ensemble, frames: Float32s, masked: Bools | None, ends: Int64s, series: Int32s
) -> Float64s:
    """Computes the usual error of each sensor for each member: float64 (K, F). Arguments as in `error_scales`."""
    usual = _usual(ensemble, frames, masked, ends, series)
    return np.stack([_floored(usual[:, member]) for member in range(usual.shape[1])])


def _usual(ensemble: Ensemble, frames: Float32s, masked: Bools | None, ends: Int64s, series: Int32s) -> Float64s:
    """Mean error of each series, member and sensor, float64 (S, K, F). NaN: masked in all windows."""
    return np.stack([_means(ensemble, frames, masked, ends[start:end]) for _, start, end in Segments(series)])


def _means(ensemble: Ensemble, frames: Float32s, masked: Bools | None, ends: Int64s) -> Float64s:
    """Mean error over these windows, float64 (K, F)."""
    total, count = np.zeros((2, ensemble.spec.members, ensemble.spec.sensors))
    for first in range(0, len(ends), AT_ONCE):
        errors = ensemble.errors(frames, ends[first : first + AT_ONCE], masked).by_sensor  # (K, F, n)
        total += np.nansum(errors, axis=2, dtype=np.float64)
        count += np.isfinite(errors).sum(axis=2)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def _floored(own: Float64s) -> Float64s:
    """Median over series of their errors (S, F), at least `LEAST`: float64 (F,)."""
    known = ~np.isnan(own).all(axis=0)
    usual = np.full(own.shape[1], np.nan)
    usual[known] = np.nanmedian(own[:, known], axis=0)
    middle = float(np.median(usual[known])) if known.any() else LEAST
    scale: Float64s = np.where(known, np.maximum(usual, LEAST_SHARE * middle), middle)
    return np.maximum(scale, LEAST)
