"""Sentinels: found whatever the code, its share and the other sensors; no state and no limit is refused."""

import subprocess
import sys

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream.errors import DataError
from stream.intake.columns import LongReadings, Readings
from stream.intake.tables.reader import Batch
from training.vetting.finding import Kind
from training.vetting.readings import reading_sentinels
from training.vetting.sentinels import Sentinel, likely_sentinels, setting
from training.vetting.vet import refuse, vet

Float64s = NDArray[np.float64]
ROWS = 2000
CODES = [-9999.0, 65535.0, 1e20, 999.9, -999.25, -32768.0, 9.96921e36, 123456.0, float(np.float32(-9999.9))]


def temperature(seed: int = 0) -> Float64s:
    return 60 + 2 * np.sin(np.arange(ROWS) / 48) + 0.2 * np.random.default_rng(seed).standard_normal(ROWS)


def with_code(code: float, share: float, seed: int = 0) -> Float64s:
    values = temperature(seed)
    values[np.random.default_rng(seed + 1).permutation(ROWS)[: int(share * ROWS)]] = code
    return values


def of_one(values: Float64s) -> list[Sentinel]:
    return list(likely_sentinels(values[:, None], ("temp",)))


@pytest.mark.parametrize("share", [0.002, 0.03, 0.4, 0.7])
@pytest.mark.parametrize("code", CODES)
def test_a_repeated_value_far_from_all_others_is_no_measurement(code: float, share: float) -> None:
    values = with_code(code, share)
    (found,) = of_one(values)
    assert (found.value, found.clear, found.share) == (code, True, share)
    assert found.rows.tolist() == np.flatnonzero(values == code).tolist()
    assert 57 < found.low < found.high < 63


def test_several_codes_of_a_sensor_are_all_found() -> None:
    values = temperature()
    for place, code in enumerate((-9999.0, -8888.0, 65535.0, 1e20)):
        values[place : place + 400 : 100] = code
    assert [one.value for one in of_one(values)] == [-9999.0, -8888.0, 65535.0, 1e20]
    assert all(one.clear for one in of_one(values))


@pytest.mark.parametrize("value", [0.0, -1.0, 850.0])
def test_a_value_that_may_be_real_is_named_and_not_clear(value: float) -> None:
    (found,) = of_one(with_code(value, 0.03))
    assert (found.value, found.clear) == (value, False)
    assert "machine that is off" in found.reason


def test_a_huge_value_beside_huge_ones_may_be_real() -> None:
    (found,) = of_one(np.where(np.arange(ROWS) % 40 == 0, 1e15, 3e17 * temperature()))
    assert not found.clear


