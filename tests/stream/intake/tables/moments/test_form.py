"""The form of the times is found in the first and last rows, or the data set is refused with what to write."""

from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from stream.errors import DataError
from stream.intake.columns import Reason
from stream.intake.tables.reader import Hints, discover, read
from stream.settings.data import InputSettings
from tests.stream.intake.tables.test_reader import write

START = datetime.fromisoformat("2024-02-20T22:00:00")
ROWS = 300
MOMENTS = [START + timedelta(minutes=i) for i in range(ROWS)]
DAYS, CLOCKS = [moment.date() for moment in MOMENTS], [moment.time() for moment in MOMENTS]
SPAN = "2024-02-20T22:00:00Z to 2024-02-21T02:59:00Z"


def texts(pattern: str) -> list[str]:
    return [moment.strftime(pattern) for moment in MOMENTS]


def numbers(pattern: str) -> list[int]:
    return [int(text) for text in texts(pattern)]


# Columns of time, and the settings that the refusal names.
REFUSED: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "year first": ({"time": texts("%Y/%m/%d %H:%M")}, {"time_format": "year_first"}),
    "month first": ({"time": texts("%m/%d/%y %I:%M %p")}, {"time_format": "month_first"}),
    "digits": ({"time": texts("%Y%m%d%H%M")}, {"time_format": "yyyymmddhhmmss"}),
    "epochs as text": (
        {"time": [str(1_708_466_400_000 + 60_000 * i) for i in range(ROWS)]},
        {"time_format": "epoch_ms"},
    ),
    "clock typed": ({"day": DAYS, "clock": CLOCKS}, {"time": "clock", "date": "day"}),
    "clock written": ({"Date": DAYS, "Time": texts("%H:%M")}, {"time": "Time", "date": "Date"}),
    "midnights beside it": (
        {"Date": [datetime.combine(day, time()) for day in DAYS], "Time": texts("%H:%M:%S")},
        {"time": "Time", "date": "Date"},
    ),
    "names with dots": (
        {"time.of day": CLOCKS, "a: day": DAYS},
        {"time": r"time\.of day", "date": "a: day"},
    ),
    "both digits": (
        {"DATE": numbers("%Y%m%d"), "TIME": numbers("%H%M%S")},
        {"time": "TIME", "date": "DATE", "time_format": "yyyymmdd"},
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_form_that_needs_a_setting_is_refused_with_it_and_read_with_it(tmp_path: Path, name: str) -> None:
    columns, wanted = REFUSED[name]
    path = write(tmp_path / "p.parquet", {**columns, "x": [1.0] * ROWS})
    with pytest.raises(DataError, match="expected") as refused:
        discover(path)
    written = " and ".join(f"`input.{setting}: {value}`" for setting, value in wanted.items())
    written = written.replace("a: day", "'a: day'")
    assert f"write {written} for " in str(refused.value)
    assert str(refused.value).endswith(f": {SPAN}")
    layout = discover(path, InputSettings.model_validate(wanted).hints)
    assert layout.times.note.endswith(SPAN)
    assert layout.sensors == ("x",)
    (batch,) = read(path, layout)
    assert len(batch) == ROWS
    assert discover(path, Hints(propose=True)).times.form == layout.times.form


@pytest.mark.parametrize(
    ("step", "first"), [(600_000_000, "filetime"), (1_000_000_000, "epoch_ns"), (10_000_000, "filetime")]
)
@pytest.mark.parametrize("kind", [int, str, float])
def test_digits_that_are_times_in_two_units_are_asked_about_with_the_usual_step_first(
    tmp_path: Path, step: int, first: str, kind: type[int] | type[str] | type[float]
) -> None:
    ticks = [638_440_560_000_000_000 + step * i for i in range(ROWS)]
    path = write(tmp_path / "p.parquet", {"time": [*map(kind, ticks)], "x": [1.0] * ROWS})
    other = "epoch_ns" if first == "filetime" else "filetime"
    asked = rf"which may be times in 2 ways; write `input.time_format: {first}` .*; or write `input.time_.*: {other}`"
    with pytest.raises(DataError, match=asked):
        discover(path)
    assert discover(path, Hints(propose=True)).times.form.time_format == first
    assert sum(map(len, read(path, discover(path, Hints(time_format="epoch_ns"))))) == ROWS


def test_hours_in_digits_are_not_taken_for_seconds_of_the_future_without_a_word(tmp_path: Path) -> None:
    hours = [int((START + timedelta(hours=i)).strftime("%Y%m%d%H")) for i in range(ROWS)]
    path = write(tmp_path / "p.parquet", {"time": hours, "x": [1.0] * ROWS})
    with pytest.raises(DataError, match=r"in 2 ways; write `input.time_format: yyyymmddhhmmss` .*: epoch_s`"):
        discover(path)
    note = discover(path, Hints(time_format="yyyymmddhhmmss")).times.note
    assert note.endswith("2024-02-20T22:00:00Z to 2024-03-04T09:00:00Z")


def test_days_that_may_be_months_are_read_in_the_order_that_scatters_less_and_both_are_named(tmp_path: Path) -> None:
    moments = [datetime.fromisoformat("2024-01-03") + timedelta(hours=i) for i in range(100)]
    path = write(tmp_path / "p.parquet", {"time": [m.strftime("%m/%d/%Y %H:%M") for m in moments], "x": [1.0] * 100})
    with pytest.raises(DataError, match=r"write `input.time_format: month_first` .*; or write .*: day_first`"):
        discover(path)


@pytest.mark.parametrize(
    ("columns", "hints", "message"),
    [
        ({"time": texts("%H:%M")}, Hints(), "300 of 300 are not in ISO 8601; .* the column of the date as `input.d"),
        (
            {"time": texts("at %H")},
            Hints(),
            "'time' .string. has 'at 22' to 'at 02'; 300 .* are not in ISO 8601; expect",
        ),
        ({"time": texts("%Y-%m-%d")}, Hints(time_format="excel"), "are no 'excel', as configured; .*: auto` for"),
        ({"time": texts("%H:%M")}, Hints(date="day"), "no column 'day', configured as date"),
        ({"time": [date(1975, 1, 1)] * ROWS}, Hints(), "these are 1975-01-01T00:00:00Z to 1975.*from 1990 to 2100; w"),
        ({"time": list(range(ROWS))}, Hints(), "as seconds since 1970 these are 1970-01.*: epoch_s` for a counter"),
    ],
)
def test_times_that_nothing_explains_say_what_was_seen(
    tmp_path: Path, columns: dict[str, Any], hints: Hints, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        discover(write(tmp_path / "p.parquet", {**columns, "x": [1.0] * ROWS}), hints)


def test_a_file_of_another_form_is_found_though_the_others_are_good(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {"time": texts("%Y-%m-%dT%H:%M:%SZ"), "x": [1.0] * ROWS})
    write(tmp_path / "b.parquet", {"time": texts("%d.%m.%Y %H:%M"), "x": [1.0] * ROWS})
    with pytest.raises(DataError, match=r"has '2024-02-20T22:00:00Z' to '21.02.2024 02:59'; 300 of 600 are not in ISO"):
        discover(tmp_path)


def test_the_zone_is_asked_for_where_times_name_none_and_moves_them(tmp_path: Path) -> None:
    """Naive timestamps, dates and texts; with a zone the hour that spring leaves out has no times."""
    utc = write(tmp_path / "u.parquet", {"time": pa.array(MOMENTS).cast(pa.timestamp("us", "UTC")), "x": [1.0] * ROWS})
    assert discover(utc).times.assumed is None
    for name, values in {"naive": MOMENTS, "text": texts("%Y-%m-%d %H:%M"), "dates": DAYS}.items():
        path = write(tmp_path / f"{name}.parquet", {"time": values, "x": [1.0] * ROWS})
        assert discover(path).times.assumed == "the times name no zone: UTC is assumed; `input.timezone` names another"
        zoned = discover(path, Hints(zone="Asia/Tokyo"))
        assert zoned.times.assumed is None
        first = next(read(path, zoned)).columns.time[0]
        assert first == next(read(path, discover(path))).columns.time[0] - 9 * 3600 * 10**9
    spring = [datetime.fromisoformat("2025-03-30") + timedelta(minutes=5 * i) for i in range(1_000)]
    path = write(tmp_path / "spring.parquet", {"time": spring, "x": [1.0] * 1_000})
    (batch,) = read(path, discover(path, Hints(zone="Europe/Berlin")))
    assert [(dead.position, dead.reason) for dead in batch.dead] == [(i, Reason.BAD_TIME) for i in range(24, 36)]
    assert (
        "2025-03-30 02:00:00.000000 is no time from 1990 to 2100 that exists in Europe/Berlin" in batch.dead[0].detail
    )
