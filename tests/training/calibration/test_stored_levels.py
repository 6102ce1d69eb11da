"""Stored levels give the same threshold as all levels, and thresholds for other promises without retraining."""

import io
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.detect.incidents.threshold import ThresholdTable
from stream.detect.policy import Rules
from stream.errors import BundleError, DataError
from stream.settings.detection import ThresholdSettings
from tests.support.builders import a_rules
from tests.training.calibration.levels import BLOCK, RULES, levels_of, slow, white
from training.calibration.calibrate import Calibration, calibrate, calibrate_stored
from training.calibration.levels import Levels
from training.calibration.stored_levels import StoredLevels, restored_levels, stored_table

PERCENTILE = ThresholdSettings(method="percentile")


def a_fleet(seed: int, series: int, rows: int, vetoed: float = 0.0) -> Levels:
    """Levels of several series, of which one is bursty and one far larger than the others; a share is vetoed."""
    draw = np.random.default_rng(seed)
    sizes = [1.0, 30.0, *[1.0] * series][:series]
    kinds = [slow if s % 2 else white for s in range(series)]
    levels = levels_of([kinds[s](draw, rows + 7 * s) * sizes[s] for s in range(series)])
    return replace(levels, vetoed=draw.random(len(levels)) < vetoed)


def through_the_bundle(levels: Levels, calibration: Calibration, rules: Rules) -> StoredLevels:
    file = io.BytesIO()
    pq.write_table(stored_table(levels, calibration, rules), file)
    return restored_levels(pq.read_table(file), calibration.table, levels.block, levels.weeks)


def again(levels: Levels, calibration: Calibration, rules: Rules, options: ThresholdSettings, seed: int) -> Calibration:
    """Calibrates from the levels that a bundle with this calibration stores."""
    kept = through_the_bundle(levels, calibration, rules)
    return calibrate_stored(kept, calibration.table, rules, options, seed)


def same(found: Calibration, expected: Calibration) -> bool:
    scales = np.array_equal(found.table.scale, expected.table.scale)
    return scales and found.table.names == expected.table.names and found.facts() == expected.facts()


OPTIONS = st.one_of(
    st.floats(0.2, 3000.0).map(lambda rate: ThresholdSettings(method="budget", alerts_per_week=rate)),
    st.floats(51.0, 99.999).map(lambda share: ThresholdSettings(method="percentile", percentile=share)),
)
RULES_OF_ALL_KINDS = st.builds(
    Rules, close_after=st.integers(1, 60), close_ratio=st.floats(0.05, 0.99), max_duration_ns=st.just(10**13)
)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    series=st.integers(1, 3),
    rows=st.integers(150, 700),
    vetoed=st.sampled_from([0.0, 0.3, 0.9, 1.0]),
    rules=RULES_OF_ALL_KINDS,
    options=OPTIONS,
)
def test_the_promise_they_were_kept_for_gives_the_same_threshold_and_facts_to_the_bit(
    seed: int, series: int, rows: int, vetoed: float, rules: Rules, options: ThresholdSettings
) -> None:
    levels = a_fleet(seed, series, rows, vetoed)
    trained = calibrate(levels, rules, options, seed)
    assert same(again(levels, trained, rules, options, seed), trained)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(300, 700),
    vetoed=st.sampled_from([0.0, 0.3, 0.9, 1.0]),
    rate=st.floats(0.2, 3000.0),
    rules=RULES_OF_ALL_KINDS,
)
def test_another_promise_or_other_rules_give_what_all_levels_would_or_a_larger_threshold(
    seed: int, rows: int, vetoed: float, rate: float, rules: Rules
) -> None:
    """Larger only where rules keep an incident open below the stored levels."""
    levels = a_fleet(seed, 2, rows, vetoed)
    kept = through_the_bundle(levels, calibrate(levels, RULES, PERCENTILE, seed), RULES)
    options = ThresholdSettings(method="budget", alerts_per_week=rate)
    expected = calibrate(levels, rules, options, seed)
    found = calibrate_stored(kept, expected.table, rules, options, seed)
    assert found.table.q >= expected.table.q
    if rules.close_ratio >= RULES.close_ratio:
        assert same(found, expected)


