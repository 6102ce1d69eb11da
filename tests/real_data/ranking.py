"""Ranking of labelled frames by our score, beside a floor of mean and spread on the same frames.

Both are causal, frame by frame, without point adjustment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from tests.real_data.cases import Asset, labels_of, times_of
from training.metrics.floors import max_abs_z
from training.metrics.ranking import rank


@dataclass(frozen=True)
class Mean:
    """Areas under the ROC and the precision-recall curve, mean over series, with the share of labelled frames.

    Random scores have 0.5 and `labelled`.
    """

    auc_roc: float
    auc_pr: float
    labelled: float


@dataclass(frozen=True)
class RankingFigures:
    """Our score and the floor, over all frames (one without a score counts as 0) and over scored frames only."""

    score: Mean
    floor: Mean
    score_scored: Mean
    floor_scored: Mean


def frames_of(asset: Asset, verdicts: pd.DataFrame) -> pd.DataFrame:
    """Frames of a series with columns score (NaN where there is none), floor, label.

    A frame is made of the first row of its time; a later row of the same time is a duplicate.
    """
    floor = max_abs_z(asset.values(asset.history))(asset.values(asset.live))
    rows = pd.DataFrame({"time": times_of(asset.live), "floor": floor, "label": labels_of(asset.live)})
    mine = verdicts.loc[verdicts["series"] == asset.series, ["time", "score"]]
    return mine.merge(rows.drop_duplicates("time"), on="time", how="left", validate="one_to_one")


def rank_all(assets: Sequence[Asset], scores: Path) -> RankingFigures:
    """Ranks the live rows of these assets by the verdicts that `narrows replay --scores` wrote."""
    verdicts = pq.read_table(scores, columns=["series", "time", "score"]).to_pandas()
    verdicts["time"] = verdicts["time"].astype("int64")
    verdicts["series"] = verdicts["series"].astype(str)
    frames = [frames_of(asset, verdicts) for asset in assets]
    scored = [frame[frame["score"].notna()] for frame in frames]
    return RankingFigures(
        _mean(frames, "score"), _mean(frames, "floor"), _mean(scored, "score"), _mean(scored, "floor")
    )


def _mean(frames: Sequence[pd.DataFrame], column: str) -> Mean:
    """Mean over the series, each of which has labelled and other frames."""
    each = [rank(frame[column].to_numpy(np.float64), frame["label"].to_numpy(np.bool_)) for frame in frames]
    areas = np.array([(one.auc_roc, one.auc_pr, one.labelled) for one in each], np.float64)
    return Mean(*areas.mean(axis=0).tolist())