def test_states_limits_and_bursts_are_no_sentinels() -> None:
    place, draw = np.arange(ROWS), np.random.default_rng(0)
    good = {
        "switch": (place // 70 % 2).astype(float),
        "rare": (place % 500 == 0).astype(float),
        "byte": np.where(place % 90 == 0, 255.0, place // 70 % 3),
        "off in a third": np.where(place // 100 % 3 == 0, 0.0, temperature()),
        "limited": np.minimum(temperature(), 61.0),
        "bursts": np.minimum(draw.lognormal(0, 2, ROWS), 500.0),
        "all nines": np.where(place % 2 == 0, 9999.0, 9998.0) + draw.integers(-50, 1, ROWS),
        "once": np.where(place == 77, -9999.0, temperature()),
    }
    assert likely_sentinels(np.column_stack(list(good.values())), tuple(good)) == ()


def test_a_code_is_found_in_one_of_unlike_series_in_one_that_has_nothing_else_and_in_short_ones() -> None:
    unlike = np.concatenate([temperature(s) * 10.0**s for s in range(6)])
    unlike[[500, 501, 502]] = -9999.0
    absent = np.concatenate([temperature(s) for s in range(3)])
    absent[ROWS : 2 * ROWS] = -9999.0
    short = temperature()
    short[::300] = -9999.0
    for values, series in ((unlike, 6), (absent, 3), (short, ROWS // 20)):
        which = np.repeat(np.arange(series, dtype=np.int32), len(values) // series)
        (found,) = likely_sentinels(values[:, None], ("temp",), which)
        assert (found.value, found.clear) == (-9999.0, True)


def test_a_code_among_states_is_found_if_no_state_has_such_a_number() -> None:
    for states in (np.zeros(ROWS), np.arange(ROWS) // 70 % 4.0):
        (found,) = of_one(np.where(np.arange(ROWS) % 40 == 0, 65535.0, states))
        assert (found.value, found.clear) == (65535.0, True)


def test_nines_beside_a_sensor_that_stands_still_are_no_measurement() -> None:
    (found,) = of_one(np.where(np.arange(ROWS) % 100 == 0, -9999.0, 20.0))
    assert (found.value, found.clear, found.high) == (-9999.0, True, 20.0)


def test_missing_and_few_values_have_no_sentinels() -> None:
    assert of_one(np.full(ROWS, np.nan)) == []
    assert of_one(temperature()[:20]) == []


NAMES = st.sampled_from(["temp", "P1.Druck [bar]", "on", "Flow [/h]", "a: b", '"', "# x", "é", "no", "1"])
VALUES = st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=3)


@given(proposed=st.dictionaries(NAMES, VALUES, min_size=1, max_size=4))
def test_the_setting_is_yaml_that_reads_back_to_the_bit(proposed: dict[str, list[float]]) -> None:
    key, _, value = setting(proposed).partition(": ")
    assert key == "frames.sentinels"
    assert yaml.safe_load(value) == proposed


def test_a_refusal_names_all_sensors_and_keeps_what_is_set() -> None:
    table = np.column_stack([with_code(-9999.0, 0.01), with_code(1e20, 0.02, 5), temperature(9)])
    names, time = ("temp", "P1 [bar]", "good"), np.arange(ROWS) * 1_000_000_000
    found = vet(table, time, names)
    assert [(one.sensor, one.kind, one.values) for one in found if one.refused] == [
        ("temp", Kind.SENTINEL, (-9999.0,)),
        ("P1 [bar]", Kind.SENTINEL, (1e20,)),
    ]
    with pytest.raises(DataError, match=r"h\.parquet: values that are no measurements") as refused:
        refuse(found, {"temp": (-1.0,)}, "h.parquet")
    assert '`frames.sentinels: {temp: [-1, -9999], "P1 [bar]": [1.0e+20]}` to read them as missing' in str(
        refused.value
    )
    assert '`frames.sentinels: {temp: [], "P1 [bar]": []}` if all values are real' in str(refused.value)
    assert "40 rows, first 1970-01-01T00:" in str(refused.value)
    real: dict[str, tuple[float, ...]] = {"temp": (), "P1 [bar]": ()}
    assert [one for one in vet(table, time, names, settled=real) if one.refused] == []


@pytest.mark.parametrize("long", [False, True])
def test_codes_are_found_in_readings_whose_means_hide_them(long: bool) -> None:
    """Two series in batches that name them in another order; a labelled reading does not count."""
    values = with_code(-9999.0, 0.01)
    labels, half = np.arange(ROWS) == np.flatnonzero(values == -9999.0)[0], ROWS // 2
    time, place = np.arange(ROWS) * 1_000_000_000, np.arange(ROWS)
    batches = []
    for part, names in ((slice(0, half), ("a", "b")), (slice(half, ROWS), ("b", "a"))):
        series = (place[part] % 2).astype(np.int32) if names == ("a", "b") else (1 - place[part] % 2).astype(np.int32)
        common = (names, series, time[part])
        columns: Readings | LongReadings = Readings(*common, values[part, None], place[part])
        if long:
            columns = LongReadings(*common, np.zeros(half, np.int32), values[part], place[part], 1)
        batches.append(Batch(columns, labels[part]))
    (found,) = reading_sentinels(batches, ("temp",), {})
    assert (found.values, found.rows, found.refused) == ((-9999.0,), 19, True)
    first = np.flatnonzero((values == -9999.0) & ~labels & (place % 2 == 0))[:3]
    times = [np.datetime64(one.time.removesuffix("Z"), "s").astype(int) for one in found.first if one.series == "a"]
    assert times == first.tolist()
    for settled in ((), (-9999.0,)):
        assert reading_sentinels(batches, ("temp",), {"temp": settled}) == ()


def test_proposals_need_no_torch() -> None:
    code = "import sys; import training.vetting.sentinels; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
