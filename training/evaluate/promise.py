"""Realised beside promised: what a bundle says its threshold does on normal data, and what it did on these rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from stream.detect.incidents.incidents import EXCEEDS
from stream.detect.slots import Segments, last_true
from stream.intake.columns import Bools, Float64s
from stream.registry.manifest import Manifest
from training.data.framing import FramedHistory
from training.metrics.events import EventMetrics

WEEK_DAYS = 7.0
# Points of the curve among the levels that a bundle keeps one by one.
POINTS = 40


@dataclass(frozen=True)
class Promise:
    """What was promised of normal data, and what came of it in frames outside of labelled events and their grace.

    Attributes:
        method: "budget" | "percentile"; None where the bundle does not say, as everything promised then is.
        extrapolated: the bundle's own data could not support the promise.
        promised_share: of frames above the threshold; promised_per_week: alerts per series and week.
        frames: scored normal frames; weeks: normal series-weeks; alerts: those that opened in them.
        share: of these frames above the threshold, per_week: alerts; None where there are none.
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


@dataclass(frozen=True)
class Point:
    """A level, in scales of its series, that a share of calibration levels exceeds; and the share of normal ones here.

    The threshold is one such level: `q`.
    """

    ratio: float
    promised: float
    realised: float


def normal_frames(frames: FramedHistory, grace: int) -> Bools:
    """bool (T,): frames that are not labelled, nor among the `grace` frames after one that is."""
    last = last_true(frames.marked, Segments(frames.series))
    normal: Bools = (last < 0) | (np.arange(len(frames)) - last > grace)
    return normal


def compare_promise(manifest: Manifest, score: Float64s, normal: Bools, found: EventMetrics) -> Promise:
    """What the threshold promised beside what it did.

    Args:
        score: float64 (T,), NaN where a frame has none; normal: bool (T,).
        found: of our incidents, on all series.
    """
    threshold = manifest.threshold
    share = threshold.share_above
    if threshold.method == "percentile" and threshold.promised is not None:
        share = 1 - threshold.promised / 100
    judged = score[normal & ~np.isnan(score)]
    weeks, alerts = found.normal_days / WEEK_DAYS, found.incidents - found.true
    return Promise(
        method=threshold.method,
        extrapolated=threshold.extrapolated,
        promised_share=share,
        promised_per_week=threshold.alerts_per_week,
        frames=len(judged),
        weeks=weeks,
        alerts=alerts,
        share=float((judged > EXCEEDS).mean()) if len(judged) else None,
        per_week=alerts / weeks if weeks else None,
    )


def curve(kept: pa.Table, score: Float64s, normal: Bools, q: float) -> list[Point]:
    """The share of normal levels above, promised and realised, for levels from the median to the largest.

    Args:
        kept: what a bundle keeps of its calibration: `stream.bundle.calibration_levels`.
        q: the threshold, in scales: score * q is a level in scales.
    """
    ratio = np.sort(score[normal & ~np.isnan(score)]) * q
    if not len(ratio):
        return []
    edges = [(value, share) for value, share in _levels_kept(kept) if share <= 0.5]
    above = 1 - np.searchsorted(ratio, [value for value, _ in edges], side="right") / len(ratio)
    return [Point(value, share, float(real)) for (value, share), real in zip(edges, above.tolist(), strict=True)]


def _levels_kept(kept: pa.Table) -> list[tuple[float, float]]:
    """Levels in scales and the share of calibration levels above each, in falling order of the share."""
    ratio, quantile = (kept[name].to_numpy().astype(np.float64) for name in ("ratio", "quantile"))
    gridded = ~np.isnan(quantile)
    grid = [(value, 1 - at) for value, at in zip(ratio[gridded].tolist(), quantile[gridded].tolist(), strict=True)]
    highest = np.sort(ratio[~gridded])[::-1]
    return [*grid, *_highest(highest, grid[-1][1])]


def _highest(highest: Float64s, share: float) -> Sequence[tuple[float, float]]:
    """Of the highest levels, which are that share of all, some: evenly spaced on a logarithmic axis of shares."""
    if len(highest) < 2:
        return []
    places = np.unique(np.geomspace(1, len(highest) - 1, POINTS).astype(np.int64))[::-1]
    return [(float(highest[k]), float(k * share / len(highest))) for k in places.tolist()]
