"""Parquet of every layout becomes readings; expectations are written out, or computed row by row."""

import math
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stream.intake.columns import Reason
from stream.intake.tables.reader import Batch, Hints, Layout, count_rows, discover, read

SECOND = 1_000_000_000
START = 1_700_000_000


def write(path: Path, columns: Mapping[str, Any], **metadata: str) -> Path:
    """A file with these columns; lists of numbers become what pyarrow makes of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(dict(columns))
    pq.write_table(table.replace_schema_metadata(metadata or None), path, row_group_size=3)
    return path


def stamps(*seconds: int | None, unit: str = "ms", zone: str | None = None) -> pa.Array:
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    numbers = [None if s is None else (START + s) * per_second for s in seconds]
    return pa.array(numbers, pa.int64()).cast(pa.timestamp(unit, zone))


def rows(batches: list[Batch]) -> list[tuple[str, int, tuple[float | None, ...], int]]:
    """(series, seconds since START, values, position) of every reading; None for a missing value."""
    return [
        (r.names[s], (t - START * SECOND) // SECOND, tuple(None if math.isnan(v) else v for v in values), p)
        for r in (batch.readings for batch in batches)
        for s, t, values, p in zip(
            r.series.tolist(), r.time.tolist(), r.values.tolist(), r.position.tolist(), strict=True
        )
    ]


def read_all(path: Path | str, hints: Hints | None = None, **options: Any) -> list[tuple[Any, ...]]:
    return list(rows(list(read(path, discover(path, hints or Hints()), **options))))


def test_a_wide_file_is_a_series_of_its_own_and_every_other_number_is_a_sensor(tmp_path: Path) -> None:
    path = write(
        tmp_path / "pump 7.parquet",
        {
            "at": stamps(0, 1, 2, 3),
            "Flow Rate": [1.0, None, math.inf, 4.0],
            "a.b": pa.array([1, 2, 3, None], pa.int16()),
            "price": [Decimal("1.5")] * 4,
            "note": ["x"] * 4,
            "on": [True] * 4,
            "anomaly": pa.array([0, 1, 0, 0], pa.int8()),
        },
    )
    layout = discover(path)
    assert (layout.format, layout.time, layout.series, layout.label) == ("wide", "at", None, None)
    assert layout.sensors == ("Flow Rate", "a.b", "price", "on")
    assert {"left out: note", "left out: anomaly"} < set(layout.why)
    assert layout.why["time"] == "the only timestamp column"
    assert rows(list(read(path, layout))) == [
        ("pump 7", 0, (1.0, 1.0, 1.5, 1.0), 0),
        ("pump 7", 1, (None, 2.0, 1.5, 1.0), 1),
        ("pump 7", 2, (None, 3.0, 1.5, 1.0), 2),
        ("pump 7", 3, (4.0, None, 1.5, 1.0), 3),
    ]


def test_a_folder_is_read_in_the_order_of_its_files_and_positions_run_on(tmp_path: Path) -> None:
    """Names come from the schema's metadata, or else from the path below the folder; hidden files are not data."""
    write(tmp_path / "b.parquet", {"time": stamps(0), "x": [3.0]}, series="named")
    write(tmp_path / "a" / "1.parquet", {"time": stamps(0, 1), "x": [1.0, 2.0]})
    (tmp_path / "_logs").mkdir()
    (tmp_path / "_logs" / "c.parquet").write_bytes(b"not parquet")
    (tmp_path / "readme.txt").write_text("not parquet")
    wanted = [("a/1", 0, (1.0,), 0), ("a/1", 1, (2.0,), 1), ("named", 0, (3.0,), 2)]
    assert read_all(tmp_path) == wanted
    assert read_all(f"{tmp_path}/**/*.parquet") == wanted
    assert read_all(str(tmp_path / "[ab]*")) == wanted
    assert count_rows(tmp_path) == 3


def test_folders_named_key_equals_value_are_columns(tmp_path: Path) -> None:
    for series, day, value in (
        ("pump%2F1", "2024-01-01", 1.0),
        ("pump%2F1", "2024-01-02", 2.0),
        ("p2", "2024-01-01", 3.0),
    ):
        write(tmp_path / f"plant_series={series}" / f"date={day}" / "0.parquet", {"time": stamps(0), "x": [value]})
    layout = discover(tmp_path)
    assert (layout.series, layout.sensors) == ("plant_series", ("x",))
    assert rows(list(read(tmp_path, layout))) == [
        ("p2", 0, (3.0,), 0),
        ("pump/1", 0, (1.0,), 1),
        ("pump/1", 0, (2.0,), 2),
    ]


def test_a_folder_of_null_is_rows_without_a_series(tmp_path: Path) -> None:
    write(tmp_path / "id=__HIVE_DEFAULT_PARTITION__" / "0.parquet", {"time": stamps(0), "x": [1.0]})
    write(tmp_path / "id=p" / "0.parquet", {"time": stamps(0), "x": [1.0]})
    batches = list(read(tmp_path, discover(tmp_path)))
    assert [d.reason for batch in batches for d in batch.dead] == [Reason.MISSING_SERIES]
    assert rows(batches) == [("p", 0, (1.0,), 1)]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())])
