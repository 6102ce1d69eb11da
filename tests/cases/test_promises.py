"""Ten minutes of readings, one a second, cannot promise one alert a week. They promise what they can."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.cases.conftest import QUICK
from tests.support.commands import Narrows


def pulse(rows: int, seed: int, start: str) -> pd.DataFrame:
    """Two leads of a pulse of some 20 readings, of uneven length and height."""
    draw = np.random.default_rng(seed)
    phase = np.cumsum(0.3 + 0.02 * draw.standard_normal(rows))
    height = 1.0 + 0.1 * np.sin(phase / 9)
    noise = 0.05 * draw.standard_normal((rows, 2))
    return pd.DataFrame(
        {
            "time": pd.date_range(start, periods=rows, freq="s", tz="UTC"),
            "first": height * np.sin(phase) ** 3 + noise[:, 0],
            "second": height * np.cos(phase) + noise[:, 1],
        }
    )


@pytest.fixture
def history(tmp_path: Path) -> str:
    pulse(600, 0, "2026-03-02").to_parquet(tmp_path / "history.parquet", index=False)
    live = pulse(600, 1, "2026-03-03").assign(anomaly=0)
    live.loc[300:330, ["first", "second"]] *= [-1.5, 1.5]
    live.loc[300:330, "anomaly"] = 1
    live.to_parquet(tmp_path / "live.parquet", index=False)
    return str(tmp_path / "history.parquet")


def test_the_promise_that_ten_minutes_support_is_said_kept_and_compared_with(narrows: Narrows, history: str) -> None:
    trained = narrows("train", "--data", history, "--json", *QUICK)
    assert trained.code == 0
    threshold = trained.data["threshold"]
    supported, (low, high) = threshold["supported"], threshold["likely"]
    assert (threshold["promised"], supported) == (1.0, pytest.approx(1.0 / threshold["weeks"]))
    assert low < supported < high
    (said,) = (line for line in trained.err.splitlines() if "series-weeks of normal data are too short" in line)
    assert said.startswith("warning: ")
    assert f"`threshold.alerts_per_week: {supported:.4g}`" in said
    evaluated = narrows("evaluate", "--data", "live.parquet", "--json")
    assert evaluated.code == 0
    assert evaluated.data["promise"]["promised_per_week"] == supported
    assert evaluated.data["promise"]["per_week"] <= high
    assert narrows("replay", "--data", "live.parquet", "--json").lines[0]["state"] == "opened", "faults open alerts"


def test_strict_refuses_the_same_history_and_says_how_much_would_do(narrows: Narrows, history: str) -> None:
    refused = narrows("train", "--data", history, *QUICK, "--set", "threshold.strict=true")
    assert refused.code == 1
    assert "cannot support the promise of 1 (budget); 2.3 would" in refused.err
