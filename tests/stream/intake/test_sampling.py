"""Steps between readings on one clock, whatever the order and the batches."""

import numpy as np

from stream.intake.columns import LongReadings, Readings
from stream.intake.sampling import steps

SECOND = 1_000_000_000


def wide(time_s: list[float], series: list[str]) -> Readings:
    names = tuple(dict.fromkeys(series))
    return Readings(
        names, np.array([names.index(name) for name in series], np.int32),
        (np.array(time_s) * SECOND).astype(np.int64), np.zeros((len(time_s), 1)), np.arange(len(time_s)),
    )  # fmt: skip


def long(time_s: list[float], series: list[str], sensor: list[int], sensors: int = 2) -> LongReadings:
    rows = wide(time_s, series)
    return LongReadings(
        rows.names, rows.series, rows.time, np.array(sensor, np.int32), np.zeros(len(rows)), rows.position, sensors
    )


def test_the_usual_step_of_a_series_is_the_median_over_all_batches_and_repeats_do_not_count() -> None:
    batches = [wide([0, 0, 10], ["a"] * 3), wide([7], ["b"]), wide([20, 20, 50], ["a"] * 3)]
    assert steps(batches).medians() == {"a": 10 * SECOND}
    assert steps([wide([5, 1, 3], ["a"] * 3)]).medians() == {"a": 2 * SECOND}
    assert steps([]).medians() == {}


def test_a_long_series_has_a_clock_for_each_sensor() -> None:
    """Two sensors a minute apart, 7 s after one another; a sensor that was left out has a clock of its own."""
    batches = [
        long([0, 7, 60, 67], ["a", "a", "a", "a"], [0, 1, 0, 1]),
        long([1, 120, 127, 3], ["b", "a", "a", "b"], [1, 0, 1, 1]),
        long([5, 6], ["b", "a"], [-1, -1]),
    ]
    found = steps(batches)
    assert found.medians() == {"a": 60 * SECOND, "b": 2 * SECOND}
    assert (found.step // SECOND).tolist() == [60, 60, 60, 60, 2]
    assert [found.names[of] for of in found.series.tolist()] == ["a", "a", "a", "a", "b"]
