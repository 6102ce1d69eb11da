"""SKAB's F1, false alarm rate and missed alarm rate are those of its leaderboard, and have their properties."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream.errors import DataError
from tests.quality.published.skab import Confusion, pooled
from tests.real_data.cases import labels_of, skab
from training.metrics.floors import Floor, max_abs_z, pca_error

Bools = NDArray[np.bool_]


def bools(*values: int) -> Bools:
    return np.array(values, np.bool_)


def a_file() -> st.SearchStrategy[tuple[Bools, Bools]]:
    """Alarms and labels of up to 30 frames."""
    frames = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30)
    return frames.map(lambda pairs: (bools(*(a for a, _ in pairs)), bools(*(b for _, b in pairs))))


@pytest.mark.parametrize(
    ("counts", "published"),
    [
        (Confusion(9193, 1495, 9535, 3578), (0.78, 13.55, 28.02)),  # Conv-AE
        (Confusion(9589, 2936, 8094, 3182), (0.76, 26.62, 24.92)),  # T-squared + Q
        (Confusion(3173, 286, 10744, 9598), (0.39, 2.59, 75.15)),  # Vanilla AE
        (Confusion(2185, 282, 10748, 10586), (0.29, 2.56, 82.89)),  # Isolation forest
    ],
)
def test_the_predictions_that_skab_keeps_have_the_figures_of_its_leaderboard(
    counts: Confusion, published: tuple[float, float, float]
) -> None:
    """Counted over the results of commit b2c0d46 by `pooled`; figures of its README."""
    f1, far, mar = counts.f1, counts.far, counts.mar
    assert f1 is not None
    assert far is not None
    assert mar is not None
    assert (round(f1, 2), round(far, 2), round(mar, 2)) == published


@pytest.mark.parametrize(("floor", "published"), [(max_abs_z, (0.68, 23.0, 38.4)), (pca_error, (0.54, 19.3, 57.1))])
def test_floors_on_skab_have_the_figures_published_with_the_data(
    floor: Floor, published: tuple[float, ...], data: Path
) -> None:
    """At 4/3 of the 99.9 % quantile of the scores of the first 400 rows."""
    files = []
    for asset in skab(data).assets:
        score = floor(asset.values(asset.history))
        threshold = np.quantile(score(asset.values(asset.history)), 0.999) * 4 / 3
        files.append((score(asset.values(asset.live)) > threshold, labels_of(asset.live)))
    found = pooled(files)
    assert found.false_alarms + found.true_alarms + found.missed + found.true_rests == 23_801
    assert found.f1 == pytest.approx(published[0], abs=0.005)
    assert [found.far, found.mar] == pytest.approx(published[1:], abs=0.05)


def test_frames_are_pooled_and_files_not_averaged() -> None:
    files = [(bools(1, 1, 0, 0), bools(1, 0, 0, 1)), (bools(0, 0, 0, 0, 0, 0), bools(0, 0, 0, 0, 0, 0))]
    found = pooled(files)
    assert found == Confusion(true_alarms=1, false_alarms=1, true_rests=7, missed=1)
    assert (found.f1, found.far, found.mar) == (0.5, 12.5, 50.0)


@given(files=st.lists(a_file(), max_size=4))
def test_every_frame_is_counted_once_whatever_the_order_of_files_and_frames(files: list[tuple[Bools, Bools]]) -> None:
    found = pooled(files)
    alarms, labels = (np.concatenate([bools(), *column]) for column in zip(*files, (bools(), bools()), strict=True))
    assert found == pooled(files[::-1]) == pooled([(alarms[::-1], labels[::-1])])
    assert found.true_alarms + found.missed == labels.sum()
    assert found.true_alarms + found.false_alarms == alarms.sum()
    assert found.true_rests + found.missed + alarms.sum() == len(labels)


def test_alarms_equal_to_the_labels_have_the_best_figures_and_always_on_has_not() -> None:
    labels = bools(0, 1, 1, 0, 0, 0)
    perfect, always = pooled([(labels, labels)]), pooled([(np.ones(6, np.bool_), labels)])
    assert (perfect.f1, perfect.far, perfect.mar) == (1.0, 0.0, 0.0)
    assert (always.f1, always.far, always.mar) == (0.5, 100.0, 0.0)


def test_one_hit_in_a_long_event_leaves_the_rest_of_it_missed() -> None:
    """With point adjustment the F1 would be 1."""
    labels, alarms = np.ones(100, np.bool_), np.arange(100) == 50
    assert pooled([(alarms, labels)]).mar == 99.0
    assert pooled([(alarms, labels)]).f1 == pytest.approx(2 / 101)


def test_a_share_of_nothing_is_none() -> None:
    nothing = pooled([])
    assert (nothing.f1, nothing.far, nothing.mar) == (None, None, None)
    silent = pooled([(bools(0, 0), bools(0, 0))])
    assert (silent.f1, silent.far, silent.mar) == (None, 0.0, None)
    with pytest.raises(DataError, match=r"alarms \(2,\) and labels \(1,\); give both"):
        pooled([(bools(0, 0), bools(0))])
