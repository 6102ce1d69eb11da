"""Sampling that differs: the interval suits every sensor, and unlike steps are named with the setting to write."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from tests.cases.conftest import QUICK, MakeCase
from tests.support.commands import Narrows


def test_entities_of_13_97_and_181_seconds_train_on_ticks_that_all_of_them_reach(
    case: MakeCase, narrows: Narrows
) -> None:
    """The step of the fastest one would leave 85 % of the frames degraded. That it stops early is named."""
    trained = narrows("train", "--data", f"{case('c16_weekly')}/ha.parquet", *QUICK, "--json")
    assert trained.code == 0
    assert "sampling: ticks of 3m, last values; a step above 30m is a gap\n" in trained.err
    (account,) = trained.data["accounts"]
    assert account["scored"] > 0.6 * account["frames"]
    assert account["degraded"] < 0.3 * account["frames"]
    assert re.search(r"warning: 2\d% of the frames of 1 series have no score.*'sensor.power' in \d\d%", trained.err)


def test_init_writes_the_tick_and_train_takes_it(case: MakeCase, narrows: Narrows) -> None:
    data = f"{case('c16_weekly')}/ha.parquet"
    assert narrows("init", "--from-file", data).code == 0
    frames = yaml.safe_load(Path("narrows.yaml").read_text())["frames"]
    assert frames == {"resample": "last", "interval": "3m"}
    again = narrows("train", "--data", data, *QUICK)
    assert (again.code, "sampling: ticks of 3m" in again.err) == (0, True)


def test_a_tick_that_leaves_most_frames_degraded_is_refused_before_the_fit(case: MakeCase, narrows: Narrows) -> None:
    refused = narrows("train", "--data", f"{case('c16_weekly')}/ha.parquet", "--set", "frames.interval=13s")
    assert refused.code == 1
    assert "fit:" not in refused.err
    assert re.search(r"by series: 'ha' 6,\d\d\d of 7,\d\d\d;", refused.err)
    assert refused.err.strip().endswith("set `frames.resample: last` and `frames.interval: 3m`")


def test_assets_of_two_rates_are_named_and_the_setting_that_is_written_brings_them_together(
    case: MakeCase, narrows: Narrows
) -> None:
    data = f"{case('c11_series')}/rates.parquet"
    trained = narrows("train", "--data", data, *QUICK, "--json")
    assert trained.code == 0
    assert trained.data["data"]["sampling"].startswith("series report at unlike steps")
    assert (
        "warning: series report at unlike steps ('A' every 1m, 'B' every 10m), so windows of some span more time; set "
        "`frames.resample: mean` and `frames.interval: 10m`"
    ) in trained.err
    assert narrows("init", "--from-file", data).code == 0
    assert yaml.safe_load(Path("narrows.yaml").read_text())["frames"] == {"resample": "mean", "interval": "10m"}
    followed = narrows("train", "--data", data, *QUICK)
    assert "unlike steps" not in followed.err
    assert "sampling: ticks of 10m, mean values" in followed.err


def test_a_gauge_read_in_every_tenth_row_is_named_with_ticks_that_work(narrows: Narrows, tmp_path: Path) -> None:
    rows = 3000
    draw, at = np.random.default_rng(0), np.arange(rows)
    table = pd.DataFrame({"time": pd.date_range("2025-01-01", periods=rows, freq="1min", tz="UTC")})
    table["flow"] = np.sin(at / 50) + 0.1 * draw.normal(size=rows)
    table["temp"] = np.where(at % 10 == 0, np.cos(at / 50) + 0.1 * draw.normal(size=rows), np.nan)
    table.to_parquet(tmp_path / "slow.parquet", index=False)
    trained = narrows("train", "--data", "slow.parquet", *QUICK)
    assert "set `frames.resample: mean` and `frames.interval: 10m`" in trained.err
    followed = narrows(
        "train", "--data", "slow.parquet", *QUICK, "--set", "frames.resample=mean", "--set", "frames.interval=10m"
    )
    assert followed.code == 0
    assert "degraded" not in followed.err


def test_a_gauge_that_writes_a_sentinel_between_its_readings_is_seen_as_often_as_it_reads(
    narrows: Narrows, tmp_path: Path
) -> None:
    rows, draw = 2000, np.random.default_rng(0)
    table = pd.DataFrame({"time": pd.date_range("2025-01-01", periods=rows, freq="1min", tz="UTC")})
    table["flow"] = draw.normal(size=rows)
    table["temp"] = np.where(np.arange(rows) % 10 == 0, draw.normal(size=rows), -9999.0)
    table.to_parquet(tmp_path / "sentinel.parquet", index=False)
    Path("narrows.yaml").write_text("frames: {sentinels: {temp: [-9999]}}\n")
    refused = narrows("train", "--data", "sentinel.parquet", *QUICK)
    assert "set `frames.resample: mean` and `frames.interval: 10m`" in refused.err
