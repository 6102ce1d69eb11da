"""The order of readings: counted as a slow loop counts it, and put right as a table sorts, in batches of any size."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.intake.tables.files import files
from stream.intake.tables.reader import Batch, Hints, discover, read
from stream.offline.order import Order, order_of, put_in_order
from tests.support.builders import SECOND, START, a_policy

ON_TICKS = a_policy(interval_ns=2 * SECOND, max_gap_ns=20 * SECOND, resample="last", grace_ns=SECOND)
Rows = list[tuple[str, int]]


def written(folder: Path, *pieces: Rows, long: bool = False) -> Path:
    """Files 0.parquet, 1.parquet, ... of (series, second) each, with a value that numbers the rows."""
    folder.mkdir(exist_ok=True)
    first = 0
    for number, piece in enumerate(pieces):
        frame = pd.DataFrame(piece, columns=["series", "time"])
        frame["time"] = pd.to_datetime(START + frame["time"] * SECOND, utc=True)
        frame["value" if long else "flow"] = np.arange(first, first + len(frame), dtype=np.float64)
        if long:
            frame["sensor"] = "flow"
        frame["anomaly"] = np.arange(first, first + len(frame)) % 2
        frame.to_parquet(folder / f"{number}.parquet", index=False)
        first += len(frame)
    return folder


def batches(data: Path, size: int = 65_536) -> list[Batch]:
    return list(read(data, discover(data, Hints(label="anomaly")), batch_rows=size))


def order(data: Path, size: int = 65_536, ticks: bool = False) -> Order:
    return order_of(batches(data, size), files(data), ON_TICKS if ticks else a_policy())


def counted(pieces: tuple[Rows, ...], slack: int) -> tuple[int, int, int, int]:
    """behind, repeated, begun and begun behind, row by row."""
    newest: dict[str, int] = {}
    last: dict[str, int] = {}
    behind = repeated = begun = begun_behind = 0
    for number, piece in enumerate(pieces):
        for series, second in piece:
            is_behind = series in newest and second < newest[series] - slack
            begins = series in last and last[series] != number
            behind, begun, begun_behind = behind + is_behind, begun + begins, begun_behind + (begins and is_behind)
            repeated += newest.get(series) == second
            newest[series], last[series] = max(second, newest.get(series, second)), number
    return behind, repeated, begun, begun_behind


some_rows = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 12)), min_size=1, max_size=20)


@settings(max_examples=40)
@given(pieces=st.tuples(some_rows, some_rows, some_rows), size=st.integers(1, 30), ticks=st.booleans())
def test_the_order_is_that_of_a_slow_count_in_batches_of_any_size(
    pieces: tuple[Rows, ...], size: int, ticks: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    found = order(written(tmp_path_factory.mktemp("rows"), *pieces), size, ticks)
    assert (found.behind, found.repeated, found.begun, found.begun_behind) == counted(pieces, 3 if ticks else 0)
    assert found.readings == sum(map(len, pieces))
    every = [row for piece in pieces for row in piece]
    seconds = {name: [second for series, second in every if series == name] for name, _ in every}
    assert found.span == {n: (START + min(s) * SECOND, START + max(s) * SECOND) for n, s in seconds.items()}


@settings(max_examples=40)
@given(pieces=st.tuples(some_rows, some_rows), size=st.integers(1, 30), long=st.booleans())
def test_sorting_keeps_every_reading_with_its_label_and_row_and_rows_of_one_time_in_file_order(
    pieces: tuple[Rows, ...], size: int, long: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    given_batches = batches(written(tmp_path_factory.mktemp("rows"), *pieces, long=long), size)
    rows = [row for piece in pieces for row in piece]
    expected = sorted(((second, series, row) for row, (series, second) in enumerate(rows)))
    found = []
    for batch in put_in_order(given_batches, 7):
        assert 0 < len(batch) <= 7
        r, labels = batch.readings, batch.labels
        assert labels is not None
        assert labels.tolist() == (r.position % 2 == 1).tolist()
        assert r.values[:, 0].tolist() == r.position.tolist()
        assert set(r.names) == {r.names[index] for index in r.series}
        found += [
            ((time - START) // SECOND, r.names[s], row)
            for s, time, row in zip(r.series.tolist(), r.time.tolist(), r.position.tolist(), strict=True)
        ]
    assert found == expected
    assert given_batches == [], "freed"


def test_a_stream_with_few_late_readings_is_left_alone_and_an_export_is_not(tmp_path: Path) -> None:
    steps = np.arange(1000)
    jitter = [("a", int(second)) for second in np.where(steps % 125 == 3, steps - 2, steps)]
    more = [("a", int(second)) for second in np.where(steps % 50 == 3, steps - 2, steps)]
    assert not order(written(tmp_path / "jitter", jitter)).wanting
    assert order(written(tmp_path / "more", more)).wanting
    assert not order(written(tmp_path / "ticks", more), ticks=True).wanting, "no tick would miss them"


def test_files_that_overlap_are_put_in_order_and_files_that_touch_are_not(tmp_path: Path) -> None:
    day = [("a", second) for second in range(1000)]
    next_day = [("a", second) for second in range(998, 2000)]
    overlap = order(written(tmp_path / "overlap", day, next_day))
    assert overlap.wanting
    assert overlap.seen == (
        "1 of 2,002 readings stood behind later ones of their series; files that begin before one read earlier ends: 1"
    )
    assert not order(written(tmp_path / "touch", day, next_day[1:])).wanting
