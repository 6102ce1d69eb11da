"""Series that hold the same readings are told of; those that only look alike are not."""

from pathlib import Path

import pandas as pd
import pytest

from stream.offline.rows import said
from tests.support.small_training import a_history, made


@pytest.fixture(scope="module")
def pumps() -> pd.DataFrame:
    return a_history()


def notes(folder: Path, history: pd.DataFrame) -> list[str]:
    """The lines that training says about series with the same readings."""
    return [line for line in said(made(folder, history).history.layout) if "the same readings" in line]


def test_an_export_that_lies_there_twice_under_two_names_is_told_of(pumps: pd.DataFrame, tmp_path: Path) -> None:
    again = pumps[pumps["series"] == "pump-02"].assign(series="pump-02 (1)")
    assert notes(tmp_path, pd.concat([pumps, again])) == [
        "warning: the same readings under two names, to the last value: 'pump-02' and 'pump-02 (1)'; leave one of them "
        "out, or set `input.series_name` where the files are of one asset"
    ]


def test_series_that_differ_in_one_value_are_no_twins(pumps: pd.DataFrame, tmp_path: Path) -> None:
    again = pumps[pumps["series"] == "pump-02"].assign(series="other").reset_index(drop=True)
    again["flow"] = again["flow"].where(again.index != 400, again["flow"] + 1e-9)
    assert notes(tmp_path, pd.concat([pumps, again])) == []
