"""A history and a topic together: the topic tells the wire, and what one of them lacks is said."""

from pathlib import Path

import pandas as pd
import pytest

from stream.cli.starting.agreement import Agreement, agree
from stream.cli.starting.history import guess_from_history
from stream.cli.starting.topic import guess_from_records
from stream.errors import DataError
from stream.intake.tables.hints import Hints
from stream.settings import Settings
from tests.stream.cli.starting.messages import PUMPS, paths, sample, time_ms


def history(
    folder: Path, step: str = "1s", time: str = "time", pumps: tuple[str, ...] = PUMPS, **columns: float
) -> str:
    """40 rows of each pump."""
    times = pd.date_range("2026-01-01", periods=40, freq=step, tz="UTC")
    one = pd.DataFrame({time: times, **columns})
    path = folder / "history.parquet"
    pd.concat([one.assign(machine=name) for name in pumps]).to_parquet(path, index=False)
    return str(path)


def together(path: str) -> Agreement:
    """The file at `path`, and a topic of nested flow, temp and vibration, whose key is the pump."""
    records = sample(lambda row: {"ts": time_ms(row), "data": {"flow": row, "temp": row % 7, "vibration": 1.5}})
    return agree(guess_from_history(path, Hints()), guess_from_records("plant", records, Settings()))


def test_sensors_of_both_are_taken_with_the_paths_of_the_topic_and_the_others_are_named(tmp_path: Path) -> None:
    agreement = together(history(tmp_path, temp=20.0, flow=3.0, pressure=1.0))
    found = paths(agreement.guesses)
    assert found["input.sensors"] == {"temp": "data.temp", "flow": "data.flow"}
    assert (found["input.topic"], found["input.time"], found["detector"]) == ("plant", "ts", "history")
    said = "\n".join(agreement.warnings)
    assert "history.parquet: pressure; left out, for the topic does not have it" in said
    assert "only in topic 'plant': vibration; left out, for nothing can be learnt about it" in said


def test_a_column_that_the_topic_calls_differently_is_an_option_of_the_training(tmp_path: Path) -> None:
    agreement = together(history(tmp_path, time="at", flow=3.0))
    assert agreement.training == ["--set", "input.time=at"]
    assert any("add to commands that read files" in warning for warning in agreement.warnings)
    assert together(history(tmp_path, time="ts", flow=3.0)).training == []


def test_names_of_series_and_steps_that_differ_are_warnings(tmp_path: Path) -> None:
    same = together(history(tmp_path, time="ts", flow=3.0, temp=2.0, vibration=1.0))
    assert list(same.warnings) == []
    said = "\n".join(together(history(tmp_path, "1min", "ts", ("A", "B"), flow=3.0, temp=2.0, vibration=1.0)).warnings)
    assert "no series of topic 'plant' is in " in said
    assert "readings come every 1s on topic 'plant' and every 1m in " in said


def test_no_sensor_in_common_is_an_error_that_names_both(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no sensor in common: there are a, b and flow, temp, vibration; name"):
        together(history(tmp_path, time="ts", a=1.0, b=2.0))


def test_the_layout_of_the_wire_is_that_of_the_topic_where_the_history_is_long(tmp_path: Path) -> None:
    rows = [(t, name, sensor, 1.5) for t in range(40) for name in PUMPS for sensor in ("flow", "temp", "vibration")]
    table = pd.DataFrame(rows, columns=["ts", "machine", "sensor", "value"])
    table["ts"] = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(table["ts"], unit="s")
    table.to_parquet(tmp_path / "long.parquet", index=False)
    found = paths(together(str(tmp_path / "long.parquet")).guesses)
    assert found["input.format"] == "wide"