def test_a_column_of_names_tells_the_series(tmp_path: Path, kind: pa.DataType) -> None:
    names = pa.array(["b", "a", "b", None, ""], pa.string()).cast(kind)
    path = write(tmp_path / "x.parquet", {"Device": names, "time": stamps(*range(5)), "x": [1.0, 2.0, 3.0, 4.0, 5.0]})
    batches = list(read(path, discover(path)))
    assert rows(batches) == [("b", 0, (1.0,), 0), ("a", 1, (2.0,), 1), ("b", 2, (3.0,), 2)]
    assert [(d.position, d.reason) for batch in batches for d in batch.dead] == [
        (3, Reason.MISSING_SERIES),
        (4, Reason.MISSING_SERIES),
    ]


def test_integers_are_a_series_only_if_configured_and_never_a_sensor_unasked(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", {"id": [7, 8], "time": stamps(0, 1), "x": [1.0, 2.0]})
    assert read_all(path) == [("x", 0, (1.0,), 0), ("x", 1, (2.0,), 1)]
    assert read_all(path, Hints(series="id")) == [("7", 0, (1.0,), 0), ("8", 1, (2.0,), 1)]


@pytest.mark.parametrize(
    "times",
    [
        *(
            stamps(0, 1, unit=unit, zone=zone)
            for unit in ("s", "ms", "us", "ns")
            for zone in (None, "UTC", "Asia/Tokyo")
        ),
        pa.array([START, START + 1], pa.int64()),
        pa.array([START, START + 1], pa.uint32()),
        pa.array([START * 1000, START * 1000 + 1000], pa.uint64()),
        pa.array([float(START), float(START + 1)]),
        pa.array(["2023-11-14T22:13:20Z", "2023-11-14 22:13:21"]),
        pa.array(["2023-11-14T23:13:20+01:00", "2023-11-14T22:13:21Z"]).dictionary_encode(),
    ],
    ids=lambda times: str(times.type),
)
def test_a_time_may_come_in_any_unit_and_without_a_zone_it_is_utc(tmp_path: Path, times: pa.Array) -> None:
    path = write(tmp_path / "p.parquet", {"time": times, "x": [1.0, 2.0]})
    assert read_all(path) == [("p", 0, (1.0,), 0), ("p", 1, (2.0,), 1)]


def test_a_date_is_its_midnight(tmp_path: Path) -> None:
    path = write(tmp_path / "p.parquet", {"date": [date(2023, 11, 15)], "x": [1.0]})
    (batch,) = read(path, discover(path))
    assert batch.readings.time.tolist() == [int(datetime.fromisoformat("2023-11-15T00:00Z").timestamp()) * SECOND]


MANY = range(20)


@pytest.mark.parametrize(
    ("times", "reasons"),
    [
        (stamps(0, None, *MANY), [Reason.MISSING_TIME]),
        (pa.array(["2023-11-14T22:13:20Z"] * 20 + ["soon", None]), [Reason.BAD_TIME, Reason.MISSING_TIME]),
        (pa.array([START] * 20 + [2**64 - 1, None], pa.uint64()), [Reason.BAD_TIME, Reason.MISSING_TIME]),
        (pa.array([float(START)] * 20 + [math.nan, math.inf]), [Reason.BAD_TIME, Reason.BAD_TIME]),
        (pa.array([START] * 20 + [10**11, -(10**12)]).cast(pa.timestamp("s")), [Reason.BAD_TIME, Reason.BAD_TIME]),
        (pa.array([START] * 20 + [0, 10**10]).cast(pa.timestamp("s")), [Reason.BAD_TIME, Reason.BAD_TIME]),
    ],
)
def test_rows_without_a_usable_time_are_dead_and_counted(
    tmp_path: Path, times: pa.Array, reasons: list[Reason]
) -> None:
    """Also a time before 1990 or after 2100: 1970 stands for none."""
    path = write(tmp_path / "p.parquet", {"time": times, "x": [1.0] * len(times)})
    batches = list(read(path, discover(path)))
    dead = [d for batch in batches for d in batch.dead]
    assert [d.reason for d in dead] == reasons
    assert all(d.value is None and str(path) in d.detail for d in dead)
    assert sum(len(batch.readings) for batch in batches) + len(dead) == len(times)


def test_labels_follow_their_rows_and_files_without_them_have_none(tmp_path: Path) -> None:
    write(
        tmp_path / "a.parquet",
        {"time": stamps(0, None, 2), "x": [1.0, 2.0, 3.0], "bad": pa.array([0, 1, 1], pa.int8())},
    )
    write(tmp_path / "b.parquet", {"time": stamps(0), "x": [1.0]})
    write(tmp_path / "c.parquet", {"time": stamps(0, 1), "x": [1.0, 2.0], "bad": [None, True]})
    layout = discover(tmp_path, Hints(label="bad"))
    assert layout.sensors == ("x",)
    labels = [None if batch.labels is None else batch.labels.tolist() for batch in read(tmp_path, layout)]
    assert labels == [[False, True], None, [False, True]]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())])
