"""Areas under the ROC and the precision-recall curve, frame by frame."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream.errors import DataError
from tests.oracles import naive_metrics
from training.metrics.ranking import Ranking, rank
from training.metrics.vus import vus

Scored = tuple[NDArray[np.float64], NDArray[np.bool_]]


@st.composite
def scored(draw: st.DrawFn) -> Scored:
    """Whole scores with ties; labels of both kinds."""
    frames = draw(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=2, max_size=40))
    score, labels = zip(*frames, strict=True)
    both = np.array(labels)
    both[:2] = True, False
    return np.array(score, np.float64), both


@given(frames=scored())
def test_the_areas_are_those_of_their_definitions(frames: Scored) -> None:
    found = rank(*frames)
    score, labels = (column.tolist() for column in frames)
    assert found.auc_roc == pytest.approx(naive_metrics.auc_roc(score, labels), abs=1e-12)
    assert found.auc_pr == pytest.approx(naive_metrics.auc_pr(score, labels), abs=1e-12)
    assert found.labelled == labels.count(True) / len(labels)


@given(frames=scored(), seed=st.integers(0, 99))
def test_neither_the_order_of_frames_nor_the_unit_of_scores_matters(frames: Scored, seed: int) -> None:
    """A rising function does not change the areas. Scores are whole numbers, so that rounding ties none of them."""
    score, labels = frames
    order = np.random.default_rng(seed).permutation(len(score))
    shuffled, stretched = rank(score[order], labels[order]), rank(score**3 + 5 * score, labels)
    assert stretched == rank(score, labels)
    assert shuffled.auc_roc == pytest.approx(stretched.auc_roc, abs=1e-12)
    assert shuffled.auc_pr == pytest.approx(stretched.auc_pr, abs=1e-12)


@given(frames=scored())
def test_scores_equal_to_the_labels_have_all_of_the_area(frames: Scored) -> None:
    _, labels = frames
    assert rank(labels.astype(np.float64), labels) == Ranking(1.0, 1.0, labels.mean(), 0)


def test_random_scores_have_one_half_and_the_base_rate_in_expectation() -> None:
    draw, labels = np.random.default_rng(0), np.arange(2000) % 20 == 0
    found = [rank(draw.random(2000), labels) for _ in range(100)]
    assert np.mean([one.auc_roc for one in found]) == pytest.approx(0.5, abs=0.01)
    assert np.mean([one.auc_pr for one in found]) == pytest.approx(0.05, abs=0.005)


@given(frames=scored(), missing=st.sets(st.integers(0, 39)))
def test_a_frame_without_a_score_counts_as_0_and_is_counted(frames: Scored, missing: set[int]) -> None:
    score, labels = frames
    gaps = np.isin(np.arange(len(score)), list(missing))
    holed, zeroed = np.where(gaps, np.nan, score), np.where(gaps, 0.0, score)
    found, expected = rank(holed, labels), rank(zeroed, labels)
    assert (found.auc_roc, found.auc_pr) == (expected.auc_roc, expected.auc_pr)
    assert (found.unscored, expected.unscored) == (gaps.sum(), 0)
    assert vus(holed, labels, 4) == vus(zeroed, labels, 4)


def test_one_hit_in_a_long_event_is_one_frame_found_and_not_the_whole_event() -> None:
    """With point adjustment all of these would be 1."""
    labels = (np.arange(1000) >= 450) & (np.arange(1000) < 550)
    hit = (np.arange(1000) == 500).astype(np.float64)
    found, volume = rank(hit, labels), vus(hit, labels, 30)
    assert found.auc_pr == pytest.approx(0.01 * 1 + 0.99 * 0.1)
    assert found.auc_roc == pytest.approx(0.505)
    assert volume.vus_pr is not None
    assert volume.vus_pr < 0.2


@pytest.mark.parametrize("labels", [np.zeros(3, np.bool_), np.ones(3, np.bool_)])
def test_frames_with_equal_labels_cannot_be_ranked(labels: NDArray[np.bool_]) -> None:
    score = np.array([0.0, np.nan, 1.0])
    assert rank(score, labels) == Ranking(None, None, labels.mean(), 1)
    assert (vus(score, labels, 5).vus_roc, vus(score, labels, 5).vus_pr) == (None, None)


def test_scores_that_cannot_be_ordered_are_refused() -> None:
    with pytest.raises(DataError, match=r"scores \(2,\) and labels \(3,\); give both"):
        rank(np.zeros(2), np.zeros(3, np.bool_))
    with pytest.raises(DataError, match=r"scores \(0,\) and labels \(0,\); give both"):
        rank(np.zeros(0), np.zeros(0, np.bool_))
    with pytest.raises(DataError, match=r"a score of -0\.5; scores must be >= 0, so that 0 is the lowest"):
        rank(np.array([1.0, -0.5]), np.array([True, False]))
