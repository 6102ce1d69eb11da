"""Odd distributions: found where they are, whatever the sensor and the length of history; nothing said of good ones."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from training.vetting.finding import Finding, Kind
from training.vetting.vet import vet

Float64s = NDArray[np.float64]
MINUTE = 60_000_000_000
# 2023-11-14T22:00:00Z
START = 1_699_999_200_000_000_000


def pressure(rows: int, seed: int = 0) -> Float64s:
    """A wave, a daily cycle and noise; about 5, spread 0.3."""
    place, noise = np.arange(rows), np.random.default_rng(seed).standard_normal(rows)
    return 5 + 0.3 * np.sin(place / 48) + 0.1 * np.cos(place * 2 * np.pi / 1440) + 0.05 * noise


def found_in(values: Float64s, series: int = 1) -> list[Finding]:
    rows = len(values) // series
    time = np.tile(START + np.arange(rows) * MINUTE, series)
    which, names = np.repeat(np.arange(series, dtype=np.int32), rows), tuple(f"pump-{n}" for n in range(series))
    return list(vet(values[:, None], time, ("p",), which, names))


def minutes(found: Finding) -> int:
    """Minutes from the start of the history to the first row of a finding."""
    first = np.datetime64(found.first[0].time.removesuffix("Z"), "ns").astype(np.int64)
    return (int(first) - START) // MINUTE


def changed(rows: int, part: slice, change: Callable[[Float64s], Float64s]) -> Float64s:
    values = pressure(rows)
    values[part] = change(values[part])
    return values


JUMPS: dict[str, Callable[[Float64s], Float64s]] = {
    "bar to kPa": lambda bar: bar * 100,
    "C to F": lambda celsius: celsius * 1.8 + 32,
    "a gauge with an offset": lambda value: value + 3,
}


@pytest.mark.parametrize("rows", [600, 6000, 40_000])
@pytest.mark.parametrize("jump", JUMPS)
def test_another_unit_or_gauge_is_a_level_jump_with_its_first_row(jump: str, rows: int) -> None:
    at = rows * 3 // 5
    (found,) = found_in(changed(rows, slice(at, None), JUMPS[jump]))
    assert (found.kind, found.refused) == (Kind.LEVEL_JUMP, False)
    assert abs(minutes(found) - at) <= 2


def test_noise_that_grows_for_good_is_a_spread_jump() -> None:
    noise = np.random.default_rng(0).standard_normal(6000)
    noise[3000:] *= 5
    (found,) = found_in(noise)
    assert found.kind == Kind.SPREAD_JUMP
    assert abs(minutes(found) - 3000) <= 5


@pytest.mark.parametrize("seed", range(8))
def test_cycles_switches_trends_walks_and_episodes_do_not_jump(seed: int) -> None:
    draw, place = np.random.default_rng(seed), np.arange(6000)
    noise = draw.standard_normal(6000)
    good = {
        "cycle": 5 * np.sin(place / 229) + noise,
        "switched": (place // draw.integers(200, 500) % 2) * 10 + noise,
        "trend": place / 600 + noise,
        "walk": np.cumsum(noise),
        "tails": draw.standard_t(3, 6000),
        "bursts": draw.lognormal(0, 1, 6000),
        "episode": noise + 30.0 * ((place > 4000) & (place < 4400)),
        "setting": np.where(place > 3500, 7.0, 5.0) + 1e-3 * (place % 7 == 0),
    }
    odd = vet(np.column_stack(list(good.values())), START + place * MINUTE, tuple(good))
    assert not [one.text for one in odd if one.kind in (Kind.LEVEL_JUMP, Kind.SPREAD_JUMP)]


def test_single_values_far_outside_are_wild_with_their_rows() -> None:
    values = pressure(3000)
    values[[100, 2000]] = 40.0, -7.5
    (found,) = found_in(values)
    assert (found.kind, found.rows, found.refused) == (Kind.WILD, 2, False)
    assert [place.time for place in found.first] == ["2023-11-14T23:40:00Z", "2023-11-16T07:20:00Z"]
    assert "-7.5 to 40; all others are between 4." in found.text


def test_a_stretch_of_very_wild_values_is_named_though_others_lie_between() -> None:
    values, draw = pressure(3000), np.random.default_rng(0)
    values[1000:1100] += 500 * draw.standard_normal(100)
    (found,) = found_in(values)
    assert found.kind == Kind.WILD
    assert 80 <= (found.rows or 0) <= 100
    assert found_in(draw.lognormal(0, 3, 3000)) == []


@pytest.mark.parametrize("step", [0.2, 0.5])
def test_coarse_even_steps_are_quantised(step: float) -> None:
    values = np.round((pressure(3000) + 0.3 * np.random.default_rng(1).standard_normal(3000)) / step) * step
    (found,) = found_in(values)
    assert found.kind == Kind.QUANTISED
    assert f"moves in steps of {step:g}" in found.reason


def test_fine_steps_states_and_counts_are_not_quantised() -> None:
    place, draw = np.arange(3000), np.random.default_rng(0)
    for good in (np.round(pressure(3000), 2), (place // 50 % 4).astype(float), draw.poisson(0.2, 3000).astype(float)):
        assert found_in(good) == []


@pytest.mark.parametrize(("sign", "limit"), [(1, "maximum, 5.2"), (-1, "minimum, -5.2")])
def test_a_limit_that_cuts_values_off_is_named(sign: int, limit: str) -> None:
    (found,) = found_in(sign * np.minimum(pressure(3000), 5.2))
    assert found.kind == Kind.CLIPPED
    assert limit in found.reason
    assert found.rows == (pressure(3000) >= 5.2).sum()


def test_a_rate_that_often_is_zero_is_not_clipped() -> None:
    assert found_in(np.maximum(pressure(3000) - 5, 0)) == []


def test_a_finding_in_some_series_names_them_and_one_in_all_names_none() -> None:
    fleet = np.concatenate([pressure(1000, seed) + 10 * seed for seed in range(4)])
    fleet[1500] = fleet[3500] = 1000.0
    (found,) = found_in(fleet, series=4)
    assert (found.series, found.rows) == (("pump-1", "pump-3"), 2)
    assert [place.series for place in found.first] == ["pump-1", "pump-3"]
    assert "p: wild in pump-1, pump-3, 1000; all others" in found.text
    fleet[[500, 2500]] = 1000.0
    assert found_in(fleet, series=4)[0].series == ()


def test_nearly_a_copy_is_named_and_one_shared_event_makes_none() -> None:
    values, draw = pressure(3000), np.random.default_rng(0)
    other = pressure(3000, seed=1)[::-1].copy()
    event = np.where(np.arange(3000) == 1500, 100.0, 0.0)
    table = np.column_stack([values, 14.5 * values + 0.01 * draw.standard_normal(3000), values + event, other + event])
    found = vet(table, START + np.arange(3000) * MINUTE, ("bar", "psi", "a", "b"))
    assert [(one.sensor, one.kind) for one in found if one.kind != Kind.WILD] == [("psi", Kind.NEAR_COPY)]


def test_a_sensor_that_rarely_moves_is_named_with_what_a_move_counts() -> None:
    """A set point of 70 with three values of 70.1: each counts as 37 deviations."""
    values = np.full(4000, 70.0)
    values[[100, 2000, 3900]] = 70.1
    (found,) = found_in(values)
    assert (found.kind, found.rows, found.refused) == (Kind.RESTING, 3, False)
    assert found.reason == "70 but for 0.07% of the values; such a move is 37 deviations"
    values[:41] = 70.1
    assert not found_in(values)
