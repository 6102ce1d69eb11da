"""The columns of a data set are found, or refused with what was seen."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from stream.errors import DataError
from stream.intake.tables.reader import Hints, count_rows, discover, label_column, read
from tests.stream.intake.tables.test_reader import read_all, rows, stamps, write


def test_a_column_of_labels_is_told_by_its_name_and_type(tmp_path: Path) -> None:
    """A change of the operating point is no anomaly, and a time no label."""
    columns = {"time": stamps(1), "label": stamps(2), "changepoint": [1], "Is_Anomaly": [True], "outlier": [0]}
    file = write(tmp_path / "a.parquet", columns)
    assert label_column(file) == "Is_Anomaly"
    without = write(tmp_path / "b.parquet", {name: columns[name] for name in ("time", "label", "changepoint")})
    with pytest.raises(DataError, match=r"no column of labels; there are time .*, changepoint \(int64\); expected 0/1"):
        label_column(without)


def test_columns_are_found_as_configured(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.parquet",
        {"t1": stamps(0), "t2": stamps(5), "name": ["p"], "u": [1.0], "v": [2.0], "anomaly": [3.0], "w": [4.0]},
    )
    hints = Hints(time="t2", series="name", sensors=["v", "anomaly"])
    assert read_all(path, hints) == [("p", 5, (2.0, 3.0), 0)]
    assert set(discover(path, hints).why.values()) == {"configured", "a column per sensor"}
    assert discover(path, Hints(time="t1", exclude=["u", "nosuch"])).sensors == ("v", "w")
    long = discover(path, Hints(time="t1", sensor="name", value="u"))
    assert (long.format, long.sensors) == ("long", ("p",))


WIDE = {"time": stamps(0), "x": [1.0]}


@pytest.mark.parametrize(
    ("columns", "hints", "message"),
    [
        ({"time": stamps(), "x": pa.array([], pa.float64())}, Hints(), ": without a row"),
        ({"x": [1.0]}, Hints(), r"no time column; expected .* there are x \(double\)"),
        ({"a": stamps(0), "b": stamps(0), "x": [1.0]}, Hints(), r"several timestamp columns \(a, b\)"),
        (WIDE, Hints(time="when"), "no column 'when', configured as time; there are time"),
        (WIDE, Hints(series="id"), "no column 'id', configured as series"),
        (WIDE, Hints(sensors=["x", "y"]), "no column 'y', configured as sensors"),
        (WIDE, Hints(label="y"), "no file has the column 'y', configured as label"),
        (WIDE, Hints(label="x", sensors=["x"]), "configured as label and as sensor"),
        (WIDE, Hints(sensor="x"), "long data need a value column"),
        (WIDE, Hints(value="x"), "long data need a sensor column"),
        ({**WIDE, "y": [True]}, Hints(series="y"), "'y', wanted as series, is bool; expected text"),
        ({"time": [True], "x": [1.0]}, Hints(time="time"), "'time', wanted as time, is bool"),
        ({**WIDE, "bad": stamps(0)}, Hints(label="bad"), "'bad', wanted as label, is timestamp"),
        ({**WIDE, "s": ["no"]}, Hints(sensors=["s"]), "'s', wanted as value, is string; expected numbers"),
        ({"time": stamps(0), "anomaly": [1.0]}, Hints(), "no numeric sensors; there are time"),
        ({"time": stamps(0), "tag": pa.array([None], pa.string()), "value": [1.0]}, Hints(), "'tag' names no sensors"),
    ],
)
def test_data_that_cannot_be_understood_say_what_was_seen(
    tmp_path: Path, columns: dict[str, Any], hints: Hints, message: str
) -> None:
    path = write(tmp_path / "x.parquet", columns)
    with pytest.raises(DataError, match=message):
        discover(path, hints)


def test_paths_without_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        discover(tmp_path / "nosuch")
    with pytest.raises(DataError, match="no Parquet files"):
        discover(tmp_path)
    with pytest.raises(DataError, match="no Parquet files"):
        discover(tmp_path / "*.parquet")
    (tmp_path / "x.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        count_rows(tmp_path)


def test_a_sensor_that_some_file_has_is_a_sensor_of_all(tmp_path: Path) -> None:
    """A file without it, or with text instead, has no values of it, and that is said."""
    write(tmp_path / "a.parquet", {"time": stamps(0), "x": [1.0]})
    write(tmp_path / "b.parquet", {"time": stamps(0), "x": [1], "y": [1.0]})
    write(tmp_path / "c.parquet", {"time": stamps(0), "x": pa.nulls(1), "y": [1.0]})
    write(tmp_path / "d.parquet", {"time": stamps(0), "x": [1.0], "y": ["off"]})
    write(tmp_path / "e.parquet", {"time": pa.nulls(0), "x": pa.nulls(0)})
    (tmp_path / "f.parquet").touch()
    layout = discover(tmp_path)
    assert layout.sensors == ("x", "y")
    assert layout.doubts == (
        "e.parquet, f.parquet (0 bytes): no rows in them",
        "x: no value in c, of 4 files: missing in these rows",
        "y: no such column in a; string instead of numbers in d, of 4 files: missing in these rows",
    )
    assert rows(list(read(tmp_path, layout))) == [
        ("a", 0, (1.0, None), 0), ("b", 0, (1.0, 1.0), 1), ("c", 0, (None, 1.0), 2), ("d", 0, (1.0, None), 3),
    ]  # fmt: skip
    assert count_rows(tmp_path) == 4
    assert discover(tmp_path, Hints(exclude=["y"])).sensors == ("x",)
    with pytest.raises(DataError, match=r"no column 'z', wanted as value; there are time"):
        next(read(tmp_path, layout, sensors=("x", "z")))
    with pytest.raises(DataError, match=r"a\.parquet: no column 'y', wanted as value"):
        next(read(tmp_path / "a.parquet", layout))


def test_a_column_that_places_a_reading_must_be_in_every_file_with_rows(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {"time": stamps(0), "machine": ["p"], "x": [1.0]})
    write(tmp_path / "b.parquet", {"time": stamps(0), "x": [1.0]})
    with pytest.raises(DataError, match=r"b\.parquet: no column 'machine', wanted as series; there are time"):
        discover(tmp_path)
