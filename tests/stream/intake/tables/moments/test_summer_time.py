"""Traces of summer time in times without a zone."""

import numpy as np
import pandas as pd
import pytest

from stream.intake.columns import Int64s
from stream.intake.tables.moments.summer_time import summer_time


def wall(zone: str, start: str, end: str, step: str) -> Int64s:
    """Wall clock times of a zone, ns, as they are written without it."""
    utc = pd.date_range(start, end, freq=step, tz="UTC", inclusive="left")
    return np.asarray(utc.tz_convert(zone).tz_localize(None).as_unit("ns"), "M8[ns]").astype(np.int64)


@pytest.mark.parametrize(
    ("zone", "like", "hours"),
    [
        ("Europe/Vienna", "Europe/Berlin", ("2025-03-30 02:00", "2025-10-26 02:00")),
        ("Europe/London", "Europe/London", ("2025-03-30 01:00", "2025-10-26 01:00")),
        ("America/Chicago", "America/New_York", ("2025-03-09 02:00", "2025-11-02 01:00")),
        ("Australia/Sydney", "Australia/Sydney", ("2025-10-05 02:00", "2025-04-06 02:00")),
    ],
)
@pytest.mark.parametrize("step", ["10min", "1h"])
def test_a_wall_clock_is_known_by_both_changes(zone: str, like: str, hours: tuple[str, str], step: str) -> None:
    found = summer_time(wall(zone, "2025-01-01", "2025-12-31", step))
    assert found is not None
    assert f"the hour {hours[0]} is missing" in found
    assert f"the hour {hours[1]} comes twice" in found
    assert found.endswith(f"as in {like}")


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_a_clock_without_changes_leaves_no_trace(zone: str) -> None:
    assert summer_time(wall(zone, "2025-01-01", "2025-12-31", "10min")) is None


def test_hours_that_miss_at_random_are_no_trace() -> None:
    draw = np.random.default_rng(0)
    times = wall("UTC", "2024-01-01", "2025-12-31", "10min")
    hours = times // (3600 * 10**9)
    assert summer_time(times[~np.isin(hours, draw.choice(np.unique(hours), 500))]) is None
    assert summer_time(times[:3]) is None
