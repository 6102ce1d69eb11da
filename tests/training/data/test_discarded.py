"""Histories with many late or duplicate readings: series are found where the data show how, else refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pytest

from stream.errors import DataError
from stream.intake.tables.reader import Hints
from stream.settings.data import FrameSettings
from tests.support.small_training import a_history, contents, long_of, made
from training.demo import pumps as physics
from training.pipeline import TrainingRun


@pytest.fixture(scope="module")
def pumps() -> pd.DataFrame:
    return a_history()


@pytest.fixture(scope="module")
def trained(pumps: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> TrainingRun:
    """A bundle of that history."""
    return made(tmp_path_factory.mktemp("trained"), pumps)


def test_pumps_of_one_file_are_told_apart_by_the_column_that_makes_times_unique(
    trained: TrainingRun, pumps: pd.DataFrame, tmp_path: Path
) -> None:
    """Three quarters of the rows would be duplicates without it."""
    assert contents(made(tmp_path, pumps.rename(columns={"series": "pump"}))) == contents(trained)


CONFUSED: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], dict[str, Any], str]] = {
    "one series, in turn": (
        lambda h: h.rename(columns={"series": "pump"}).sort_values("time", kind="stable"),
        {"hints": Hints(exclude=["pump"], sensors=physics.SENSORS)},
        r"0 late and 2,400 duplicate of 3,200 readings would be left out; 2,400 have the time of another reading of "
        r"their series but other values, .* set `input.series` to the column that names the asset: pump\?",
    ),
    "one series, one after the other": (
        lambda h: h.drop(columns="series").sort_values("flow"),
        {},
        r" late and .* of 3,200 readings .*; 2,400 have the time of another .* names the asset$",
    ),
    "one series, long": (
        lambda h: long_of(h).drop(columns="series"),
        {},
        r"of 16,000 readings .*; 11,9.. have the time of another reading of their series but other values",
    ),
}


@pytest.mark.parametrize("confusion", CONFUSED)
def test_history_of_which_much_would_be_late_or_duplicate_is_refused_with_what_to_do(
    pumps: pd.DataFrame, tmp_path: Path, confusion: str
) -> None:
    confuse, changes, reason = CONFUSED[confusion]
    with pytest.raises(DataError, match=reason):
        made(tmp_path, confuse(pumps), **changes)
    assert not (tmp_path / "registry").exists()


def test_history_that_says_everything_twice_teaches_what_it_teaches_once(
    trained: TrainingRun, pumps: pd.DataFrame, tmp_path: Path
) -> None:
    """A source that delivers readings twice, at once or later, is accepted."""
    at_once = made(tmp_path / "at once", pumps.loc[pumps.index.repeat(2)])
    later = made(tmp_path / "later", pd.concat([pumps, pumps]))
    assert contents(at_once) == contents(later) == contents(trained)
    assert at_once.manifest.data.dispositions["duplicate"] == len(pumps)
    assert later.manifest.data.dispositions["duplicate"] == len(pumps)


@pytest.mark.parametrize("resample", ["last", "mean"])
def test_readings_beyond_the_first_of_a_tick_are_used(
    pumps: pd.DataFrame, tmp_path: Path, resample: Literal["last", "mean"]
) -> None:
    """More readings than ticks are expected."""
    trained = made(tmp_path, pumps, frames=FrameSettings(resample=resample, interval=300))
    assert trained.manifest.data.dispositions["used"] == len(pumps)
    assert sum(trained.parts.values()) == pytest.approx(len(pumps) / 5, abs=4)


def test_history_in_any_order_teaches_what_it_teaches_in_order(
    trained: TrainingRun, pumps: pd.DataFrame, tmp_path: Path
) -> None:
    shuffled = made(tmp_path / "shuffled", pumps.sample(frac=1.0, random_state=0))
    newest_first = made(tmp_path / "newest first", pumps[::-1])
    assert contents(shuffled) == contents(newest_first) == contents(trained)
    assert shuffled.manifest.data.dispositions["used"] == len(pumps)


def test_long_history_sensor_after_sensor_teaches_what_it_teaches_in_order(pumps: pd.DataFrame, tmp_path: Path) -> None:
    long = long_of(pumps)
    in_order = made(tmp_path / "in order", long.sort_values("time", kind="stable"))
    by_sensor = made(tmp_path / "by sensor", long.sort_values("sensor", kind="stable"))
    assert contents(by_sensor) == contents(in_order)
    assert by_sensor.manifest.data.dispositions["used"] == len(long)
