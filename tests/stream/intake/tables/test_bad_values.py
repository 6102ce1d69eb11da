"""Values of tables that are no numbers: missing and counted, or dead, as those of messages are."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stream.errors import DataError
from stream.intake.bad_values import BadValue, BadValues, added, tallied
from stream.intake.columns import Reason
from stream.intake.decode import Decoder
from stream.intake.tables.reader import Batch, Hints, discover, read
from tests.support.builders import fields

START = 1_700_000_000_000
SENSORS = ("temp", "flow")
Cell = float | str | bool | None
Form = Literal["csv", "parquet"]


def table(folder: Path, form: Form, cells: Sequence[Sequence[Cell]], names: Sequence[str] = SENSORS) -> Path:
    """A file with these cells: text where a column is of Parquet and not all of it numbers."""
    path = folder / f"rows.{form}"
    columns: dict[str, Any] = {"time": [START + 1000 * i for i in range(len(cells))], "series": ["p"] * len(cells)}
    for i, name in enumerate(names):
        columns[name] = [row[i] for row in cells]
    if form == "csv":
        rows = zip(*columns.values(), strict=True)
        lines = [",".join("" if value is None else str(value) for value in row) for row in rows]
        path.write_text("\n".join([",".join(columns), *lines]))
        return path
    for name, of in columns.items():
        if name in names and any(isinstance(value, str) for value in of):
            columns[name] = [None if value is None else str(value) for value in of]
    pq.write_table(pa.table(columns), path)
    return path


def read_all(path: Path, **hints: Any) -> Batch:
    """All rows as one batch."""
    layout = discover(path, Hints(series="series", sensors=SENSORS, **hints))
    (batch,) = read(path, layout)
    return batch


def kinds(bad: BadValues) -> dict[tuple[str, str, str], int]:
    counts: dict[tuple[str, str, str], int] = {}
    for value, seen in bad.items():
        key = (value.series, value.sensor, value.kind)
        counts[key] = counts.get(key, 0) + seen.values
    return counts


CELLS: st.SearchStrategy[Cell] = st.one_of(
    st.floats(-1e6, 1e6), st.integers(-99, 99), st.sampled_from([None, "n/a", "unavailable", "-", math.nan, math.inf])
)
NUMBERS: list[tuple[Cell, Cell]] = [(1.5, 2.5)] * 9


@pytest.mark.parametrize("form", ["csv", "parquet"])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cells=st.lists(st.tuples(CELLS, CELLS), max_size=8))
def test_rows_of_a_table_are_the_readings_that_their_messages_are(
    form: Form, cells: list[tuple[Cell, Cell]], tmp_path: Path
) -> None:
    """Values, what is dead and what is counted; but a row of NaN alone is how tables write a row without values."""
    usual = (row for row in cells if any(isinstance(value, str) or is_number(value) for value in row))
    cells = [*NUMBERS, *usual, (None, None)]
    batch = read_all(table(tmp_path, form, cells))
    messages = [
        json.dumps({"time": START + 1000 * i} | dict(zip(SENSORS, row, strict=True))).encode()
        for i, row in enumerate(cells)
    ]
    decoder = Decoder(fields(bad_values="missing"), SENSORS, None)
    sent = decoder.decode(messages, [b"p"] * len(cells), range(len(cells)), [-1] * len(cells))
    np.testing.assert_array_equal(batch.readings.values, sent.readings.values)
    np.testing.assert_array_equal(batch.readings.time, sent.readings.time)
    assert [(dead.position, dead.reason) for dead in batch.dead] == [(dead.position, dead.reason) for dead in sent.dead]
    assert kinds(batch.bad) == kinds(sent.bad_values)
    assert sum(batch.numberless.values()) == len(batch.dead)


def is_number(value: Cell) -> bool:
    return isinstance(value, float | int) and math.isfinite(value)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_bad_values_are_told_by_sensor_with_their_number_their_texts_and_their_rows(form: Form, tmp_path: Path) -> None:
    cells: list[tuple[Cell, Cell]] = [(1.5, 2)] * 20
    for row, text in {3: "n/a", 5: "n/a", 8: "ERR", 9: "n/a"}.items():
        cells[row] = (text, 2)
    cells[6] = (1, None)
    (told,) = tallied(read_all(table(tmp_path, form, cells)).bad).sensors()
    assert (told.sensor, told.values, told.kinds) == ("temp", 4, {"text": 4})
    assert (told.seen, told.positions) == (["'n/a'", "'ERR'"], [3, 5, 8])


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_where_bad_values_are_dead_each_kills_its_row(form: Form, tmp_path: Path) -> None:
    cells = [*NUMBERS, ("n/a", 2), (math.nan, 2), (None, 2)]
    batch = read_all(table(tmp_path, form, cells), bad_is_dead=True)
    assert [(dead.position, dead.reason) for dead in batch.dead] == [(9, Reason.WRONG_TYPE), (10, Reason.NOT_A_NUMBER)]
    assert "'temp' has 'n/a', no number" in batch.dead[0].detail
    assert (len(batch), batch.numberless) == (10, {"p": 2})


def test_a_long_value_is_told_by_its_sensor_and_that_of_a_sensor_that_is_not_read_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    lines = ["time,sensor,value", *(f"{START + 1000 * i},temp,{i}" for i in range(9))]
    lines += [f"{START + 9000},temp,unavailable", f"{START + 9000},door,open", f"{START + 9000},flow,"]
    path.write_text("\n".join(lines))
    (batch,) = read(path, discover(path), sensors=SENSORS)
    assert [*batch.bad] == [BadValue("long", "temp", "text", "'unavailable'")]
    assert (len(batch), len(batch.dead), batch.ignored) == (10, 1, 1)


def test_a_comma_before_the_fraction_stays_one_beside_text(tmp_path: Path) -> None:
    path = tmp_path / "semicolons.csv"
    path.write_text("time;series;temp;flow\n" + "".join(f"{START + 1000 * i};p;{i},5;1,5\n" for i in range(3)))
    with path.open("a") as file:
        file.write(f"{START + 3000};p;n/a;2,5\n{START + 4000};p;unavailable;2,5\n")
    batch = read_all(path)
    np.testing.assert_array_equal(batch.readings.values[:, 0], [0.5, 1.5, 2.5, np.nan, np.nan])
    assert kinds(batch.bad) == {("p", "temp", "text"): 2}


def test_a_column_of_text_with_no_number_is_no_sensor_and_one_that_is_named_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path, "parquet", [("on", 1.0), ("off", 2.0)])
    assert discover(path).sensors == ("flow",)
    with pytest.raises(DataError, match="expected numbers, and none is among values such as 'on'"):
        discover(path, Hints(sensors=SENSORS))


def test_a_day_on_which_a_sensor_is_text_keeps_its_numbers(tmp_path: Path) -> None:
    days: list[list[tuple[Cell, Cell]]] = [[(1.0, 1.0)] * 3, [("n/a", 1.0), ("5", 1.0)]]
    for day, cells in enumerate(days):
        (tmp_path / str(day)).mkdir()
        table(tmp_path / str(day), "parquet", cells)
    layout = discover(tmp_path)
    assert (layout.sensors, layout.doubts) == (SENSORS, ())
    batches = list(read(tmp_path, layout))
    assert [batch.readings.values[:, 0].tolist()[-1] for batch in batches] == [1.0, 5.0]
    assert kinds(added(batch.bad for batch in batches)) == {("p", "temp", "text"): 1}
