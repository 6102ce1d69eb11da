"""Floors are fitted on the fit rows and score row by row, without later rows."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from stream.errors import DataError
from tests.real_data.cases import labels_of, skab
from training.metrics.floors import FLOORS, Floor, Score, isolation_forest, max_abs_z, pca_error, random_score
from training.metrics.ranking import rank

Floats = NDArray[np.float64]
EVERY = pytest.mark.parametrize("floor", FLOORS.values(), ids=FLOORS.keys())


def rows(count: int, sensors: int = 5, seed: int = 0) -> Floats:
    """Correlated sensors on different scales, the last one constant."""
    draw = np.random.default_rng(seed)
    mixed = draw.normal(size=(count, sensors)) @ np.random.default_rng(1).normal(size=(sensors, sensors))
    mixed[:, -1] = 0.1
    scaled: Floats = mixed * 10.0 ** np.arange(sensors) + 7
    return scaled


@cache
def fitted(floor: Floor) -> Score:
    return floor(rows(60))


@EVERY
@settings(max_examples=20)
@given(seed=st.integers(0, 99), cut=st.integers(0, 40))
def test_later_rows_change_no_score(floor: Floor, seed: int, cut: int) -> None:
    """A stream that ends earlier has the same scores, too."""
    score, live = fitted(floor), rows(40, seed=seed)
    changed = np.vstack([live[:cut], 1e6 * rows(40 - cut, seed=seed + 1)])
    before = score(live)[:cut]
    assert np.array_equal(score(changed)[:cut], before)
    np.testing.assert_allclose(score(live[:cut]), before, rtol=1e-9, atol=1e-12)


@EVERY
def test_each_row_has_one_score_never_below_0_and_equal_in_every_run(floor: Floor) -> None:
    live = rows(50, seed=3)
    live[7, 2], live[8] = np.nan, np.inf
    score = floor(rows(80))(live)
    assert score.shape == (50,)
    assert np.isfinite(score).all()
    assert (score >= 0).all()
    assert np.array_equal(floor(rows(80))(live), score)


@pytest.mark.parametrize("floor", [max_abs_z, pca_error])
@given(seed=st.integers(0, 99))
def test_units_of_the_sensors_do_not_matter(floor: Floor, seed: int) -> None:
    fit, live, unit = rows(60), rows(20, seed=seed), 10.0 ** np.arange(-2, 3)
    np.testing.assert_allclose(floor(fit * unit - 3)(live * unit - 3), floor(fit)(live), rtol=1e-6, atol=1e-9)


def test_the_largest_deviation_of_any_sensor_is_the_score() -> None:
    score = max_abs_z(np.array([[0.0, 10.0], [2.0, 30.0]]))  # means 1 and 20, deviations 1 and 10
    assert score(np.array([[1.0, 20.0], [4.0, 20.0], [2.0, -20.0], [np.nan, 25.0]])).tolist() == [0.0, 3.0, 4.0, 0.5]


def test_the_reconstruction_is_that_of_the_components_that_hold_90_percent_of_the_variance() -> None:
    """As by scikit-learn's PCA, which finds the components by another algorithm."""
    fit, live = rows(500), rows(200, seed=9)
    deviation = np.where(fit.std(axis=0) > 1e-6, fit.std(axis=0), 1.0)
    z, unseen = ((part - fit.mean(axis=0)) / deviation for part in (fit, live))
    pca = PCA(0.9, svd_solver="full").fit(z)
    assert 1 <= pca.n_components_ < 5
    error = np.square(unseen - pca.inverse_transform(pca.transform(unseen))).mean(axis=1)
    np.testing.assert_allclose(pca_error(fit)(live), error, rtol=1e-9, atol=1e-12)


def test_a_single_sensor_is_reconstructed_without_error_and_constants_are_not_reconstructed_at_all() -> None:
    assert pca_error(rows(50)[:, :1])(rows(9, seed=2)[:, :1]).tolist() == [0.0] * 9
    assert pca_error(np.zeros((5, 2)))(np.array([[0.0, 0.0], [3.0, 1.0]])).tolist() == [0.0, 5.0]


def test_random_scores_of_two_series_have_nothing_in_common() -> None:
    """With equal scores one lucky draw would find the events of all series that have them in the same places."""
    one, same, other = (random_score(rows(60, seed=seed))(rows(500, seed=9)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.15
    later = random_score(rows(60, seed=1))(rows(500, seed=8))
    assert abs(np.corrcoef(one, later)[0, 1]) < 0.15


def test_a_row_set_apart_is_found_by_the_forest() -> None:
    live = rows(50, seed=4)
    live[20] += 1e6
    assert int(np.argmax(isolation_forest(rows(500))(live))) == 20


def test_a_sensor_without_a_value_in_the_fit_rows_does_not_count() -> None:
    fit, live = rows(60), rows(9, seed=5)
    fit[:, 3] = np.nan
    assert np.array_equal(max_abs_z(fit)(live), max_abs_z(np.delete(fit, 3, axis=1))(np.delete(live, 3, axis=1)))
    with pytest.raises(DataError, match=r"fit rows \(0, 5\); a floor is fitted on at least one row"):
        max_abs_z(fit[:0])


@pytest.mark.parametrize(
    ("floor", "auc_roc", "auc_pr"),
    [(max_abs_z, 0.761, 0.787), (pca_error, 0.663, 0.691), (isolation_forest, 0.742, 0.734)],
)
def test_floors_on_skab_are_those_published_with_the_data(
    floor: Floor, auc_roc: float, auc_pr: float, data: Path
) -> None:
    """Means over the 34 files, from the README of the data; those of the forest depend on its seed."""
    found = [
        rank(floor(asset.values(asset.history))(asset.values(asset.live)), labels_of(asset.live))
        for asset in skab(data).assets
    ]
    each = np.array([(one.auc_roc, one.auc_pr) for one in found], np.float64)
    assert each.mean(axis=0) == pytest.approx([auc_roc, auc_pr], abs=0.004 if floor is isolation_forest else 0.0005)
