"""A level that moves for good, through the commands: told once, one alert, and quiet after it."""

from pathlib import Path

import numpy as np
import pandas as pd

from tests.cases.conftest import QUICK
from tests.support.commands import Narrows

HISTORY, NEWER, MOVED = 6000, 4000, 1000


def rows(seed: int, count: int, start: str, noise: float = 0.2) -> pd.DataFrame:
    """Three sensors that follow one wave."""
    draw, at = np.random.default_rng(seed), np.arange(count)
    values = {name: np.sin(at / 48) + noise * draw.standard_normal(count) for name in ("a", "b", "c")}
    return pd.DataFrame({"time": pd.date_range(start, periods=count, freq="1min", tz="UTC"), "series": "m"} | values)


def test_a_level_that_stays_is_one_alert_and_then_the_usual_one(tmp_path: Path, narrows: Narrows) -> None:
    rows(0, HISTORY, "2026-03-02").to_parquet("history.parquet", index=False)
    newer = rows(1, NEWER, "2026-03-09").assign(anomaly=0)
    draw = np.random.default_rng(2)
    newer.loc[MOVED:, "a"] += 3.0 * draw.standard_normal(NEWER - MOVED)
    newer.loc[MOVED : MOVED + 200, "anomaly"] = 1
    newer.to_parquet("newer.parquet", index=False)
    assert narrows("train", "--data", "history.parquet", *QUICK).code == 0
    alerts = narrows("replay", "--data", "newer.parquet", "--json").lines
    usual = [one for one in alerts if one["reason"] == "new_usual"]
    assert [one["state"] for one in usual] == ["resolved"]
    ended = pd.Timestamp(usual[0]["ended_at"])
    later = [one for one in alerts if one["state"] == "opened" and pd.Timestamp(one["started_at"]) > ended]
    assert len(later) <= 3, "the threshold follows"
    evaluated = narrows("evaluate", "--data", "newer.parquet", "--json")
    assert evaluated.code == 0
    assert evaluated.data["detectors"][0]["all"]["events"] == 1
    refused = narrows("recalibrate", "--data", "newer.parquet")
    assert refused.code == 1
    assert "its thresholds go on learning" in refused.err
    assert "`threshold.learn: false`" in refused.err
