"""Tables drawn at random, as files of one folder: understood or refused, and no row is lost without a count."""

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.errors import DataError
from stream.intake.tables.reader import Hints, count_rows, discover, read
from tests.stream.intake.tables.test_reader import stamps

ROWS = 12
COLUMNS = {
    "time": [stamps(*range(ROWS)), stamps(*[0, 0, 1, 1] * 3), pa.nulls(ROWS), pa.array([*range(ROWS)])],
    "machine": [pa.array(["p", "q"] * 6), pa.array(["p", None] * 6), pa.array([1, 2] * 6), pa.nulls(ROWS)],
    "unit": [pa.array([1] * 6 + [2] * 6), pa.array([b"\xc8", b"x"] * 6), pa.array([1.5] * ROWS)],
    "tag": [pa.array(["a", "b", "b"] * 4), pa.array(["a", "a", None] * 4).dictionary_encode()],
    "value": [pa.array([1.0, None] * 6), pa.array([True, False] * 6), pa.array(["1,5"] * ROWS)],
    "x": [
        pa.array([1.0] * ROWS), pa.array([3] * ROWS, pa.uint64()), pa.nulls(ROWS), pa.array([{"y": 1}, None] * 6),
        pa.array([[1.0]] * ROWS), pa.array([7] * ROWS, pa.duration("s")), pa.array([7, 8] * 6).dictionary_encode(),
    ],
    "x.y": [pa.array([2.0] * ROWS), pa.array(["off"] * ROWS)],
}  # fmt: skip
TABLES = st.fixed_dictionaries(
    {"time": st.sampled_from(COLUMNS["time"][:2] * 4 + COLUMNS["time"])},
    optional={name: st.sampled_from(of) for name, of in COLUMNS.items() if name != "time"},
)
KINDS = [*["full"] * 3, "empty", "nothing"]
HINTS: st.SearchStrategy[dict[str, object]] = st.just({}) | st.fixed_dictionaries(
    {},
    optional={
        "format": st.sampled_from(["wide", "long"]), "time": st.just("time"), "series": st.sampled_from([*COLUMNS]),
        "sensors": st.sampled_from([("x",), ("a", "b"), ("x.y", "value")]), "label": st.just("unit"),
    },
)  # fmt: skip


@settings(max_examples=60)
@given(
    tables=st.lists(st.tuples(TABLES, st.sampled_from(KINDS)), min_size=1, max_size=3),
    hints=HINTS, as_csv=st.booleans(),
)  # fmt: skip
def test_a_folder_of_any_tables_is_read_whole_or_refused(
    tables: list[tuple[dict[str, pa.Array], str]], hints: dict[str, object], as_csv: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for number, (columns, kind) in enumerate(tables):
            # What CSV cannot hold is not in it.
            kept = {name: column for name, column in columns.items() if not as_csv or name not in ("unit", "x")}
            write(Path(folder), str(number), pa.table(kept), kind, as_csv)
        try:
            layout = discover(folder, Hints(**hints))  # type: ignore[arg-type]
            batches = list(read(folder, layout))
        except DataError:
            return
        assert sum(len(batch) + len(batch.dead) + batch.ignored for batch in batches) == count_rows(folder)
        assert all(batch.readings.values.shape[1] == len(layout.sensors) for batch in batches)
        given_away = {
            layout.time,
            layout.series,
            layout.sensor,
            layout.value,
            layout.label,
            *layout.columns_of(layout.sensors),
        }
        named = {name.removeprefix("left out: ") for name in layout.why} | given_away
        flat = {name for table, kind in tables if kind == "full" for name in table if name not in ("x", "x.y", "unit")}
        assert flat <= named or hints.get("sensors")


def write(folder: Path, name: str, table: pa.Table, kind: str, as_csv: bool) -> None:
    """A file of a table, of its columns without a row, or without a byte."""
    path = folder / f"{name}.{'csv' if as_csv else 'parquet'}"
    if kind == "nothing":
        path.touch()
    elif as_csv:
        pv.write_csv(table if kind == "full" else table.slice(0, 0), path)
    else:
        pq.write_table(table if kind == "full" else table.slice(0, 0), path)
