"""Intervals of dependent levels, and tails beyond the data, against known truth."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream.errors import DataError
from training.calibration.tail import PEAKS, block_maxima, blocks, excursions, quantile_interval, resampled_tails

Floats = NDArray[np.float64]


def one_block_each(count: int) -> NDArray[np.int64]:
    return np.arange(count, dtype=np.int64)


def smoothed(count: int, over: int, seed: int) -> Floats:
    """Moving means of exponential errors: neighbours share almost all of them, as levels do."""
    errors = np.random.default_rng(seed).exponential(size=count + over - 1)
    return np.convolve(errors, np.ones(over) / over, mode="valid")


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), max_size=60), size=st.integers(1, 15))
def test_values_share_a_block_when_they_share_a_series_and_a_stretch(rows: list[tuple[int, int]], size: int) -> None:
    series = np.array([s for s, _ in rows], np.int64)
    row = np.array([r for _, r in rows], np.int64)
    found = blocks(series, row, size).tolist()
    wanted = [(s, r // size) for s, r in rows]
    assert [wanted.index(key) for key in wanted] == [found.index(number) for number in found]
    assert set(found) == set(range(len(set(wanted))))


@settings(max_examples=100, deadline=None)
@given(values=st.lists(st.tuples(st.integers(0, 6), st.floats(-9, 9)), min_size=1, max_size=40))
def test_a_block_maximum_is_the_largest_of_its_block(values: list[tuple[int, float]]) -> None:
    block = blocks(np.array([b for b, _ in values]), np.zeros(len(values), np.int64), 1)
    slow: dict[int, float] = {}
    for number, (_, value) in zip(block.tolist(), values, strict=True):
        slow[number] = max(value, slow.get(number, -math.inf))
    assert block_maxima(np.array([v for _, v in values]), block).tolist() == [slow[b] for b in range(len(slow))]


@settings(max_examples=100, deadline=None)
@given(values=st.lists(st.integers(-20, 20), min_size=1, max_size=60), q=st.sampled_from([0.01, 0.3, 0.5, 0.9, 0.99]))
def test_the_point_is_the_smallest_value_that_few_enough_exceed(values: list[int], q: float) -> None:
    found = quantile_interval(np.array(values, float), one_block_each(len(values)), q, 0.9, seed=0)
    assert found.point == np.quantile(np.array(values, float), q, method="inverted_cdf")


def slow_interval(values: Floats, block: NDArray[np.int64], q: float, seed: int) -> tuple[float, float]:
    """Interval from 500 resamples, each of them all values of the drawn blocks, sorted."""
    draw, count = np.random.default_rng(seed), int(block.max()) + 1
    found = []
    for _ in range(500):
        sample = np.concatenate([values[block == b] for b in draw.integers(0, count, count)])
        found.append(np.quantile(sample, q, method="inverted_cdf"))
    low, high = np.quantile(found, [0.05, 0.95])
    return float(low), float(high)


@pytest.mark.parametrize("q", [0.05, 0.5, 0.9, 0.99])
def test_the_interval_is_that_of_putting_resampled_blocks_together(q: float) -> None:
    """Blocks of unequal size, and more values than the first read takes."""
    values = smoothed(6000, 30, seed=1)
    block = blocks(np.zeros(6000, np.int64), np.arange(6000) + 17, 150)
    found = quantile_interval(values, block, q, confidence=0.9, seed=3)
    assert (found.low, found.high) == pytest.approx(slow_interval(values, block, q, seed=3), rel=1e-12)
    assert found.low <= found.point <= found.high
    assert found.blocks == 41


def test_a_quantile_that_hangs_on_one_block_is_found_when_that_block_is_not_drawn() -> None:
    """All large values lie in one block. A third of the resamples lack it, and their quantile lies far below."""
    values = np.concatenate([np.full(2000, 9.0), np.zeros(20_000)])
    found = quantile_interval(values, blocks(np.zeros(22_000, np.int64), np.arange(22_000), 2000), 0.95, 0.9, seed=0)
    assert (found.low, found.point, found.high) == (0.0, 9.0, 9.0)


def test_smoothed_levels_taken_as_independent_would_make_the_interval_less_than_half_as_wide() -> None:
    values = smoothed(20_000, 40, seed=2)
    honest = quantile_interval(values, blocks(np.zeros(20_000, np.int64), np.arange(20_000), 72), 0.99, 0.9, seed=0)
    naive = quantile_interval(values, one_block_each(20_000), 0.99, 0.9, seed=0)
    assert honest.high - honest.low > 2 * (naive.high - naive.low)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    truth = float(np.quantile(smoothed(2_000_000, 20, seed=999), 0.95))
    block = blocks(np.zeros(3000, np.int64), np.arange(3000), 60)
    held = {"blocks": 0, "alone": 0}
    for seed in range(60):
        values = smoothed(3000, 20, seed)
        for kind, numbers in (("blocks", block), ("alone", one_block_each(3000))):
            found = quantile_interval(values, numbers, 0.95, 0.9, seed)
            held[kind] += found.low <= truth <= found.high
    assert held["blocks"] >= 45
    assert held["alone"] <= 35


def test_the_same_seed_gives_the_same_interval() -> None:
    values, block = smoothed(3000, 20, seed=0), blocks(np.zeros(3000, np.int64), np.arange(3000), 60)
    first, again, other = (quantile_interval(values, block, 0.9, 0.9, seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_one_block_has_no_spread_and_no_values_have_no_quantile() -> None:
    found = quantile_interval(np.arange(9.0), np.zeros(9, np.int64), 0.5, 0.9, seed=0)
    assert (found.low, found.point, found.high, found.blocks) == (4.0, 4.0, 4.0, 1)
    with pytest.raises(DataError, match="no values to compute a quantile of"):
        quantile_interval(np.zeros(0), np.zeros(0, np.int64), 0.5, 0.9, seed=0)


def median_tail(law: str, count: int, allowed: float) -> tuple[float, float]:
    """Median over 60 samples of the value that `allowed` are expected to exceed, and of the shape of the tails."""
    found = []
    for seed in range(60):
        draw = np.random.default_rng(seed)
        maxima = {
            "exponential": draw.exponential(2.0, count),
            "uniform": draw.random(count),
            "pareto": draw.pareto(4.0, count) + 1.0,
        }[law]
        tails = resampled_tails(excursions(maxima, one_block_each(count)), 50, seed)
        found.append((tails.exceeded_by(allowed), float(tails.shape.mean())))
    value, shape = np.median(found, axis=0)
    return float(value), float(shape)


@pytest.mark.parametrize(
    ("law", "truth", "shape"),
    [
        ("exponential", 2.0 * math.log(1e4), 0.0),
        ("uniform", 1.0 - 1e-4, -1.0),
        ("pareto", 1e4**0.25, 0.25),
    ],
)
def test_a_value_ten_times_rarer_than_the_data_is_found_for_laws_whose_tail_is_known(
    law: str, truth: float, shape: float
) -> None:
    """Rather too large than too small, since the value is by the mean of all possible tails."""
    value, found = median_tail(law, count=1000, allowed=0.1)
    assert value == pytest.approx(truth, rel=0.15)
    assert found == pytest.approx(shape, abs=0.12)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(10, 300), scale=st.sampled_from([1e-9, 1.0, 1e6]))
def test_rarer_values_are_larger_whatever_the_sample(seed: int, count: int, scale: float) -> None:
    maxima = scale * np.random.default_rng(seed).standard_cauchy(count) ** 2
    tails = resampled_tails(excursions(maxima, np.zeros(count, np.int64)), 20, seed)
    values = [tails.exceeded_by(allowed) for allowed in (100.0, 5.0, 1.0, 0.1, 1e-2, 1e-4)]
    assert all(rare >= common for common, rare in pairwise(values))
    assert ((tails.shape >= -1.0) & (tails.shape <= 0.5)).all()
    assert values[0] >= tails.threshold


def test_values_follow_the_units_of_the_sample() -> None:
    maxima, alone = np.random.default_rng(0).exponential(size=200), one_block_each(200)
    plain, scaled = (resampled_tails(excursions(m, alone), 50, 0).exceeded_by(0.1) for m in (maxima, 100 * maxima + 7))
    assert scaled == pytest.approx(100 * plain + 7)


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10_000), sizes=st.lists(st.integers(1, 30), min_size=1, max_size=6).filter(lambda n: sum(n) > 9)
)
def test_excursions_are_runs_of_blocks_above_where_there_are_most_of_them(seed: int, sizes: list[int]) -> None:
    draw = np.random.default_rng(seed)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    maxima = draw.permutation(len(owner)).astype(np.float64)
    found = excursions(maxima, owner)
    ordered = sorted(maxima.tolist())
    most = min(len(maxima) - 1, max(PEAKS, len(maxima) // 5))
    runs = {u: slow_runs(maxima.tolist(), owner.tolist(), u) for u in ordered[-most - 1 : -1]}
    assert found.heights.tolist() == runs[found.threshold]
    assert len(found.heights) == max(map(len, runs.values()))


def slow_runs(maxima: list[float], owner: list[int], threshold: float) -> list[float]:
    """The height of each run of neighbours above."""
    heights: list[float] = []
    for i, value in enumerate(maxima):
        goes_on = i > 0 and owner[i] == owner[i - 1] and maxima[i - 1] > threshold
        if value > threshold and goes_on:
            heights[-1] = max(heights[-1], value)
        elif value > threshold:
            heights.append(value)
    return heights


def test_equal_maxima_have_no_tail() -> None:
    found = excursions(np.full(50, 3.0), np.zeros(50, np.int64))
    assert (found.threshold, len(found.heights)) == (3.0, 0)
    assert resampled_tails(found, 10, 0).exceeded_by(1e-6) == 3.0


def test_too_few_blocks_are_refused() -> None:
    with pytest.raises(DataError, match="a tail of 9 blocks, needed 10"):
        excursions(np.arange(9.0), np.zeros(9, np.int64))
