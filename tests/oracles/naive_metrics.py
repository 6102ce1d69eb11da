"""Slow and obvious versions of the metrics, frame by frame: oracles that import nothing of the product."""

import math
from collections.abc import Sequence
from itertools import pairwise

Spans = list[tuple[int, int]]


def events(labels: Sequence[bool]) -> Spans:
    """First and last frame of each run."""
    found: Spans = []
    for frame, label in enumerate(labels):
        if label and found and found[-1][1] == frame - 1:
            found[-1] = (found[-1][0], frame)
        elif label:
            found.append((frame, frame))
    return found


def auc_roc(score: Sequence[float], labels: Sequence[bool]) -> float:
    """Share of pairs of a labelled and a normal frame that the score orders correctly; a tie counts half."""
    pairs = [
        (s, t) for s, a in zip(score, labels, strict=True) if a for t, b in zip(score, labels, strict=True) if not b
    ]
    return sum((s > t) + (s == t) / 2 for s, t in pairs) / len(pairs)


def auc_pr(score: Sequence[float], labels: Sequence[bool]) -> float:
    """Precision at each threshold, weighted by the recall that it adds."""
    total, area, before = sum(labels), 0.0, 0.0
    for threshold in sorted(set(score), reverse=True):
        alarmed = [label for s, label in zip(score, labels, strict=True) if s >= threshold]
        area += (sum(alarmed) / total - before) * sum(alarmed) / len(alarmed)
        before = sum(alarmed) / total
    return area


def vus(score: Sequence[float], labels: Sequence[bool], buffer: int) -> tuple[float, float]:
    """VUS-ROC and VUS-PR of at most 250 frames, so that every score is a threshold."""
    areas = [_range_areas(score, labels, width) for width in range(buffer + 1)]
    roc, pr = zip(*areas, strict=True)
    return sum(roc) / len(roc), sum(pr) / len(pr)


def _range_areas(score: Sequence[float], labels: Sequence[bool], width: int) -> tuple[float, float]:
    spans, frames = events(labels), range(len(labels))
    soft = [min(1.0, sum(_part(frame, span, width) for span in spans)) for frame in frames]
    regions = _regions(spans, width // 2)
    curve = [(0.0, 0.0, 1.0)]  # fall-out, recall, precision
    for threshold in sorted(set(score), reverse=True):
        alarmed = [s >= threshold for s in score]
        hit = sum(soft[f] for f in frames if alarmed[f])
        reached = sum(labels) + sum(soft[f] for f in frames if alarmed[f] and not labels[f])
        positives = (sum(labels) + reached) / 2
        found = sum(any(alarmed[max(first, 0) : last + 1]) for first, last in regions) / len(regions)
        fall_out = (sum(alarmed) - hit) / (len(labels) - positives)
        curve.append((fall_out, min(hit / positives, 1.0) * found, hit / sum(alarmed)))
    pr = sum((b[1] - a[1]) * b[2] for a, b in pairwise(curve))
    roc = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise([*curve, (1.0, 1.0, 0.0)]))
    return roc, pr


def _part(frame: int, span: tuple[int, int], width: int) -> float:
    """Weight of a frame for an event: 1 inside, less in its buffer."""
    away = max(span[0] - frame, frame - span[1], 0)
    if away == 0:
        return 1.0
    return math.sqrt(1 - away / width) if away <= width // 2 else 0.0


def _regions(spans: Spans, reach: int) -> Spans:
    """Events with their buffers; those that share a frame are merged."""
    merged: Spans = []
    for first, last in spans:
        if merged and first - reach <= merged[-1][1]:
            merged[-1] = (merged[-1][0], last + reach)
        else:
            merged.append((first - reach, last + reach))
    return merged


def nab(
    series: Sequence[tuple[Sequence[float], Sequence[bool]]], threshold: float, false: float, missed: float
) -> float:
    """NAB's score before normalisation, row by row, by the first detection of each window."""
    total = 0.0
    for score, labels in series:
        probation = min(math.floor(0.15 * len(score)), 750)
        spans = events(labels)
        for first, last in spans:
            rows = range(max(first, probation), last + 1)
            hits = [row for row in rows if score[row] >= threshold]
            if hits:
                total += _sigmoid((hits[0] - last - 1) / (last - first + 1)) / _sigmoid(-1.0)
            elif len(rows):
                total -= missed
        for row in range(probation, len(score)):
            if score[row] >= threshold and not labels[row]:
                before = [span for span in spans if span[1] < row]
                total += false * (_behind(row, *before[-1]) if before else -1.0)
    return total


def _behind(row: int, first: int, last: int) -> float:
    away = (row - last) / (last - first) if last > first else math.inf
    return -1.0 if away > 3 else _sigmoid(away)


def _sigmoid(position: float) -> float:
    return 2 / (1 + math.exp(5 * position)) - 1
