"""The score of the Numenta Anomaly Benchmark: early detections inside labelled windows against false alarms.

A run of labelled rows is a window.

- The earliest detection in a window is worth 1 at the left edge and nearly 0 at the right one.
- Every detection outside of windows costs, most of all far behind a window.
- Every window without a detection costs.

The first rows of each series are probation, in which nothing counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from stream.errors import DataError
from stream.intake.columns import Bools, Float64s, Int64s
from training.metrics.frames import comparable, runs

PROBATION = 0.15
PROBATION_ROWS = 750
STEEPNESS = 5.0
# Distance behind a window, in widths of it, from which on a detection costs most.
FAR_BEHIND = 3.0
OUTSIDE = -1


@dataclass(frozen=True)
class Profile:
    """Costs of a false detection (at most) and of a missed window; a window detected at once gives 1."""

    name: str
    false_positive: float
    false_negative: float


STANDARD = Profile("standard", 0.11, 1.0)
LOW_FP = Profile("low FP", 0.22, 1.0)
LOW_FN = Profile("low FN", 0.11, 2.0)
PROFILES = (STANDARD, LOW_FP, LOW_FN)


@dataclass(frozen=True)
class Corpus:
    """The n rows after probation of all series of a benchmark.

    Attributes:
        score: float64 (n,).
        worth: float64 (n,), value of a detection: 1 to 0 inside a window, 0 to -1 outside.
        window: int64 (n,), 0 to windows - 1, or OUTSIDE.
        windows: number of windows with at least one row after probation.
    """

    score: Float64s
    worth: Float64s
    window: Int64s
    windows: int


@dataclass(frozen=True)
class NabScore:
    """Score of all detections.

    Attributes:
        normalised: 0 for no detection at all; 100 if every window is detected at its first row, and nothing else. It
            can be far below 0. None where there are no windows.
        raw: the sum that is normalised.
        threshold: rows with score >= threshold are detected; infinite where none is.
        windows: number of windows.
        found: number of windows with a detection.
        false: number of rows detected outside of windows.
    """

    normalised: float | None
    raw: float
    threshold: float
    windows: int
    found: int
    false: int


def corpus(series: Iterable[tuple[Float64s, Bools]]) -> Corpus:
    """Makes the rows of a corpus from scores and labels of every series.

    Args:
        series: score float64 (T,), >= 0, NaN (counted as 0) where a row has none; labels bool (T,).

    Raises:
        DataError: there is no series, or scores and labels are not of the same rows.

    Source: Lavin and Ahmad (2015), ICMLA, in the form of NAB 1.1. It departs from the source in two points. A window
    that lies in probation as a whole is left out; NAB's own data have none. Behind a window of a single row a detection
    costs most; there NAB divides by 0.
    """
    parts, windows = [], 0
    for score, labels in series:
        ordered, spans = comparable(score, labels), runs(labels)
        probation = min(int(PROBATION * len(score)), PROBATION_ROWS)
        worth, window = _worth(np.arange(probation, len(score)), spans)
        before = int((spans[:, 1] <= probation).sum())  # windows that end in probation
        number = np.where(window == OUTSIDE, OUTSIDE, window - before + windows)
        parts.append((ordered[probation:], worth, number))
        windows += len(spans) - before
    if not parts:
        raise DataError("a corpus of no series; give at least one")
    score, worth, number = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Corpus(score, worth, number, windows)


def nab(rows: Corpus, threshold: float, profile: Profile) -> NabScore:
    """Computes the score of one threshold for all series: a row is detected where score >= threshold."""
    detected, inside = rows.score >= threshold, rows.window != OUTSIDE
    earliest = np.zeros(rows.windows)  # its worth; 0 where nothing is detected
    hit, false = detected & inside, detected & ~inside
    np.maximum.at(earliest, rows.window[hit], rows.worth[hit])
    found = int(np.count_nonzero(earliest))
    raw = earliest.sum() - profile.false_negative * (rows.windows - found)
    raw += profile.false_positive * rows.worth[false].sum()
    normalised = None
    if rows.windows:
        normalised = float(100 * (raw / rows.windows + profile.false_negative) / (1 + profile.false_negative))
    return NabScore(normalised, float(raw), threshold, rows.windows, found, int(false.sum()))


def best_nab(rows: Corpus, profile: Profile) -> NabScore:
    """Computes the highest score of any one threshold for all series, as published scores are found.

    It knows the labels, so it is an oracle that operation does not have. Of equally good thresholds it takes the
    highest.
    """
    order = np.argsort(-rows.score, kind="stable")
    gain = profile.false_positive * rows.worth[order]
    window = rows.window[order]
    by_window = np.argsort(window, kind="stable")
    for places in np.split(by_window, np.searchsorted(window[by_window], np.arange(rows.windows)))[1:]:
        reached = np.maximum.accumulate(rows.worth[order[places]])
        gain[places] = np.diff(reached, prepend=-profile.false_negative)
    score = rows.score[order]
    lowest_of_tied = np.append(score[1:] != score[:-1], True)
    raw = np.append(0.0, np.cumsum(gain)[lowest_of_tied])
    best = int(np.argmax(raw))
    return nab(rows, float(score[lowest_of_tied][best - 1]) if best else np.inf, profile)


def _worth(rows: Int64s, spans: Int64s) -> tuple[Float64s, Int64s]:
    """Worth of a detection in each of these rows, and the window that holds the row."""
    worth, window = np.full(len(rows), -1.0), np.full(len(rows), OUTSIDE)
    begun = np.searchsorted(spans[:, 0], rows, side="right") - 1  # the last window that begins at or before the row
    known = begun >= 0
    (first, end), row = spans[begun[known]].T, rows[known]
    inside = row < end
    in_window = (row - end) / (end - first)  # -1 at the left edge
    behind = (row - end + 1) / np.maximum(end - first - 1, 1e-9)
    false = np.where(behind > FAR_BEHIND, -1.0, _sigmoid(np.clip(behind, 0.0, FAR_BEHIND)))
    true = _sigmoid(np.minimum(in_window, 0.0)) / _sigmoid(np.array(-1.0))
    worth[known], window[known] = np.where(inside, true, false), np.where(inside, begun[known], OUTSIDE)
    return worth, window


def _sigmoid(position: Float64s) -> Float64s:
    """About 1 at -1, 0 at 0, about -1 at 1."""
    scaled: Float64s = 2.0 / (1.0 + np.exp(STEEPNESS * position)) - 1.0
    return scaled