@pytest.mark.parametrize(
    ("promise", "half"),
    [
        (
            ThresholdSettings(method="budget", alerts_per_week=40.0),
            ThresholdSettings(method="budget", alerts_per_week=20.0),
        ),
        (
            ThresholdSettings(method="percentile", percentile=98.0),
            ThresholdSettings(method="percentile", percentile=99.0),
        ),
    ],
)
def test_levels_that_go_far_twice_as_often_today_call_for_the_threshold_of_half_the_promise(
    promise: ThresholdSettings, half: ThresholdSettings
) -> None:
    levels = a_fleet(5, 2, 1_500)
    trained = calibrate(levels, RULES, promise, 0)
    kept = through_the_bundle(levels, trained, RULES)
    found = calibrate_stored(replace(kept, rate=2.0), trained.table, RULES, promise, 0)
    expected = calibrate_stored(kept, trained.table, RULES, half, 0)
    assert found.table.q == expected.table.q > trained.table.q
    assert found.implied_per_week == 2.0 * expected.implied_per_week
    assert (found.rate, found.promised) == (2.0, trained.promised)


@pytest.mark.parametrize("percentile", [90.0, 97.0, 99.9, 99.99])
def test_another_percentile_gives_what_all_levels_would(percentile: float) -> None:
    levels = a_fleet(3, 3, 1_500)
    trained = calibrate(levels, RULES, ThresholdSettings(method="budget", alerts_per_week=20.0), 0)
    options = ThresholdSettings(method="percentile", percentile=percentile)
    found, expected = again(levels, trained, RULES, options, 0), calibrate(levels, RULES, options, 0)
    assert (found.table.q, found.q_point, found.extrapolated) == (
        expected.table.q,
        expected.q_point,
        expected.extrapolated,
    )


def test_a_percentile_below_the_kept_levels_is_refused_with_what_is_kept() -> None:
    levels = a_fleet(4, 2, 1_500)
    trained = calibrate(levels, RULES, PERCENTILE, 0)
    with pytest.raises(DataError, match=r"keeps levels from percentile \d+(\.\d)? on, not down to 55; ask for a high"):
        again(levels, trained, RULES, ThresholdSettings(method="percentile", percentile=55.0), 0)


def test_an_incident_that_would_stay_open_below_what_is_kept_keeps_the_promise_all_the_same() -> None:
    """Even where the smallest threshold that can be judged lies above all levels."""
    levels = a_fleet(5, 2, 1_500)
    trained = calibrate(levels, RULES, PERCENTILE, 0)
    kept = through_the_bundle(levels, trained, RULES)
    deep = a_rules(close_after=BLOCK, close_ratio=0.01)
    found = calibrate_stored(kept, trained.table, deep, ThresholdSettings(method="budget", alerts_per_week=500.0), 0)
    assert found.table.q == trained.ratio.max()
    assert found.implied_per_week == 0.0


def test_a_fifth_of_the_levels_or_a_little_more_is_kept_with_times_and_a_grid_below() -> None:
    levels = a_fleet(6, 4, 4_000)
    trained = calibrate(levels, RULES, ThresholdSettings(method="budget", alerts_per_week=20.0), 0)
    table = stored_table(levels, trained, RULES).to_pandas()
    kept, grid = table[table["series"].notna()], table[table["series"].isna()]
    ratio = trained.ratio
    assert 0.2 * len(levels) <= len(kept) <= 0.35 * len(levels)
    np.testing.assert_allclose(grid["quantile"], np.arange(len(grid)) / 100)
    ordered = np.sort(ratio)
    assert grid["ratio"].tolist() == [ordered[int(share * (len(ratio) - 1) + 1e-9)] for share in grid["quantile"]]
    assert (ratio >= grid["ratio"].iloc[-1]).sum() == (kept["ratio"] >= grid["ratio"].iloc[-1]).sum()
    row = kept.iloc[100]
    (at,) = np.flatnonzero((levels.series == int(row["series"][1:])) & (levels.time == row["time"].value))
    assert row["ratio"] == ratio[at]
    assert row["place"] == at - np.flatnonzero(levels.series == levels.series[at])[0]


def test_kept_levels_of_another_bundle_or_an_older_kind_are_refused() -> None:
    levels = a_fleet(7, 2, 500)
    trained = calibrate(levels, RULES, PERCENTILE, 0)
    table = stored_table(levels, trained, RULES)
    with pytest.raises(BundleError, match=r"stored levels: columns \['series'.*expected columns.*train again"):
        restored_levels(table.drop_columns(["place"]), trained.table, BLOCK, 1.0)
    lost = ThresholdTable(trained.table.names, trained.table.scale, trained.table.rows - 1, 1.0)
    with pytest.raises(BundleError, match="train again"):
        restored_levels(table, lost, BLOCK, 1.0)
    assert isinstance(table, pa.Table)
