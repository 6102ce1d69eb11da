"""Ranking of labelled frames above others: areas under the ROC and the precision-recall curve."""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from stream.intake.columns import Bools, Float64s
from training.metrics.frames import alike, comparable


@dataclass(frozen=True)
class Ranking:
    """Areas over all thresholds, frame by frame.

    Attributes:
        auc_roc: area under the ROC curve; random scores have 0.5. None where all labels are alike.
        auc_pr: average precision; random scores have `labelled`. None where all labels are alike.
        labelled: share of frames that are labelled.
        unscored: number of frames without a score, counted as 0, the lowest.
    """

    auc_roc: float | None
    auc_pr: float | None
    labelled: float
    unscored: int


def rank(score: Float64s, labels: Bools) -> Ranking:
    """Ranks the frames of one series.

    Args:
        score: float64 (T,), >= 0, NaN where a frame has none.
        labels: bool (T,)

    Raises:
        DataError: scores and labels are not of the same frames.
    """
    ordered, share, unscored = comparable(score, labels), float(labels.mean()), int(np.isnan(score).sum())
    if alike(labels):
        return Ranking(None, None, share, unscored)
    roc, pr = roc_auc_score(labels, ordered), average_precision_score(labels, ordered)
    return Ranking(float(roc), float(pr), share, unscored)
