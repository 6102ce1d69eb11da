"""Steps between readings on one clock, whatever the order and the batches."""

import numpy as np
import pytest

from stream.intake.columns import LongReadings, Readings
from stream.intake.sampling import sampling, steps

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
    assert sampling(batches, 1).rows == {"a": 10 * SECOND}
    assert sampling([wide([5, 1, 3], ["a"] * 3)], 1).rows == {"a": 2 * SECOND}
    assert sampling([], 1).rows == {}


def test_a_long_series_has_a_clock_for_each_sensor() -> None:
    """Two sensors a minute apart, 7 s after one another; a sensor that was left out has a clock of its own."""
    batches = [
        long([0, 7, 60, 67], ["a", "a", "a", "a"], [0, 1, 0, 1]),
        long([1, 120, 127, 3], ["b", "a", "a", "b"], [1, 0, 1, 1]),
        long([5, 6], ["b", "a"], [-1, -1]),
    ]
    assert sampling(batches, 2).rows == {"a": 60 * SECOND, "b": 2 * SECOND}
    assert (steps(batches) // SECOND).tolist() == [60, 60, 60, 60, 2]


def rows_of(seconds: float, count: int, name: str = "a", every: tuple[int, ...] = (1, 1)) -> Readings:
    """Rows of one series; sensor f has a value in each `every[f]`th row."""
    rows = wide([seconds * at for at in range(count)], [name] * count)
    at = np.arange(count)[:, None]
    values = np.where(at % np.array(every) == 0, 1.0, np.nan)
    return Readings(rows.names, rows.series, rows.time, values, rows.position)


@pytest.mark.parametrize("seconds", [97, 0.5, 300, 1.25])
def test_an_exact_regular_step_stays_what_it_is(seconds: float) -> None:
    found = sampling([rows_of(seconds, 50)], 2)
    assert found.interval == found.tick == found.widest_tick == int(seconds * SECOND)
    assert found.slowest is None


def test_a_step_with_jitter_is_written_as_a_person_would() -> None:
    jitter = np.random.default_rng(0).uniform(-0.01, 0.01, 200)
    found = sampling([wide((60 * np.arange(200) + jitter).tolist(), ["a"] * 200)], 1)
    assert found.interval == 60 * SECOND


def test_a_sensor_in_every_tenth_row_sets_the_tick_and_one_that_fell_silent_half_way_does_not() -> None:
    found = sampling([rows_of(1, 400, every=(1, 10))], 2)
    assert (found.interval, found.tick, found.slowest) == (SECOND, 10 * SECOND, 1)
    silent = rows_of(1, 400)
    silent.values[150:, 1] = np.nan
    assert sampling([silent], 2).tick == SECOND


def test_long_sensors_of_their_own_rates_are_seen_at_the_step_of_the_slowest() -> None:
    """Random steps of 13, 97 and 181 s on average; a sensor that was left out every 5,000 s plays no part."""
    draw = np.random.default_rng(1)
    times = [*np.cumsum(draw.exponential([[13], [97], [181]], (3, 400)), axis=1).reshape(-1).tolist()]
    times += (np.arange(30) * 5000).tolist()
    sensor = [0] * 400 + [1] * 400 + [2] * 400 + [-1] * 30
    found = sampling([long(times, ["a"] * len(times), sensor, 3)], 3)
    assert (found.tick, found.slowest) == (180 * SECOND, 2)
    assert abs(found.fastest / SECOND - 13) < 2


def test_one_rare_sensor_of_eight_does_not_set_the_tick() -> None:
    found = sampling([rows_of(1, 2000, every=(1, 1, 1, 1, 1, 1, 5, 500))], 8)
    assert found.tick == 5 * SECOND
    assert sampling([rows_of(1, 2000, every=(1, 1, 500))], 3).tick == 600 * SECOND, "one of three is not few"


def test_series_of_unlike_rates_have_one_tick_in_which_all_are_seen() -> None:
    found = sampling([rows_of(60, 300), rows_of(600, 30, "b"), rows_of(60, 300, "c"), rows_of(9000, 4, "d")], 2)
    assert found.rows == {"a": 60 * SECOND, "b": 600 * SECOND, "c": 60 * SECOND, "d": 9000 * SECOND}
    assert (found.interval, found.widest_tick) == (60 * SECOND, 600 * SECOND), "four readings tell no rate"
    assert set(found.whole) == {"a", "b", "c"}


def test_without_two_times_there_is_no_interval() -> None:
    assert sampling([], 2).interval is None
    assert sampling([rows_of(1, 1)], 2).tick is None


def test_a_long_reading_without_a_value_is_no_sign_of_its_sensor() -> None:
    """A hub repeats `unavailable` every second for a sensor that has a value once a minute."""
    every = long([*range(600), *range(0, 600, 60)], ["a"] * 610, [0] * 600 + [1] * 10)
    every.value[:600] = np.where(np.arange(600) % 60 == 30, 1.0, np.nan)
    assert sampling([every], 2).tick == 60 * SECOND


def test_two_steps_are_no_regular_rate() -> None:
    assert sampling([wide([0, 14.97, 90.3], ["a"] * 3)], 1).interval == 60 * SECOND
