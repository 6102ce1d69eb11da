"""Rows of a bundle's data: in order they stream, out of order they are sorted or refused with what to do."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stream.errors import DataError
from stream.intake.tables.reader import Hints
from stream.offline import rows as offline
from stream.offline.rows import rows_in_order, said
from stream.replay import layout_for
from tests.support.builders import SECOND, a_definition, a_policy

SENSORS = ("s0", "s1")


@pytest.fixture
def history() -> pd.DataFrame:
    """400 rows of two series."""
    times = pd.date_range("2026-03-02", periods=200, freq="s", tz="UTC")
    table = pd.DataFrame({"time": times.repeat(2), "series": ["a", "b"] * 200})
    return table.assign(s0=np.arange(400.0), s1=-np.arange(400.0))


def test_rows_in_order_are_read_batch_by_batch_and_nothing_is_said(history: pd.DataFrame, tmp_path: Path) -> None:
    history.to_parquet(tmp_path / "rows.parquet")
    layout = layout_for(tmp_path / "rows.parquet", Hints(), a_definition())
    assert layout.in_order
    assert said(layout) == []
    first = next(rows_in_order(tmp_path / "rows.parquet", layout, SENSORS, 10))
    assert first.columns.position.tolist() == list(range(10))


def test_rows_out_of_order_come_in_order_and_that_is_said(history: pd.DataFrame, tmp_path: Path) -> None:
    history[::-1].to_parquet(tmp_path / "rows.parquet")
    layout = layout_for(tmp_path / "rows.parquet", Hints(), a_definition())
    assert said(layout) == ["put in order: 398 of 400 readings stood behind later ones of their series"]
    batches = list(rows_in_order(tmp_path / "rows.parquet", layout, SENSORS, 100))
    assert [len(batch) for batch in batches] == [100] * 4
    assert np.concatenate([batch.columns.position for batch in batches])[:4].tolist() == [399, 398, 397, 396]


def test_what_may_be_wrong_with_a_layout_is_said_with_the_data(history: pd.DataFrame, tmp_path: Path) -> None:
    history.to_parquet(tmp_path / "rows.parquet")
    history.head(0).to_parquet(tmp_path / "empty.parquet")
    layout = layout_for(tmp_path, Hints(), a_definition())
    assert said(layout) == [f"warning: {tmp_path}: empty.parquet: no rows in it"]


def test_more_rows_than_can_be_put_in_order_in_memory_are_refused_with_what_to_do(
    history: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offline, "MOST_VALUES", 799)
    history.to_parquet(tmp_path / "in order.parquet")
    assert layout_for(tmp_path / "in order.parquet", Hints(), a_definition()).in_order
    history[::-1].to_parquet(tmp_path / "rows.parquet")
    reason = r"398 of 400 readings .*; 800 values are too many .*, 799 at most; give them in parts, .* ORDER BY time"
    with pytest.raises(DataError, match=reason):
        layout_for(tmp_path / "rows.parquet", Hints(), a_definition())


@pytest.mark.parametrize("shuffled", [False, True])
def test_assets_that_would_become_one_series_are_refused_in_any_order(
    shuffled: bool, history: pd.DataFrame, tmp_path: Path
) -> None:
    one = history.assign(series="a")
    (one.sample(frac=1, random_state=0) if shuffled else one).to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(DataError, match=r"0 late and 200 duplicate of 400 .*; 200 have the time of another reading"):
        layout_for(tmp_path / "rows.parquet", Hints(), a_definition())


def test_a_name_for_all_files_of_several_assets_is_refused_by_that_setting(
    history: pd.DataFrame, tmp_path: Path
) -> None:
    for name, rows in history.drop(columns="series").groupby(history["series"]):
        rows.to_parquet(tmp_path / f"{name}.parquet")
    assert layout_for(tmp_path, Hints(), a_definition()).in_order
    reason = "leave `input.series_name` out, so that each file is a series, or set `input.series` to the column"
    with pytest.raises(DataError, match=reason):
        layout_for(tmp_path, Hints(series_name="a"), a_definition())


def test_sensors_that_come_in_rows_of_their_own_at_one_time_are_no_clash(history: pd.DataFrame, tmp_path: Path) -> None:
    odd = np.arange(400) % 2 == 1
    one = history.assign(series="a", s0=history["s0"].mask(odd), s1=history["s1"].mask(~odd))
    one.to_parquet(tmp_path / "rows.parquet")
    policy = a_policy(interval_ns=2 * SECOND, max_gap_ns=20 * SECOND, resample="mean", close_complete=False)
    assert layout_for(tmp_path / "rows.parquet", Hints(), a_definition(policy=policy)).in_order


def test_data_without_a_usable_row_are_refused(history: pd.DataFrame, tmp_path: Path) -> None:
    history.assign(series=None).astype({"series": "string"}).to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(DataError, match="no usable rows, 400 without a usable time or series; expected readings"):
        layout_for(tmp_path / "rows.parquet", Hints(), a_definition())
