"""A column of times without a known name is found by its content, or asked for by name."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stream.errors import DataError
from stream.intake.tables.reader import Hints, discover, read
from tests.stream.intake.tables.test_reader import write

MOMENTS = [datetime.fromisoformat("2024-02-20T22:00:00") + timedelta(minutes=i) for i in range(300)]


def texts(pattern: str) -> list[str]:
    return [moment.strftime(pattern) for moment in MOMENTS]


GERMAN, ISO, DAYS = texts("%d.%m.%Y %H:%M:%S"), texts("%Y-%m-%dT%H:%M:%S"), texts("%d.%m.%Y")
# Columns beside one that holds times, none of which does.
BESIDE: dict[str, list[Any]] = {
    "made": ["2020-01-01 08:00"] * 300,
    "batch": [str(1_700_000_000 + i) for i in range(300)],
    "shift": ["early", *texts("%d.%m.%Y")[1:]],
    "empty": [None] * 299 + ["x"],
    "x": [1.0] * 300,
}


@pytest.mark.parametrize("column", [GERMAN, ISO, texts("%Y/%m/%d %H:%M"), [*GERMAN[:9], None, *GERMAN[10:]]])
def test_the_only_text_that_holds_times_is_the_time_and_that_is_said(tmp_path: Path, column: list[str | None]) -> None:
    path = write(tmp_path / "p.parquet", {**BESIDE, "Zeitstempel": column})
    layout = discover(path, Hints(propose=True))
    assert (layout.time, layout.why["time"]) == ("Zeitstempel", "the only column of text whose values are all times")
    assert sum(map(len, read(path, layout))) == sum(value is not None for value in column)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"Fecha": GERMAN, "Enviado": ISO},
            r"several columns of text that hold times \(Fecha, Enviado\); .* `input.time`",
        ),
        ({"Fecha": DAYS, "Hora": texts("%H:%M")}, "no time column; .* name the time as `input.time`"),
        ({"Fecha": [*GERMAN[:-1], "gestern"]}, "no time column"),
    ],
)
def test_text_that_may_or_may_not_be_the_time_is_asked_for(
    tmp_path: Path, columns: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        discover(write(tmp_path / "p.parquet", {**BESIDE, **columns}), Hints(propose=True))


def test_a_name_that_is_known_comes_before_content(tmp_path: Path) -> None:
    path = write(tmp_path / "p.parquet", {"Fecha": GERMAN, "timestamp": ISO, "x": [1.0] * 300})
    assert discover(path).time == "timestamp"
