"""Times far from all others, and clocks that are set back, are named with row, series and time."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stream.intake.tables.reader import Hints
from stream.offline.rows import said
from stream.replay import layout_for
from tests.support.builders import SECOND, a_definition, a_policy

MINUTES = pd.Series(pd.date_range("2026-03-02", periods=2000, freq="min", tz="UTC"))
LATE = "; readings behind a later time of their series are late, as they are online"
CORRECT = "; correct these times or leave the rows out"
FAR = "far in time from all others, which are from 2026-03-02 to 2026-03-03"


def shifted(first: int, end: int, by: str) -> pd.Series:
    times = MINUTES.copy()
    times[first:end] += pd.Timedelta(by)
    return times


def lines(folder: Path, times: pd.Series) -> list[str]:
    values = np.arange(float(len(times)))
    pd.DataFrame({"time": times, "s0": values, "s1": -values, "series": "p"}).to_parquet(folder / "rows.parquet")
    return said(layout_for(folder / "rows.parquet", Hints(), a_definition()))


def test_one_time_of_the_future_is_named(tmp_path: Path) -> None:
    place = "row 1,990 of 'p' at 2058-09-21T09:10:00Z"
    assert lines(tmp_path, shifted(1990, 1991, "11890D")) == [
        f"warning: 1 of 2,000 readings is {FAR}: {place}{LATE}{CORRECT}"
    ]


def test_a_clock_that_lost_its_battery_is_named_once(tmp_path: Path) -> None:
    ordered, warned = lines(tmp_path, shifted(1000, 1100, "-11000D"))
    assert ordered == "put in order: 100 of 2,000 readings stood behind later ones of their series"
    place = "row 1,000 of 'p' at 1996-01-19T16:40:00Z and 99 after it"
    assert warned == f"warning: 100 of 2,000 readings are {FAR}: {place}{CORRECT}"


@pytest.mark.parametrize(("by", "behind"), [("-1h30s", 60), ("-15min30s", 15)])
def test_a_clock_that_is_set_back_is_named_whether_or_not_the_rows_are_put_in_order(
    tmp_path: Path, by: str, behind: int
) -> None:
    (line,) = lines(tmp_path, shifted(1000, 2000, by))
    sorted_ = behind > 20
    assert line.startswith("put in order: " if sorted_ else "warning: ")
    back = (MINUTES[1000] + pd.Timedelta(by)).strftime("%FT%TZ")
    clock = f"row 1,000 of 'p', from 2026-03-02T16:39:00Z to {back}; correct the times of one side"
    assert f"{behind} of 2,000 readings stood behind" in line
    assert clock in line
    assert ("the readings behind are late" in line) != sorted_


@pytest.mark.parametrize("blocks", [False, True])
def test_a_clock_that_is_set_back_is_named_in_long_data(tmp_path: Path, blocks: bool) -> None:
    rows = pd.DataFrame({"time": shifted(1000, 2000, "-1h30s"), "s0": 1.0, "s1": 2.0, "row": range(2000)})
    long = rows.melt(["time", "row"], var_name="sensor").sort_values("sensor" if blocks else "row", kind="stable")
    long.drop(columns="row").assign(series="p").to_parquet(tmp_path / "rows.parquet")
    policy = a_policy(interval_ns=60 * SECOND, max_gap_ns=600 * SECOND, resample="last")
    (line,) = said(layout_for(tmp_path / "rows.parquet", Hints(), a_definition(policy=policy)))
    clock = "of 'p', from 2026-03-02T16:39:00Z to 2026-03-02T15:39:30Z; "
    first, second = (1000, 3000) if blocks else (2000, 2001)
    assert f"set back: row {first:,} {clock}row {second:,} {clock}correct" in line


def test_late_readings_and_histories_in_pieces_are_no_fault(tmp_path: Path) -> None:
    late = MINUTES.copy()
    late[[500, 501, 900, 901]] = late[[501, 500, 901, 900]].to_numpy()
    assert lines(tmp_path, late) == []
    assert lines(tmp_path, shifted(1900, 2000, "200D")) == []
    assert lines(tmp_path, shifted(1000, 2000, "8000D")) == []
