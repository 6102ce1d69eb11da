"""Volumes under the range-aware ROC and precision-recall surfaces: VUS-ROC and VUS-PR.

Neither detectors nor labels are exact to the frame. So frames within a buffer before and after an event count in part,
less with their distance. The areas under the curves are averaged over buffers from 0 up.
"""

from dataclasses import dataclass

import numpy as np

from stream.intake.columns import Bools, Float64s, Int64s
from training.metrics.frames import alike, comparable, runs

THRESHOLDS = 250
FAR = np.iinfo(np.int64).max // 4


@dataclass(frozen=True)
class Volume:
    """Means over buffers 0 to `buffer` frames; 1 at best. None where all labels are alike."""

    vus_roc: float | None
    vus_pr: float | None
    buffer: int


def vus(score: Float64s, labels: Bools, buffer: int) -> Volume:
    """Computes the volume under the surface for the frames of one series.

    Time grows with T and with buffer^2, and little with the number of events; memory grows with T.

    Args:
        score: float64 (T,), >= 0, NaN where a frame has none: it counts as 0, the lowest.
        labels: bool (T,)
        buffer: L, frames, >= 0: `strongest_period` of the first sensor.

    Raises:
        DataError: scores and labels are not of the same frames.

    Source: Paparrizos et al. (2022), PVLDB 15(11), 2774, in the form of TSB-AD 1.5.
    There are 250 thresholds at equal steps of rank. Precision is relative to the alarmed frames. Recall is relative to
    the mean of the labels with and without the buffers that were hit, times the share of (merged) events hit.
    """
    alarm = _first_alarm(comparable(score, labels))
    if alike(labels):
        return Volume(None, None, buffer)
    hits, existence = _surface(alarm, labels, buffer)  # both (L + 1, THRESHOLDS)
    alarms = _cumulated(alarm)  # (THRESHOLDS,) frames alarmed
    events = labels.sum()
    in_buffers = hits - _cumulated(alarm[labels])
    positives = events + in_buffers / 2
    recall = np.minimum(hits / positives, 1) * existence
    fall_out = (alarms - hits) / (len(labels) - positives)
    recall, fall_out = _from_none(recall), _from_none(fall_out)  # (L + 1, 1 + THRESHOLDS)
    precise = (np.diff(recall) * hits / alarms).sum(axis=1)
    recall, fall_out = _to_all(recall), _to_all(fall_out)  # (L + 1, 1 + THRESHOLDS + 1)
    ranked = (np.diff(fall_out) * (recall[:, 1:] + recall[:, :-1]) / 2).sum(axis=1)
    return Volume(float(ranked.mean()), float(precise.mean()), buffer)


def _first_alarm(score: Float64s) -> Int64s:
    """int64 (T,), 0 to THRESHOLDS - 1: first of the falling thresholds that the score reaches."""
    places = np.linspace(0, len(score) - 1, THRESHOLDS).astype(np.int64)
    thresholds = np.sort(score)[::-1][places]
    return np.searchsorted(-thresholds, -score).astype(np.int64)


def _surface(alarm: Int64s, labels: Bools, buffer: int) -> tuple[Float64s, Float64s]:
    """Labels hit (frames of buffers count in part) and share of events hit: float64 (L + 1, THRESHOLDS) each."""
    spans = runs(labels)
    outside = np.flatnonzero(~labels)
    near, second = _distances(outside, spans)
    close = near <= buffer // 2
    near, second, beside = near[close], second[close], alarm[outside[close]]
    inside = _cumulated(alarm[labels])
    hits, existence = np.empty((2, buffer + 1, THRESHOLDS))
    for reach in range(buffer // 2 + 1):
        once = (near <= reach) & (second > reach)
        shared = _cumulated(beside[second <= reach])
        single = _by_distance(near[once], beside[once], reach)  # (reach + 1, THRESHOLDS)
        found = _share_found(alarm, spans, reach)
        for width in range(2 * reach, min(2 * reach + 1, buffer) + 1):
            weight = np.sqrt(1 - np.arange(reach + 1) / max(width, 1))
            hits[width] = inside + shared + weight @ single
            existence[width] = found
    return hits, existence


def _distances(rows: Int64s, spans: Int64s) -> tuple[Int64s, Int64s]:
    """Frames to the nearest end of an event on either side, and to the second nearest.

    A frame in the buffers of two events counts in full: each gives it more than a half.
    """
    before, beyond = np.full(2, -FAR), np.full(2, FAR)
    first = np.concatenate([before, spans[:, 0], beyond])
    last = np.concatenate([before, spans[:, 1] - 1, beyond])
    after = np.searchsorted(last, rows)  # the next event
    ends, starts = rows - last[[after - 1, after - 2]], first[[after, after + 1]] - rows
    nearest = np.sort(np.concatenate([ends, starts]), axis=0)
    return nearest[0], nearest[1]


def _by_distance(near: Int64s, alarm: Int64s, reach: int) -> Float64s:
    """float64 (reach + 1, THRESHOLDS): alarmed frames at each distance, by threshold."""
    cells = np.bincount(near * THRESHOLDS + alarm, minlength=(reach + 1) * THRESHOLDS)
    return np.cumsum(cells.reshape(reach + 1, THRESHOLDS), axis=1, dtype=np.float64)


def _share_found(alarm: Int64s, spans: Int64s, reach: int) -> Float64s:
    """float64 (THRESHOLDS,): share of events that an alarm hits. Events whose buffers overlap count as one."""
    starts, ends = spans[:, 0] - reach, spans[:, 1] + reach
    apart = ends[:-1] <= starts[1:]
    starts, ends = starts[np.append(True, apart)], ends[np.append(apart, True)]
    borders = np.clip(np.column_stack([starts, ends]), 0, len(alarm)).ravel()
    earliest = np.minimum.reduceat(np.append(alarm, THRESHOLDS), borders)[::2]
    return _cumulated(earliest) / len(earliest)


def _cumulated(alarm: Int64s) -> Float64s:
    """float64 (THRESHOLDS,): number of these that are alarmed at each threshold."""
    return np.cumsum(np.bincount(alarm, minlength=THRESHOLDS), dtype=np.float64)


def _from_none(curve: Float64s) -> Float64s:
    return np.pad(curve, ((0, 0), (1, 0)))


def _to_all(curve: Float64s) -> Float64s:
    return np.pad(curve, ((0, 0), (0, 1)), constant_values=1)
