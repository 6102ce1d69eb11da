"""Findings about bad sensors before training, and none about good ones."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream.errors import DataError
from training.vetting.finding import Finding, Kind, by_weight, doubts
from training.vetting.vet import vet

ROWS = 3000
SECOND = 1_000_000_000
TIME = 1_700_000_000 * SECOND + np.arange(ROWS, dtype=np.int64) * SECOND


def vetted(**sensors: NDArray[np.float64]) -> dict[str, Finding]:
    found = vet(np.column_stack(list(sensors.values())), TIME, tuple(sensors))
    assert len({finding.sensor for finding in found}) == len(found)
    return {finding.sensor: finding for finding in found}


def noise(seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal(ROWS)


def test_good_sensors_are_not_blamed() -> None:
    """Noise, a wave, a slow drift in noise, a switch, a random walk, and a noisy near-copy."""
    place = np.arange(ROWS)
    assert not vetted(
        noise=noise(),
        wave=np.sin(place / 50),
        drift=place / 1000 + noise(1),
        switch=(place // 700 % 2).astype(float),
        walk=np.cumsum(noise(2)),
        setting=np.where(place > 1500, 7.0, 5.0),
        near=noise() + 0.1 * noise(3),
    )


@pytest.mark.parametrize("level", [0.0, 5.5, -1e9])
def test_a_sensor_that_never_moves_is_flat(level: float) -> None:
    found = vetted(stuck=np.full(ROWS, level), good=noise())
    assert list(found) == ["stuck"]
    assert found["stuck"] == Finding("stuck", Kind.FLAT, f"always {level:g}")


def test_a_sensor_that_is_absent_in_most_rows_is_missing() -> None:
    half, most = noise(), noise(1)
    half[: ROWS // 2] = np.nan
    most[: ROWS * 3 // 5] = np.inf
    found = vetted(half=half, most=most, none=np.full(ROWS, np.nan))
    assert {name: finding.kind for name, finding in found.items()} == {"most": Kind.MISSING, "none": Kind.MISSING}
    assert found["most"].reason == "missing in 60.0% of 3000 rows"


@pytest.mark.parametrize("sign", [1, -1])
def test_a_sum_that_only_grows_is_a_counter_even_if_it_starts_over(sign: int) -> None:
    litres = np.cumsum(np.random.default_rng(0).gamma(0.3, size=ROWS) ** 2)
    restarted = litres - np.where(np.arange(ROWS) > 2000, litres[2000], 0)
    found = vetted(litres=sign * litres, restarted=sign * restarted, good=noise())
    assert {name: finding.kind for name, finding in found.items()} == {
        "litres": Kind.COUNTER,
        "restarted": Kind.COUNTER,
    }
    assert ("only rises" if sign > 0 else "only falls") in found["litres"].reason


def test_a_value_linear_in_time_is_a_clock() -> None:
    found = vetted(hours=TIME / 3.6e12, left=100 - np.arange(ROWS) / 7, good=noise())
    assert {name: finding.kind for name, finding in found.items()} == {"hours": Kind.CLOCK, "left": Kind.CLOCK}


def test_each_series_has_a_clock_and_a_counter_of_its_own() -> None:
    """Two series, one after the other. The fall between them is no reset and does not hide the clock."""
    series, time = np.repeat(np.array([0, 1], np.int32), 40), np.tile(np.arange(40) * SECOND, 2)
    steps = np.random.default_rng(0).random(80) ** 6
    values = np.column_stack([np.tile(np.arange(40.0), 2) + 500 * series, np.cumsum(steps) - 90 * series, noise()[:80]])
    found = vet(values, time, ("clock", "counter", "good"), series)
    assert {finding.sensor: finding.kind for finding in found} == {"clock": Kind.CLOCK, "counter": Kind.COUNTER}


def test_of_equal_sensors_the_first_is_kept() -> None:
    value, other = noise(), noise(1)
    found = vetted(celsius=value, other=other, fahrenheit=value * 1.8 + 32, twin=value, reverse=-other)
    assert {name: finding.kind for name, finding in found.items()} == dict.fromkeys(
        ["fahrenheit", "twin", "reverse"], Kind.DUPLICATE
    )
    assert "a copy of 'celsius'" in found["twin"].reason
    assert "a copy of 'other'" in found["reverse"].reason


def test_a_copy_is_found_across_missing_values_and_large_offsets() -> None:
    value = noise()
    value[100:200] = np.nan
    assert list(vetted(a=value, b=1e6 + value)) == ["b"]


def test_correlations_in_chunks_agree_with_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    """The correlation of copies is that of pandas, for any size of chunk."""
    monkeypatch.setattr("training.vetting.copies.CHUNK", 700)
    value = noise()
    close = value + 1.2e-3 * noise(1)
    expected = float(pd.Series(value).corr(pd.Series(close)))
    assert expected > 0.999999
    assert f"correlation {expected:.6f}" in vetted(a=value, b=close)["b"].reason


def test_findings_come_in_the_order_of_the_sensors() -> None:
    value = noise()
    assert list(vetted(a=value, b=value, c=np.zeros(ROWS), d=value, e=TIME / 1e9)) == ["b", "c", "d", "e"]


def test_two_rows_are_enough_to_say_something_and_none_are_not() -> None:
    assert [f.kind for f in vet(np.array([[1.0, 2.0], [1.0, 3.0]]), TIME[:2], ("a", "b"))] == [Kind.FLAT]
    with pytest.raises(DataError, match=r"values \(0, 2\) for 0 rows and 2 sensors"):
        vet(np.zeros((0, 2)), TIME[:0], ("a", "b"))


def test_what_a_person_must_judge_comes_first_and_is_warned_of() -> None:
    kinds = [Kind.FLAT, Kind.WILD, Kind.QUANTISED, Kind.LEVEL_JUMP, *[Kind.WILD] * 4, Kind.COUNTER, Kind.SENTINEL]
    found = [Finding(f"s{place}", kind, "odd") for place, kind in enumerate(kinds)]
    told = [one.sensor for one in by_weight(found)]
    assert told == ["s9", "s3", "s1", "s4", "s5", "s6", "s7", "s2", "s0", "s8"]
    assert doubts(found) == [
        "s9: sentinel, odd", "s3: level jump, odd", "s1: wild, odd", "s4: wild, odd", "s5: wild, odd",
        "2 more findings, see `vetting`",
    ]  # fmt: skip


EXTREMES = [0.0, -0.0, 1.0, 5e-324, 1e-300, 1e308, -1e308, 1e20, -9999.0, np.nan, np.inf, -np.inf]


@given(seed=st.integers(0, 1 << 20), rows=st.sampled_from([1, 2, 49, 50, 333, 1000]), part=st.floats(0, 1))
def test_any_values_are_vetted_without_a_fault(seed: int, rows: int, part: float) -> None:
    """Extremes of floats, nothing at all, and series of any length; each finding has a sentence."""
    draw = np.random.default_rng(seed)
    values = draw.standard_normal((rows, 3)) * draw.choice([1.0, 1e-310, 1e300], 3)
    odd = draw.random((rows, 3)) < part
    values[odd] = draw.choice(np.array(EXTREMES)[draw.integers(len(EXTREMES), size=3)], int(odd.sum()))
    series = np.sort(draw.integers(0, 4, rows)).astype(np.int32)
    found = vet(values, TIME[:1] + np.arange(rows), ("a", "b", "c"), series, ("w", "x", "y", "z"))
    assert all(one.text.startswith(f"{one.sensor}: {one.kind}") for one in found)
    assert [one.sensor for one in found] == sorted(one.sensor for one in found)