def test_long_data_have_one_value_per_row_and_rows_of_others_are_ignored(tmp_path: Path, kind: pa.DataType) -> None:
    columns = {
        "series": ["p", "p", "q", "q", "p"],
        "time": stamps(0, 0, 1, 1, None),
        "tag": pa.array(["temp", "flow", "temp", None, "nosuch"], pa.string()).cast(kind),
        "value": pa.array([1.0, 2, None, 4, 5], pa.float32()),
    }
    path = write(tmp_path / "x.parquet", columns)
    layout = discover(path)
    assert (layout.format, layout.sensor, layout.value) == ("long", "tag", "value")
    assert layout.sensors == ("flow", "nosuch", "temp")
    batches = list(read(path, layout, sensors=("temp", "flow")))
    assert rows(batches) == [("p", 0, (1.0, None), 0), ("p", 0, (None, 2.0), 1), ("q", 1, (None, None), 2)]
    assert sum(batch.ignored for batch in batches) == 1
    assert [(d.position, d.reason) for batch in batches for d in batch.dead] == [(4, Reason.MISSING_TIME)]


def test_a_long_row_takes_no_more_room_where_there_are_more_sensors(tmp_path: Path) -> None:
    """A history keeps a sensor and a value per row; framing makes room for every sensor."""
    rows, sensors = 1000, 200
    columns = {
        "time": stamps(*range(rows)), "sensor": [f"s{i % sensors:03d}" for i in range(rows)],
        "value": np.arange(float(rows)),
    }  # fmt: skip
    path = write(tmp_path / "x.parquet", columns)
    (batch,) = read(path, discover(path), batch_rows=rows)
    kept = [getattr(batch.columns, name) for name in ("series", "time", "sensor", "value", "position")]
    assert sum(column.nbytes for column in kept) == 32 * rows
    assert batch.readings.values.shape == (rows, sensors)
    assert np.isfinite(batch.readings.values).sum() == rows
    assert batch.readings.values[321, 121] == 321.0


CELLS = st.one_of(st.none(), st.floats(width=32), st.integers(-9, 9).map(float))
ROW = st.tuples(st.sampled_from(["p", "q", None]), st.one_of(st.none(), st.integers(0, 10**6)), CELLS, CELLS)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=st.lists(ROW, min_size=1, max_size=20), batch_rows=st.integers(1, 25), cut=st.integers(0, 20))
def test_rows_come_out_as_they_went_in_whatever_the_batches(
    tmp_path: Path, table: list[tuple[Any, ...]], batch_rows: int, cut: int
) -> None:
    """Also when they are spread over two files; every row is a reading or dead."""
    for part, piece in enumerate((table[:cut], table[cut:])):
        series, times, x, y = zip(*piece, strict=True) if piece else ((), (), (), ())
        columns = {"id": pa.array(series, pa.string()), "time": stamps(*times), "x": pa.array(x, pa.float32())}
        write(tmp_path / f"{part}.parquet", {**columns, "y": pa.array(y, pa.float64())})
    wanted = [
        (name, time, tuple(v if v is not None and math.isfinite(v) else None for v in (x, y)), position)
        for position, (name, time, x, y) in enumerate(table)
        if name is not None and time is not None
    ]
    batches = list(read(tmp_path, discover(tmp_path), batch_rows=batch_rows))
    assert rows(batches) == wanted
    assert sum(len(batch.dead) for batch in batches) == len(table) - len(wanted)
    assert all(len(batch.readings) <= batch_rows for batch in batches)


@pytest.mark.parametrize(
    ("folder", "sensors", "series", "total", "anomalous"),
    [("smd", 38, 4, 94_775, 1_712), ("skab", 8, 35, 46_806, 13_067), ("nab", 1, 19, 97_702, None)],
)
def test_the_data_sets_are_read_whole(
    data: Path, folder: str, sensors: int, series: int, total: int, anomalous: int | None
) -> None:
    """Figures are those of the data sets' own tables."""
    layout = discover(data / folder, Hints(label="anomaly"))
    batches = list(read(data / folder, layout))
    assert len(layout.sensors) == sensors
    assert not {"anomaly", "changepoint"} & set(layout.sensors)
    assert len({name for batch in batches for name in batch.readings.names}) == series
    assert sum(len(batch.readings) for batch in batches) == count_rows(data / folder) == total
    found = sum(int(batch.labels.sum()) for batch in batches if batch.labels is not None)
    assert anomalous is None or found == anomalous


def test_a_layout_reads_other_data_like_those_it_was_found_in(data: Path) -> None:
    layout: Layout = discover(data / "smd" / "machine-1-2.train.parquet")
    batches = list(read(data / "smd" / "machine-1-2.test.parquet", layout, batch_rows=10_000))
    assert [len(batch.readings) for batch in batches] == [10_000, 10_000, 3_694]
    assert batches[0].readings.names == ("machine-1-2.test",)
    assert np.isfinite(batches[0].readings.values).all()
