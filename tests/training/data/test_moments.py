"""Location and spread that a few per cent of wild values cannot move."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from training.data.moments import FAR, moments

Values = NDArray[np.float64]
NAN, INF = float("nan"), float("inf")
ROWS = 1000
SHARES = st.floats(0.0, 0.08)


def clean(draw: np.random.Generator, sensors: int = 2) -> Values:
    """Rows of sensors with levels and spreads of very different size; their usual width is about 3 deviations."""
    spread = 10.0 ** draw.uniform(-6, 6, sensors)
    daily = np.sin(np.arange(ROWS) / draw.uniform(5, 100))[:, None]
    return (draw.uniform(-100, 100, sensors) + daily + 0.5 * draw.standard_normal((ROWS, sensors))) * spread


def contaminated(values: Values, share: float, kind: str, draw: np.random.Generator) -> Values:
    """A copy with `share` of its rows wild in the first sensor."""
    wild, width = values.copy(), float(np.ptp(values[:, 0]))
    rows = draw.choice(ROWS, int(share * ROWS), replace=False)
    out = {
        "one sentinel": np.full(len(rows), -99.0),
        "two, on both sides": draw.choice([-70.0, 1e6], len(rows)),
        "a cluster": draw.normal(200.0, 20.0, len(rows)),
        "of every size beyond": draw.uniform(FAR, 1e4, len(rows)),
    }[kind]
    wild[rows, 0] = values[:, 0].mean() + width * out
    return wild


@given(seed=st.integers(0, 2**32 - 1), missing=st.floats(0, 0.5))
def test_without_wild_values_moments_are_the_plain_ones_to_the_bit(seed: int, missing: float) -> None:
    draw = np.random.default_rng(seed)
    values = clean(draw)
    values[draw.random(values.shape) < missing] = NAN
    finite = np.isfinite(values)
    count = finite.sum(axis=0)
    mean = np.where(finite, values, 0.0).sum(axis=0) / count
    spread = np.sqrt((np.where(finite, values - mean, 0.0) ** 2).sum(axis=0) / count)
    seen = moments(values)
    assert (seen.mean.tolist(), seen.deviation.tolist()) == (mean.tolist(), spread.tolist())
    assert (seen.count.tolist(), seen.wild.tolist()) == (count.tolist(), [0, 0])


@given(
    seed=st.integers(0, 2**32 - 1),
    share=SHARES,
    kind=st.sampled_from(["one sentinel", "two, on both sides", "a cluster", "of every size beyond"]),
)
def test_a_few_per_cent_of_wild_values_change_nothing_but_the_count(seed: int, share: float, kind: str) -> None:
    """The oracle: numpy's mean and deviation of the rows that were left as they are."""
    draw = np.random.default_rng(seed)
    values = clean(draw)
    wild = contaminated(values, share, kind, draw)
    kept, seen = wild[:, 0] == values[:, 0], moments(wild)
    np.testing.assert_allclose(seen.mean, [values[kept, 0].mean(), values[:, 1].mean()], rtol=1e-9)
    np.testing.assert_allclose(seen.deviation, [values[kept, 0].std(), values[:, 1].std()], rtol=1e-9)
    assert seen.wild.tolist() == [int((~kept).sum()), 0]


@given(seed=st.integers(0, 2**32 - 1), size=st.floats(1.0, 1e6), share=st.floats(0.0, 0.03))
def test_wild_values_of_every_size_move_the_spread_by_no_more_than_their_share_allows(
    seed: int, size: float, share: float
) -> None:
    """Values between the usual ones and the far ones are not wild: a heavy tail is real. Their influence is bounded."""
    draw = np.random.default_rng(seed)
    values = draw.standard_normal((ROWS, 1))
    rows = draw.choice(ROWS, int(share * ROWS), replace=False)
    values[rows] = size * draw.standard_normal((len(rows), 1))
    width = float(np.diff(np.quantile(values, (0.1, 0.9)))[0])
    assert moments(values).deviation[0] <= 1.2 + np.sqrt(share) * (FAR + 1) * width


def test_a_heavy_tail_with_values_between_keeps_them_all() -> None:
    """Disk and network loads: no value stands apart from the next one."""
    tail = np.geomspace(1.0, 20.0, 30)
    values = np.concatenate([np.linspace(-1, 1, 970), tail])[:, None]
    assert moments(values).wild.tolist() == [0]
    np.testing.assert_allclose(moments(values).deviation, values.std(), rtol=1e-12)


@pytest.mark.parametrize("rare", [1.0, -9999.0])
def test_a_sensor_that_mostly_stands_still_keeps_its_moves(rare: float) -> None:
    """A door that opens seldom: nothing says how far is far."""
    values = np.zeros((1000, 1))
    values[::100] = rare
    assert moments(values).wild.tolist() == [0]
    np.testing.assert_allclose(moments(values).deviation, values.std())


def test_sensors_without_spread_or_without_a_value_have_none() -> None:
    values = np.array([[5.0, NAN, 1e9 + 1e-7], [5.0, INF, 1e9], [5.0, NAN, 1e9]])
    seen = moments(values)
    assert (seen.mean.tolist(), seen.deviation.tolist()) == ([5.0, 0.0, 1e9], [0.0, 0.0, 0.0])
    assert seen.count.tolist() == [3, 0, 3]


@pytest.mark.parametrize("huge", [-1.7e308, 1e300, 3.4028234663852886e38])
def test_values_near_the_limits_of_floats_are_wild_as_any_other(huge: float) -> None:
    """Fill values of binary formats. Their squares, and differences, overflow."""
    values = clean(np.random.default_rng(1), 1)
    wild = values.copy()
    wild[::50] = huge
    np.testing.assert_allclose(moments(wild).deviation, values[np.arange(ROWS) % 50 > 0].std(), rtol=1e-9)
