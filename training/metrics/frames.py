"""Scores and labels of the frames of one series in time order: the checks that every metric needs."""

import numpy as np

from stream.errors import DataError
from stream.intake.columns import Bools, Float64s, Int64s


def comparable(score: Float64s, labels: Bools) -> Float64s:
    """float64 (T,): scores that can be ordered. A frame without a score (NaN) counts as 0, the lowest.

    Args:
        score: float64 (T,), >= 0 or NaN.
        labels: bool (T,), true on anomalous frames.

    Raises:
        DataError: there are no frames, labels and scores differ in length, or a score is below 0.
    """
    if score.shape != labels.shape or not len(score):
        raise DataError(f"scores {score.shape} and labels {labels.shape}; give both of each of at least one frame")
    filled: Float64s = np.where(np.isnan(score), 0.0, score)
    if filled.min() < 0:
        raise DataError(f"a score of {filled.min():g}; scores must be >= 0, so that 0 is the lowest")
    return filled


def alike(labels: Bools) -> bool:
    """True if all frames have the same label, so that no order of them is better than another."""
    return bool(labels.all() or not labels.any())


def runs(labels: Bools) -> Int64s:
    """int64 (E, 2): the first frame of each run of labelled frames, and one past its last."""
    edges = np.flatnonzero(np.diff(labels.astype(np.int8), prepend=0, append=0))
    return edges.reshape(-1, 2).astype(np.int64)
