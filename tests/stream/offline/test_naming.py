"""The one series of data that name none: the bundle's only one, where the files can be pieces of one asset."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stream.detect.frames.scale import POOLED, ScaleTable
from stream.intake.tables.reader import Hints, Layout, discover
from stream.offline.naming import of_only_series, with_note_on_names
from stream.offline.rows import said

SPANS = {
    "one file": ({"Q2": (0, 100)}, True),
    "one after the other": ({"Q1": (0, 100), "Q2": (200, 300)}, True),
    "the end of one again": ({"Q2": (95, 200), "Q1": (0, 100)}, True),
    "side by side": ({"Q1": (0, 100), "Q2": (50, 150)}, False),
    "one within the other": ({"Q1": (0, 100), "Q2": (40, 60)}, False),
}


def scales(*names: str) -> ScaleTable:
    """Scales of series with these names, and the pooled one."""
    rows = len(names) + 1
    return ScaleTable((*names, POOLED), np.zeros((rows, 1)), np.ones((rows, 1)), np.ones(rows, np.int64))


def layout(folder: Path, hints: Hints | None = None, **columns: str) -> Layout:
    """The layout of a file without a column of series, but for these columns."""
    times = pd.date_range("2026-03-02", periods=4, freq="s", tz="UTC")
    pd.DataFrame({"time": times, "flow": 1.0} | columns).to_parquet(folder / "Q1.parquet")
    return discover(folder, hints or Hints())


@pytest.mark.parametrize("case", SPANS)
def test_data_that_name_no_series_are_the_only_one_of_the_bundle(case: str, tmp_path: Path) -> None:
    span, adopted = SPANS[case]
    found = of_only_series(layout(tmp_path), span, scales("pump"))
    assert found.series_name == ("pump" if adopted else None)
    notes = ["series: no column names it, so all rows are 'pump', the only series of the bundle; "]
    assert [line[: len(notes[0])] for line in said(found)] == (notes if adopted else [])


def test_a_name_that_the_data_or_the_configuration_give_stays(tmp_path: Path) -> None:
    span = {"Q1": (0, 100)}
    configured = layout(tmp_path, Hints(series_name="pump 2"))
    assert of_only_series(configured, span, scales("pump")) is configured
    column = layout(tmp_path, series="b")
    assert of_only_series(column, span, scales("pump")) is column
    plain = layout(tmp_path)
    assert of_only_series(plain, span, scales("pump", "pump 2")) is plain, "the bundle knows two"
    assert of_only_series(plain, span, scales("Q1")) is plain, "the name of the file"
    table = pq.read_table(tmp_path / "Q1.parquet").replace_schema_metadata({"series": "pump 3"})
    pq.write_table(table, tmp_path / "Q1.parquet")
    assert isinstance(table, pa.Table)
    named = discover(tmp_path)
    assert of_only_series(named, {"pump 3": (0, 100)}, scales("pump")) is named


@pytest.mark.parametrize("case", SPANS)
def test_training_tells_how_files_name_series_and_when_they_may_be_one(case: str, tmp_path: Path) -> None:
    span, follow = SPANS[case]
    lines = said(with_note_on_names(layout(tmp_path), span))
    if not follow:
        assert lines == []
    elif len(span) == 1:
        assert lines == ["series: 'Q2', named by its file; `input.series_name: NAME` names it as its messages do"]
    else:
        assert lines[0].startswith("warning: 2 series, each named by its file, follow one another in time")
