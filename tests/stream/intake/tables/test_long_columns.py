"""Long data are found by the names of their columns, or as configured; wide data stay wide where that is said."""

from pathlib import Path
from typing import Any

import pytest

from stream.errors import DataError
from stream.intake.tables.reader import Hints, discover, read
from tests.stream.intake.tables.test_reader import stamps, write

TURNS = [turn for turn in range(30) for _ in range(4)]
LONG = {"time": stamps(*TURNS), "site": ["n", "n", "s", "s"] * 30, "kind": ["x", "y"] * 60, "amount": [1.0] * 120}


@pytest.mark.parametrize(
    ("names", "sensor", "value"),
    [
        ({"time": "_time", "kind": "_field", "amount": "_value"}, "_field", "_value"),
        ({"time": "last_changed", "kind": "entity_id", "amount": "state"}, "entity_id", "state"),
        ({"kind": "Tag", "amount": "Value"}, "Tag", "Value"),
    ],
)
def test_columns_named_as_exports_name_them_are_found(
    tmp_path: Path, names: dict[str, str], sensor: str, value: str
) -> None:
    path = write(tmp_path / "x.parquet", {names.get(name, name): column for name, column in LONG.items()})
    layout = discover(path)
    assert (layout.format, layout.sensor, layout.value, layout.sensors) == ("long", sensor, value, ("x", "y"))
    assert layout.series == "site"


def test_a_format_that_is_configured_is_respected_or_refused(tmp_path: Path) -> None:
    columns: dict[str, Any] = {"time": stamps(0), "tag": ["x"], "value": [1.0]}
    path = write(tmp_path / "x.parquet", columns)
    assert discover(path, Hints(format="wide")).sensors == ("value",)
    with pytest.raises(
        DataError, match=r"`input\.format: wide` has no column of sensors or values; set `input\.format: long`"
    ):
        discover(path, Hints(format="wide", sensor="tag"))
    wide = write(tmp_path / "y.parquet", {"time": stamps(0), "flow": [1.0]})
    with pytest.raises(
        DataError, match=r"long data need a sensor column; there are time .* name it as `input\.sensor`"
    ):
        discover(wide, Hints(format="long"))


def test_configured_sensors_occur_unless_they_are_those_of_a_bundle(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", {"time": stamps(0, 1), "tag": ["x", "y"], "value": [1.0, 2.0]})
    with pytest.raises(
        DataError, match=r"no row of the sensor z, configured .* the column 'tag' names x, y; configure"
    ):
        discover(path, Hints(sensors=["x", "z"]))
    assert discover(path, Hints(sensors=["x", "z"], bundle=["x", "z"])).sensors == ("x",)


def test_long_data_that_no_name_gives_away_are_questioned(tmp_path: Path) -> None:
    """One column of numbers, and rows that only two columns of text tell apart."""
    path = write(tmp_path / "x.parquet", LONG)
    assert discover(path).doubts == (
        "each file is one, but 75% of rows repeat a time; site and kind together tell them apart: if one names the "
        "sensor of each row, set `input.format: long`, `input.sensor: kind`, `input.series: site`, "
        "`input.value: amount` and `input.sensors: {}`, or sensor and series the other way round",
    )
    turned = {"kind": LONG["kind"], **LONG, "job": ["node"] * 120}
    scraped = {{"site": "instance"}.get(name, name): column for name, column in turned.items()}
    [doubt] = discover(write(tmp_path / "turned.parquet", scraped)).doubts
    assert "`input.sensor: kind`, `input.series: instance`, `input.value: amount`" in doubt
    one = write(tmp_path / "y.parquet", {"time": stamps(*TURNS), "kind": [*"abcd"] * 30, "value": [1.0] * 120})
    layout = discover(one)
    assert (layout.series, len(layout.doubts)) == ("kind", 1)
    assert "if it names the sensor of each row, set `input.format: long`, `input.sensor: kind`" in layout.doubts[0]
    assert discover(one, Hints(series="kind")).doubts == ()
    columns = {"time": stamps(*TURNS), "device_id": ["a"] * 120, "code": [7, 8, 9, 10] * 30, "value": [1.0] * 120}
    named = discover(write(tmp_path / "z.parquet", columns))
    assert named.series == "device_id"
    assert named.doubts == (
        "75% of rows repeat a time of their device_id; if code names the sensor of each row, set "
        "`input.format: long`, `input.sensor: code`, `input.value: value` and `input.sensors: {}`",
    )


def test_numbers_that_are_called_like_sensors_name_them_where_they_explain_repeated_times(tmp_path: Path) -> None:
    columns = {"time": stamps(*TURNS), "metric_id": [0, 1, 2, 3] * 30, "value": [1.0] * 120, "quality": [192] * 120}
    layout = discover(write(tmp_path / "x.parquet", columns))
    assert (layout.format, layout.sensor, layout.sensors) == ("long", "metric_id", ("0", "1", "2", "3"))
    assert layout.left_out == {"quality": "not needed: the sensors are rows"}
    assert sum(map(len, read(tmp_path / "x.parquet", layout))) == 120
    floats = columns | {"metric_id": [0.0, 1.0, 2.0, 3.0] * 30}
    path = write(tmp_path / "y.parquet", floats)
    assert discover(path, Hints(sensor="metric_id", value="value")).sensors == ("0", "1", "2", "3")
    once = columns | {"time": stamps(*range(120))}
    assert discover(write(tmp_path / "z.parquet", once)).format == "wide"


def test_a_foreign_word_for_value_counts_where_no_other_numbers_are(tmp_path: Path) -> None:
    columns = {"time": stamps(*TURNS), "TagName": ["x", "y"] * 60, "Wert": [1.0] * 120}
    assert discover(write(tmp_path / "x.parquet", columns)).value == "Wert"
    assert discover(write(tmp_path / "y.parquet", columns | {"flow": [1.0] * 120})).format == "wide"
