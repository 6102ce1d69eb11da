"""How well a score ranks labelled frames above others, beside a floor that knows no more than mean and spread.

Causal, frame by frame, without point adjustment; the same frames for both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from tests.real_data.cases import Asset, labels_of, times_of

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ranking:
    """Area under the ROC and the precision-recall curve, mean over series, with their share of labelled frames.

    Random scores have 0.5 and `labelled`.
    """

    auc_roc: float
    auc_pr: float
    labelled: float


@dataclass(frozen=True)
class Ranked:
    """Ours and the floor, over all frames (a frame without a score counts as 0), and over scored frames alone."""

    score: Ranking
    floor: Ranking
    score_scored: Ranking
    floor_scored: Ranking


def max_abs_z(asset: Asset) -> Floats:
    """(T,) of the live rows: the largest distance of any sensor from its mean in the history, in its deviations."""
    history = asset.values(asset.history)
    spread = history.std(axis=0)
    z = (asset.values(asset.live) - history.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    largest: Floats = np.abs(z).max(axis=1)
    return largest


def frames_of(asset: Asset, verdicts: pd.DataFrame) -> pd.DataFrame:
    """Frames of a series with columns score (NaN where there is none), floor, label.

    A frame is made of the first row of its time; a later row of the same time is a duplicate.
    """
    rows = pd.DataFrame({"time": times_of(asset.live), "floor": max_abs_z(asset), "label": labels_of(asset.live)})
    mine = verdicts.loc[verdicts["series"] == asset.series, ["time", "score"]]
    return mine.merge(rows.drop_duplicates("time"), on="time", how="left", validate="one_to_one")


def rank(assets: Sequence[Asset], scores: Path) -> Ranked:
    """Reads what `narrows replay --scores` wrote of the live rows of these assets."""
    verdicts = pq.read_table(scores, columns=["series", "time", "score"]).to_pandas()
    verdicts["time"] = verdicts["time"].astype("int64")
    verdicts["series"] = verdicts["series"].astype(str)
    frames = [frames_of(asset, verdicts) for asset in assets]
    scored = [frame[frame["score"].notna()] for frame in frames]
    return Ranked(_mean(frames, "score"), _mean(frames, "floor"), _mean(scored, "score"), _mean(scored, "floor"))


def _mean(frames: Sequence[pd.DataFrame], column: str) -> Ranking:
    each = [
        (
            roc_auc_score(frame["label"], frame[column].fillna(0.0)),
            average_precision_score(frame["label"], frame[column].fillna(0.0)),
            frame["label"].mean(),
        )
        for frame in frames
    ]
    roc, pr, labelled = np.mean(each, axis=0).tolist()
    return Ranking(roc, pr, labelled)
