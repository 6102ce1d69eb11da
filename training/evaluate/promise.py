"""Compares the promise of a bundle's threshold on normal data with its effect on the evaluated rows."""

from collections.abc import Sequence

import msgspec
import numpy as np
import pyarrow as pa

from stream.detect.incidents.incidents import EXCEEDS
from stream.detect.slots import Segments, last_true
from stream.intake.columns import Bools, Float64s
from stream.registry.manifest import Manifest
from training.data.framing import FramedHistory
from training.metrics.events import EventMetrics

WEEK_DAYS = 7.0
# Points of the curve among the highest levels, which a bundle stores one by one.
POINTS = 40


class PromiseComparison(msgspec.Struct, frozen=True):
    """The promise, and its effect in frames outside of labelled events and their grace.

    Attributes:
        method: "budget" | "percentile"; None where the bundle does not say. Then nothing promised is known.
        extrapolated: the bundle's own data could not support the promise.
        promised_share: promised share of frames above the threshold.
        promised_per_week: promised alerts per series and week.
        frames: scored normal frames.
        weeks: normal series-weeks.
        alerts: alerts that opened in normal frames.
        share: share of `frames` above the threshold; None where there are no frames.
        per_week: `alerts` per series and week; None where there are no weeks.
        in_alarm: share of `frames` during an open alert; None where there are no frames.
    """

    method: str | None
    extrapolated: bool | None
    promised_share: float | None
    promised_per_week: float | None
    frames: int
    weeks: float
    alerts: int
    share: float | None
    per_week: float | None
    in_alarm: float | None


class CurvePoint(msgspec.Struct, frozen=True):
    """Share of normal levels above one level, in calibration and in the evaluated rows.

    Attributes:
        ratio: the level in scales of its series; the threshold is one such level, `q`.
        promised: share of calibration levels above it.
        realised: share of evaluated normal levels above it.
    """

    ratio: float
    promised: float
    realised: float


def normal_frames(frames: FramedHistory, grace: int) -> Bools:
    """Selects frames that are not labelled, nor among the `grace` frames after a labelled one: bool (T,)."""
    last = last_true(frames.marked, Segments(frames.series))
    normal: Bools = (last < 0) | (np.arange(len(frames)) - last > grace)
    return normal


def compare_promise(
    manifest: Manifest, score: Float64s, normal: Bools, in_alarm: Bools, events: EventMetrics
) -> PromiseComparison:
    """Compares the promise of the threshold with its effect.

    Args:
        score: float64 (T,), NaN where a frame has none.
        normal: bool (T,).
        in_alarm: bool (T,), frames during an open incident.
        events: of the bundle's incidents, on all series.
    """
    threshold = manifest.threshold
    share = threshold.share_above
    if threshold.method == "percentile" and threshold.promised is not None:
        share = 1 - threshold.promised / 100
    counted = normal & ~np.isnan(score)
    scored = score[counted]
    weeks, alerts = events.normal_days / WEEK_DAYS, events.incidents - events.true
    return PromiseComparison(
        method=threshold.method,
        extrapolated=threshold.extrapolated,
        promised_share=share,
        promised_per_week=threshold.alerts_per_week,
        frames=len(scored),
        weeks=weeks,
        alerts=alerts,
        share=float((scored > EXCEEDS).mean()) if len(scored) else None,
        per_week=alerts / weeks if weeks else None,
        in_alarm=float(in_alarm[counted].mean()) if len(scored) else None,
    )


def curve(levels: pa.Table, score: Float64s, normal: Bools, q: float) -> list[CurvePoint]:
    """Computes the promised and the realised share of normal levels above each level, from the median up.

    Args:
        levels: the calibration levels that the bundle stores; see `stream.registry.bundle.calibration_levels`.
        score: float64 (T,), NaN where a frame has none.
        normal: bool (T,).
        q: the threshold, in scales: score * q is a level in scales.
    """
    ratio = np.sort(score[normal & ~np.isnan(score)]) * q
    if not len(ratio):
        return []
    edges = [(value, share) for value, share in _stored_levels(levels) if share <= 0.5]
    above = 1 - np.searchsorted(ratio, [value for value, _ in edges], side="right") / len(ratio)
    return [CurvePoint(value, share, float(real)) for (value, share), real in zip(edges, above.tolist(), strict=True)]


def _stored_levels(levels: pa.Table) -> list[tuple[float, float]]:
    """Levels in scales with the share of calibration levels above each, in falling order of the share."""
    ratio, quantile = (levels[name].to_numpy().astype(np.float64) for name in ("ratio", "quantile"))
    gridded = ~np.isnan(quantile)
    grid = [(value, 1 - at) for value, at in zip(ratio[gridded].tolist(), quantile[gridded].tolist(), strict=True)]
    highest = np.sort(ratio[~gridded])[::-1]
    return [*grid, *_highest(highest, grid[-1][1])]


def _highest(highest: Float64s, share: float) -> Sequence[tuple[float, float]]:
    """Thins out the highest levels, a share of all: evenly spaced on a logarithmic axis of shares."""
    if len(highest) < 2:
        return []
    places = np.unique(np.geomspace(1, len(highest) - 1, POINTS).astype(np.int64))[::-1]
    return [(float(highest[k]), float(k * share / len(highest))) for k in places.tolist()]
