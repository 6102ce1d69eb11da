"""The series column is found by its content where no column is called like one, or left open."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from stream.errors import DataError
from stream.intake.columns import Reason
from stream.intake.tables.reader import Hints, discover, read
from tests.stream.intake.tables.test_reader import rows, stamps, write

PUMPS = ["p", "q", "r"] * 20
TURNS = [turn for turn in range(20) for _ in range(3)]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())])
@pytest.mark.parametrize("long", [False, True], ids=["wide", "long"])
def test_the_one_column_of_text_without_which_times_repeat_tells_the_series(
    tmp_path: Path, kind: pa.DataType, long: bool
) -> None:
    """Also where no row group holds all names; beside texts that tell nothing apart, or each row from every other."""
    columns = {
        "time": stamps(*TURNS), "Pump": pa.array(PUMPS).cast(kind), "x": np.arange(60.0),
        "state": ["on"] * 60, "message": [f"m{i}" for i in range(60)], "remark": [None, *PUMPS[1:]],
    }  # fmt: skip
    if long:
        columns |= {"sensor": ["x"] * 60, "value": columns.pop("x")}
    path = write(tmp_path / "x.parquet", columns)
    layout = discover(path)
    assert (layout.series, layout.series_inferred) == ("Pump", True)
    assert layout.why["series"] == "the only column of text that makes times unique: without it 67% of rows repeat one"
    assert {name for name, *_ in rows(list(read(path, layout)))} == {"p", "q", "r"}


def test_the_series_of_long_data_is_found_where_folders_name_the_sensor(tmp_path: Path) -> None:
    for sensor in ("x", "y"):
        (tmp_path / f"sensor={sensor}").mkdir()
        columns = {"time": stamps(*TURNS), "unit_number": [1, 2, 3] * 20, "value": np.arange(60.0)}
        write(tmp_path / f"sensor={sensor}" / "part.parquet", columns)
    layout = discover(tmp_path)
    assert (layout.sensor, layout.series, layout.sensors) == ("sensor", "unit_number", ("x", "y"))
    assert {name for name, *_ in rows(list(read(tmp_path, layout)))} == {"1", "2", "3"}


def test_of_several_columns_that_would_tell_series_apart_none_is_taken(tmp_path: Path) -> None:
    columns = {"time": stamps(*TURNS), "pump": PUMPS, "serial": [f"no {p}" for p in PUMPS], "x": np.arange(60.0)}
    path = write(tmp_path / "x.parquet", columns)
    layout = discover(path)
    assert layout.series is None
    assert layout.why["series"] == (
        "each file is one, but 67% of rows repeat a time; pump or serial would tell them apart: name one as "
        "`input.series`"
    )
    assert discover(path, Hints(exclude=["serial"])).series == "pump"
    assert discover(path, Hints(series="serial")).why["series"] == "configured"


@pytest.mark.parametrize(
    ("seconds", "names"),
    [
        ([*range(60)], PUMPS),
        ([0, *range(200)], ["q", *["p"] * 200]),
        (TURNS, ["p", "q"] * 30),
        (TURNS, [f"p{i // 2}" for i in range(60)]),
    ],
    ids=["no repeats", "one repeat", "repeats of each name", "repeats of many names"],
)
def test_times_that_hardly_repeat_or_go_on_repeating_name_no_series(
    tmp_path: Path, seconds: list[int], names: list[str]
) -> None:
    path = write(tmp_path / "x.parquet", {"time": stamps(*seconds), "pump": names, "x": np.zeros(len(names))})
    assert discover(path).series is None


def test_files_that_are_each_a_series_share_times_and_need_no_column(tmp_path: Path) -> None:
    for name in ("p", "q"):
        write(tmp_path / f"{name}.parquet", {"time": stamps(*range(60)), "pump": [name] * 60, "x": np.arange(60.0)})
    layout = discover(tmp_path)
    assert layout.series is None
    assert {name for name, *_ in rows(list(read(tmp_path, layout)))} == {"p", "q"}


def columns_of_two(**more: object) -> dict[str, object]:
    """Two assets at the same 200 times, without a column of text."""
    return {"time": stamps(*np.repeat(np.arange(200), 2).tolist()), "x": np.arange(400.0), **more}


def test_integers_name_series_where_each_goes_on_from_its_first_row_to_its_last(tmp_path: Path) -> None:
    """A measured integer that also tells the rows apart comes and goes."""
    time = np.arange(200)
    rpm = np.stack([1000 + (time // 9) % 7, 2000 + (time // 7) % 5], axis=1).ravel()
    random = np.random.default_rng(1).integers(0, 1000, 400)
    path = write(tmp_path / "x.parquet", columns_of_two(nr=[8, 9] * 200, rpm=rpm, random=random))
    layout = discover(path)
    assert (layout.series, layout.series_inferred, layout.sensors) == ("nr", True, ("x", "rpm", "random"))
    assert layout.doubts == (
        "nr is taken for the series: the only column of integers that makes times unique: without it 50% of rows "
        "repeat one; if it is measured, name it in `input.sensors`",
    )
    bundle = discover(path, Hints(bundle=["x", "rpm", "random", "nr"]))
    assert (bundle.series, bundle.sensors) == (None, ("x", "nr", "rpm", "random"))
    without = discover(write(tmp_path / "y.parquet", columns_of_two(rpm=rpm)))
    assert (without.series, without.sensors) == (None, ("x", "rpm"))
    assert without.doubts == (
        "each file is one, but 50% of rows repeat a time; name the column that tells assets apart as `input.series`: "
        "rpm?",
    )


def test_an_integer_named_like_an_asset_is_the_series_though_times_never_repeat(tmp_path: Path) -> None:
    columns = {"time": stamps(*range(60)), "unit": [1] * 30 + [2] * 30, "id": range(60), "x": np.arange(60.0)}
    layout = discover(write(tmp_path / "x.parquet", columns))
    assert (layout.series, layout.sensors, layout.doubts) == ("unit", ("x",), ())
    assert layout.why["left out: id"].startswith("named like an identifier")


@pytest.mark.parametrize("names", [["p", "q", "r"] * 100, [5, 6, 7] * 100])
def test_values_that_take_turns_between_times_that_never_repeat_are_questioned(
    tmp_path: Path, names: list[object]
) -> None:
    columns = {"time": stamps(*range(300)), "who": names, "x": np.arange(300.0), "on": [0] * 150 + [1] * 150}
    layout = discover(write(tmp_path / "x.parquet", columns))
    assert layout.series is None
    assert layout.doubts == ("each file is one series, but who changes from row to row: `input.series`?",)


def test_a_column_that_lacks_a_few_names_tells_the_series_and_numbers_with_a_fraction_do_not(tmp_path: Path) -> None:
    """A few rows of an asset without a name are dead, and counted; they do not make another column the series."""
    times, pumps = [turn for turn in range(120) for _ in range(3)], [11, 12, 13] * 120
    columns = {
        "time": stamps(*times), "x": np.arange(360.0), "unit": pa.array([None, None, *pumps[2:]], pa.int64()),
        "reserve": [f"{place % 7}.{place % 90}" for place in range(360)],
    }  # fmt: skip
    path = write(tmp_path / "x.parquet", columns)
    layout = discover(path)
    assert layout.series == "unit"
    assert sum(len(batch.dead) for batch in read(path, layout)) == 2


def test_names_that_do_not_tell_all_rows_apart_are_questioned(tmp_path: Path) -> None:
    """Numbers of devices that begin anew in each plant; numbers that pandas made floats, as some are missing."""
    plant, device = [1, 1, 2, 2] * 50, [1, 2, 1, 2] * 50
    columns = {"time": stamps(*np.repeat(np.arange(50), 4).tolist()), "x": np.arange(200.0)}
    layout = discover(write(tmp_path / "x.parquet", columns | {"plant_id": plant, "device_id": device}))
    assert layout.series == "device_id"
    assert layout.doubts == (
        "device_id is taken for the series, but 50% of rows repeat a time of it; if another column is needed too, "
        "make one of both for `input.series`",
    )
    floats = discover(write(tmp_path / "y.parquet", columns | {"device_id": [float(number) for number in device]}))
    assert floats.doubts[0].endswith("name the column that tells assets apart as `input.series`: device_id?")


def test_whole_floats_name_series_where_they_are_configured(tmp_path: Path) -> None:
    """As pandas makes them of identifiers some of which are null."""
    columns = {"time": stamps(*[row // 3 for row in range(300)]), "x": np.arange(300.0) / 7}
    numbers = [1.0, 2.0, 3.0] * 99 + [1.0, 2.0, None]
    path = write(tmp_path / "x.parquet", columns | {"nr": numbers})
    assert discover(path).doubts[0].endswith("as `input.series`: nr?")
    [batch] = read(path, discover(path, Hints(series="nr")))
    assert sorted(batch.columns.names) == ["1", "2", "3"]
    assert [(dead.reason, dead.position) for dead in batch.dead] == [(Reason.MISSING_SERIES, 299)]
    with pytest.raises(DataError, match=r"x\.parquet: column 'x': .* whole numbers, as names of series"):
        list(read(path, discover(path, Hints(series="x", sensors=["nr"]))))
