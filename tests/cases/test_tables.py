"""Tables as people have them: files that differ, ids that are numbers, long exports, types, structs and CSV."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.csv as pv
import pyarrow.parquet as pq
import pytest

from stream.intake.tables.reader import Batch, discover, read
from tests.cases.conftest import QUICK, MakeCase
from tests.support.commands import Narrows

ROWS = 600  # of a table with text among its numbers
TOLD = "series 'pump-1': 12 values of `temp` are no numbers, such as 'unavailable', '-', NaN (rows 20, 70, 120)"
PUMP = ["flow", "pressure", "temp"]
DAYS = {
    "null_type": (PUMP, "temp: no value in 2025-01-04, of 6 files"),
    "null_first": (PUMP, "temp: no value in 2025-01-01, of 6 files"),
    "dropped": (PUMP, "temp: no such column in 2025-01-04, of 6 files"),
    "added": ([*PUMP, "vibration"], "vibration: no such column in 2025-01-01, 2025-01-02, 2025-01-03 and 1 more"),
    "int_day": (PUMP, None),
    "bool_none": (PUMP, "temp: large_string instead of numbers in 2025-01-04, of 6 files"),
    "empty_day": (PUMP, "2025-01-04.parquet: no rows in it"),
    "empty_rows": (PUMP, "2025-01-04.parquet: no rows in it"),
    "empty_null": (PUMP, "2025-01-04.parquet: no rows in it"),
    "zero_bytes": (PUMP, "2025-01-06.parquet (0 bytes): no rows in it"),
}


def guesses(narrows: Narrows, path: Path, *options: str) -> tuple[dict[str, object], str]:
    """The settings that init guesses, and what it says on stderr."""
    result = narrows("init", "--from-file", str(path), "--output", "guessed.yaml", "--force", "--json", *options)
    assert result.code == 0, result.err
    return {one["path"]: one["value"] for one in result.data if "path" in one}, result.err


def test_a_file_a_day_is_one_history_though_a_day_lacks_a_sensor_or_everything(
    case: MakeCase, narrows: Narrows
) -> None:
    """All ways are replayed through one bundle, and every reading is accounted for."""
    folder = case("c03_files")
    for name, (sensors, warning) in DAYS.items():
        layout = discover(folder / name)
        assert (list(layout.sensors), layout.series) == (sensors, "machine")
        assert "".join(layout.doubts).startswith(warning) if warning else not layout.doubts
    guessed, err = guesses(narrows, folder / "added")
    assert guessed["input.sensors"] == [*PUMP, "vibration"]
    assert f"warning: {folder}/added: {DAYS['added'][1]}" in err
    trained = narrows("train", "--data", str(folder / "null_first"), *QUICK, "--set", "model.members=1")
    assert trained.code == 0
    assert f"warning: {folder}/null_first: {DAYS['null_first'][1]}" in trained.err
    for name, counts in {
        "dropped": "degraded 1,435, received 8,640, scored 7,172,",
        "zero_bytes": "received 7,200, scored 7,168,",
    }.items():
        replayed = narrows("replay", "--data", str(folder / name))
        assert replayed.code == 0
        assert counts in replayed.err
        assert f"warning: {folder}/{name}: {DAYS[name][1]}" in replayed.err
    alone = narrows("replay", "--data", f"{folder}/dropped/2025-01-04.parquet")
    assert alone.code == 1
    assert "missing ['temp']" in alone.err
    text = narrows("replay", "--data", f"{folder}/bool_none/2025-01-04.parquet")
    assert "missing ['temp']" in text.err
    assert "temp is not numbers but large_string" in text.err


@pytest.mark.parametrize(
    ("generator", "name", "series", "names"),
    [
        ("c08_types", "intid", "machine_id", ["101", "102"]),
        ("c08_types", "intunit", "unit", ["101", "102"]),
        ("c08_types", "glued", "unit", ["1", "2"]),
        ("c11_series", "intid", "device_id", ["101", "102", "103"]),
        ("c11_series", "wtg", "WTG", ["101", "102", "103"]),
    ],
)
def test_assets_that_are_numbered_are_series(
    case: MakeCase, narrows: Narrows, generator: str, name: str, series: str, names: list[str]
) -> None:
    path = case(generator) / f"{name}.parquet"
    guessed, err = guesses(narrows, path)
    assert (guessed["input.series"], guessed["input.sensors"]) == (series, PUMP)
    assert "warning" not in err
    assert series_of(path) == names


def test_units_that_run_to_failure_each_begin_with_cycle_one(case: MakeCase, narrows: Narrows) -> None:
    """Their times are cycles, which a setting must say; then each unit is a series."""
    path = case("c11_series") / "cmapss.parquet"
    guessed, _ = guesses(narrows, path, "--set", "input.time_format=epoch_s")
    assert (guessed["input.series"], guessed["input.sensors"]) == ("unit_number", PUMP)


def test_exports_of_influxdb_are_long_with_a_series_for_each_host(case: MakeCase, narrows: Narrows) -> None:
    for name in ("flux", "slim"):
        guessed, err = guesses(narrows, case("c05_influx") / f"{name}.parquet")
        assert guessed["input.sensors"] == ["load1", "mem_used", "usage_system", "usage_user"]
        columns = [guessed[f"input.{role}"] for role in ("format", "time", "series", "sensor", "value")]
        assert columns == ["long", "_time", "host", "_field", "_value"]
        assert "warning" not in err
    flux = str(case("c05_influx") / "flux.parquet")
    absent = narrows("train", "--data", flux, "--set", "input.sensors=[load1, nosuch]")
    assert absent.code == 1
    assert "no row of the sensor nosuch" in absent.err
    assert "'_field' names load1, mem_used, usage_system, usage_user" in absent.err
    wide = narrows("train", "--data", flux, "--set", "input.format=wide")
    assert wide.code == 1
    assert "_field" in wide.err


def test_types_of_columns_are_read_or_left_out_with_the_way_to_convert_them(case: MakeCase, narrows: Narrows) -> None:
    folder = case("c08_types")
    sensors = {
        "bool": ["flow", "running", "valve"],
        "nums": ["flow", "i8", "u64", "dec", "f16", "f32", "nint"],
        "dictnum": ["flow", "code"],
        "comma": ["flow"], "numtext": ["flow"], "duration": ["flow"], "view": PUMP, "binary": PUMP,
    }  # fmt: skip
    said = {}
    for name, wanted in sensors.items():
        guessed, said[name] = guesses(narrows, folder / f"{name}.parquet")
        assert guessed["input.sensors"] == wanted
    assert "pd.to_numeric(df['temp'].str.replace(',', '.'), errors='coerce')" in said["comma"]
    assert "pd.to_numeric(df['temp'], errors='coerce')" in said["numtext"]
    assert [series_of(folder / f"{name}.parquet") for name in ("view", "binary")] == [["A", "B"]] * 2
    trained = narrows(
        "train", "--data", f"{folder}/bool.parquet", *QUICK, "--set", "frames.score_when=running == 1", "--json"
    )
    assert trained.code == 0, trained.err
    assert trained.data["data"]["frames"]["off"] > 500


def test_fields_of_structs_are_sensors_beside_a_flat_column_of_the_same_name(case: MakeCase, narrows: Narrows) -> None:
    folder = case("c06_names")
    guessed, _ = guesses(narrows, folder / "struct.parquet")
    assert guessed["input.sensors"] == {
        "motor.temp": "motor\\.temp", "flow": "flow", "motor/temp": "motor.temp", "motor.vib": "motor.vib"
    }  # fmt: skip
    flat, flow, nested, vib = values_of(folder / "struct.parquet").T
    table = pq.read_table(folder / "struct.parquet", columns=["flow"])
    np.testing.assert_array_equal(flow, table["flow"])
    np.testing.assert_array_equal(vib, flow)
    assert abs(float(np.mean(nested)) - 60) < 3 < abs(float(np.mean(flat)) - 60)
    assert guesses(narrows, folder / "prefix.parquet")[0]["input.sensors"] == ["a", "a.b", "a b"]
    named = narrows(
        "train",
        "--data",
        f"{folder}/nested.parquet",
        *QUICK,
        "--set",
        "input.sensors={f: payload.values.flow}",
        "--json",
    )
    assert named.code == 0, named.err
    assert named.data["data"]["columns"]["sensors"] == "configured"


def test_csv_is_read_as_the_same_history_whatever_its_separator(
    case: MakeCase, narrows: Narrows, tmp_path: Path
) -> None:
    parquet = case("c11_series") / "intid.parquet"
    table = pq.read_table(parquet)
    pv.write_csv(table, tmp_path / "comma.csv")
    text = (tmp_path / "comma.csv").read_text()
    (tmp_path / "semicolon.csv").write_text(text.replace(".000000", "").replace(",", ";").replace(".", ","))
    for name in ("comma", "semicolon"):
        guessed, _ = guesses(narrows, tmp_path / f"{name}.csv")
        assert (guessed["input.series"], guessed["input.sensors"], guessed["detector"]) == ("device_id", PUMP, name)
    np.testing.assert_array_equal(values_of(tmp_path / "comma.csv"), values_of(parquet))
    np.testing.assert_array_equal(values_of(tmp_path / "semicolon.csv"), values_of(parquet))


def series_of(path: Path) -> list[str]:
    """Names of the series in a data set."""
    return sorted({name for batch in batches(path) for name in batch.columns.names})


def values_of(path: Path) -> np.ndarray:
    """Values of all readings."""
    return np.concatenate([batch.readings.values for batch in batches(path)])


def batches(path: Path) -> list[Batch]:
    """All readings of a data set."""
    return list(read(path, discover(path)))


def history(_: Narrows) -> Path:
    """A file in the folder of the commands."""
    draw, angle = np.random.default_rng(0), np.arange(ROWS) / 50
    table = pd.DataFrame(
        {
            "time": pd.date_range("2025-01-01", periods=ROWS, freq="1min", tz="UTC"),
            "machine": "pump-1",
            "temp": [f"{value:.3f}" for value in 60 + np.sin(angle) + 0.2 * draw.standard_normal(ROWS)],
            "flow": (10 + np.cos(angle) + 0.1 * draw.standard_normal(ROWS)).round(3),
            "fault": np.arange(ROWS) > ROWS - 30,
        }
    )
    for nth, row in enumerate(range(20, ROWS, 50)):
        table.loc[row, "temp"] = ("unavailable", "-", "NaN")[nth % 3]
    table.to_csv("h.csv", index=False)
    return Path("h.csv")


def test_every_command_reads_a_history_with_text_among_numbers_and_says_so(narrows: Narrows) -> None:
    path = str(history(narrows))
    started = narrows("init", "--from-file", path)
    assert started.code == 0, started.err
    assert f"warning: h.csv: of all rows, {TOLD}" in started.err
    for command in (
        ("train", *QUICK, "--set", "model.members=1", "--set", "model.window=8"),
        ("replay",),
        ("evaluate",),
    ):
        done = narrows(*command, "--data", path)
        assert done.code == 0, done.err
        assert TOLD in done.err + done.out.replace("Series 'p", "series 'p"), command
    strict = narrows("replay", "--data", path, "--set", "input.bad_values=dead")
    assert "bad_values 12, dead 12," in strict.err
    assert "these rows are left out (`input.bad_values: dead`)" in strict.err


def test_a_sensor_without_one_number_is_refused_by_name(narrows: Narrows) -> None:
    table = pd.read_csv(history(narrows)).assign(temp="n/a")
    table.to_parquet("text.parquet", index=False)
    refused = narrows("train", "--data", "text.parquet", *QUICK, "--set", "input.sensors=[temp, flow]")
    assert refused.code == 1
    assert "'temp', wanted as value, is " in refused.err
    assert "expected numbers, and none is among values such as 'n/a'" in refused.err
