"""Units of errors, from normal data that the weights have not seen: each sensor's usual error, and each view's tail."""

from collections.abc import Mapping

import msgspec
import numpy as np
from torch import Tensor

from stream.detect.model.discriminator import split_weights
from stream.detect.model.ensemble import Ensemble
from stream.detect.policy import ModelSpec, View
from stream.detect.slots import Segments
from stream.intake.columns import Bools, Float32s, Float64s, Int32s, Int64s

# Share of the median sensor's scale. A sensor that was constant in training must not outweigh all others.
LEAST_SHARE = 1e-3
# Squared scaled units: a thousandth of a standard deviation. Reconstruction in float32 is hardly more precise.
LEAST = 1e-6
# Quantile of the errors of a view on held-out normal windows, by which views compare.
TAIL = 0.99
AT_ONCE = 8192  # windows


def view_ensemble(
    spec: ModelSpec, weights: Mapping[str, Tensor], view: View, scales: Float64s | None = None
) -> Ensemble:
    """The ensemble with one of its views, whose tail is 1. The discriminator, if any, belongs to the last view."""
    alone = spec.of_view(view)
    return Ensemble(alone, weights if alone.discriminator else split_weights(weights)[0], scales)


def view_scales(
    spec: ModelSpec, weights: Mapping[str, Tensor], frames: Float32s, masked: Bools | None, ends: Int64s, series: Int32s
) -> Float64s:
    """Computes the usual error of each sensor in each view: float64 (V, F). Arguments as in `error_scales`."""
    own = split_weights(weights)[0]
    plain = msgspec.structs.replace(spec, discriminator=0)
    ensembles = [view_ensemble(plain, own, view) for view in spec.views]
    return np.stack([error_scales(ensemble, frames, masked, ends, series) for ensemble in ensembles])


def view_tails(
    spec: ModelSpec,
    weights: Mapping[str, Tensor],
    scales: Float64s,
    frames: Float32s,
    masked: Bools | None,
    ends: Int64s,
) -> Float64s | None:
    """Computes the tail of each view: float64 (V,), > 0; None for one view, which needs none.

    Args:
        scales: float64 (V, F), from `view_scales`.
        frames, masked, ends: as in `error_scales`.
    """
    if len(spec.views) == 1:
        return None
    tails = []
    for view, own in zip(spec.views, scales, strict=True):
        ensemble = view_ensemble(spec, weights, view, own)
        parts = [ends[first : first + AT_ONCE] for first in range(0, len(ends), AT_ONCE)]
        errors = np.concatenate([ensemble.errors(frames, part, masked).error for part in parts])
        tails.append(np.nanquantile(errors, TAIL) if np.isfinite(errors).any() else 1.0)
    return np.maximum(tails, LEAST)


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
