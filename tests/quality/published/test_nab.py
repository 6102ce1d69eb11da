"""NAB's score is that of NAB's own scorer, of an oracle, and of a published result."""

import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream.errors import DataError
from tests.oracles import naive_metrics
from tests.quality.published.nab import LOW_FN, LOW_FP, PROFILES, STANDARD, Profile, best_nab, corpus, nab
from tests.quality.published.nab_cases import NAB_CASES
from tests.training.metrics.cases import Case

Floats = NDArray[np.float64]
Series = list[tuple[Floats, NDArray[np.bool_]]]


@st.composite
def series(draw: st.DrawFn) -> Series:
    """One to three series with runs of labels and tied scores."""
    made = []
    for _ in range(draw(st.integers(1, 3))):
        runs = draw(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=9))
        labels = np.array([label for length, label in runs for _ in range(length)])
        score = draw(st.lists(st.integers(0, 9), min_size=len(labels), max_size=len(labels)))
        made.append((np.array(score, np.float64) / 9, labels))
    return made


@pytest.mark.parametrize(
    ("cases", "threshold", "raw", "best"), [c[1:] for c in NAB_CASES], ids=[c[0] for c in NAB_CASES]
)
def test_scores_and_best_thresholds_are_those_of_nabs_own_scorer(
    cases: tuple[Case, ...], threshold: float, raw: tuple[float, ...], best: tuple[tuple[float, float], ...]
) -> None:
    rows = corpus(case.make() for case in cases)
    assert [nab(rows, threshold, profile).raw for profile in PROFILES] == pytest.approx(raw, abs=1e-9)
    found = [best_nab(rows, profile) for profile in PROFILES]
    assert [one.threshold for one in found] == [at for at, _ in best]
    assert [one.raw for one in found] == pytest.approx([value for _, value in best], abs=1e-9)


@given(made=series(), tenths=st.integers(0, 10))
def test_a_score_is_what_its_rules_say_row_by_row(made: Series, tenths: int) -> None:
    rows = corpus(made)
    for profile in PROFILES:
        expected = naive_metrics.nab(
            [(score.tolist(), labels.tolist()) for score, labels in made],
            tenths / 10,
            profile.false_positive,
            profile.false_negative,
        )
        assert nab(rows, tenths / 10, profile).raw == pytest.approx(expected, abs=1e-12)


@given(made=series())
def test_no_threshold_is_better_than_the_best(made: Series) -> None:
    rows = corpus(made)
    for profile in PROFILES:
        every = [nab(rows, threshold, profile).raw for threshold in (*np.unique(rows.score).tolist(), math.inf)]
        assert best_nab(rows, profile).raw == pytest.approx(max(every), abs=1e-12)


@given(made=series())
def test_the_best_score_does_not_change_with_the_unit_of_scores(made: Series) -> None:
    plain, stretched = corpus(made), corpus([(score**3 + 5 * score, labels) for score, labels in made])
    for profile in PROFILES:
        assert best_nab(stretched, profile).raw == best_nab(plain, profile).raw


def a_series(rows: int, *windows: tuple[int, int]) -> tuple[Floats, NDArray[np.bool_]]:
    return Case("a", rows, windows, lambda draw, labels: labels.astype(np.float64)).make()


@pytest.mark.parametrize("profile", PROFILES, ids=[profile.name for profile in PROFILES])
def test_silence_scores_0_and_the_first_rows_of_all_windows_score_100(profile: Profile) -> None:
    rows = corpus([a_series(400, (100, 140), (200, 220)), a_series(300)])
    silent, perfect = nab(rows, math.inf, profile), nab(rows, 1.0, profile)
    assert (silent.normalised, silent.found, silent.false) == (0.0, 0, 0)
    assert perfect.normalised == pytest.approx(100.0)
    assert (perfect.found, perfect.false, perfect.windows) == (2, 0, 2)
    assert best_nab(rows, profile) == perfect


def test_the_profiles_weigh_false_alarms_and_missed_windows() -> None:
    """One window of two is found at once; one alarm is false, before all windows."""
    labels = a_series(200, (100, 110), (150, 160))[1]
    score = np.isin(np.arange(200), [60, 100]).astype(np.float64)
    found = [nab(corpus([(score, labels)]), 1.0, profile) for profile in (STANDARD, LOW_FP, LOW_FN)]
    assert [one.raw for one in found] == pytest.approx([1 - 0.11 - 1, 1 - 0.22 - 1, 1 - 0.11 - 2])
    assert [one.normalised for one in found] == pytest.approx([47.25, 44.5, 100 * 2.89 / 6])


def test_a_detection_is_worth_less_the_later_it_comes_and_more_do_not_help() -> None:
    labels = a_series(200, (100, 120))[1]

    def raw(*detected: int) -> float:
        score = np.isin(np.arange(200), detected).astype(np.float64)
        return nab(corpus([(score, labels)]), 1.0, STANDARD).raw

    worth = [raw(row) for row in range(100, 120)]
    assert worth == sorted(worth, reverse=True)
    assert raw(105, 106, 119) == raw(105)
    assert raw(100, 121) > raw(100, 130) > raw(100, 170) == pytest.approx(1 - 0.11)


def test_nothing_counts_in_probation() -> None:
    score, labels = a_series(400, (10, 40), (100, 140))
    score[:10] = 1.0
    found = nab(corpus([(score, labels)]), 1.0, STANDARD)
    assert found.normalised == pytest.approx(100.0)
    assert (found.windows, found.false) == (1, 0)


@pytest.mark.parametrize(("rows", "probation"), [(100, 15), (199, 29), (4999, 749), (5000, 750), (9000, 750)])
def test_probation_is_15_percent_of_the_rows_and_at_most_750(rows: int, probation: int) -> None:
    false = [np.arange(rows) == row for row in (probation - 1, probation)]
    found = [nab(corpus([(alarm.astype(np.float64), np.zeros(rows, np.bool_))]), 1.0, STANDARD) for alarm in false]
    assert [one.false for one in found] == [0, 1]


def test_a_corpus_without_windows_has_no_normalised_score() -> None:
    found = nab(corpus([(np.ones(100), np.zeros(100, np.bool_))]), 1.0, STANDARD)
    assert found.raw == pytest.approx(-0.11 * 85)
    assert (found.normalised, found.false) == (None, 85)
    with pytest.raises(DataError, match="a corpus of no series; give at least one"):
        corpus([])


def windowed_gaussian(values: Floats) -> Floats:
    """NAB's detector of this name: distance of a value from the 6,400 before it, which advance in steps of 100."""
    score = np.zeros(len(values))
    mean, deviation = 0.0, 1.0
    for row in range(1, len(values)):
        beyond = max(row - 6400, 0)
        if beyond % 100 == 0:
            known = values[beyond : min(row, 6400) + beyond]
            mean, deviation = float(known.mean()), float(known.std()) or 1e-6
        z = abs(values[row] - mean) / deviation
        score[row] = float(f"{1 - 0.5 * math.erfc(z / math.sqrt(2)):.12g}")  # as NAB's files have it
    return score


def test_windowed_gaussian_scores_what_nab_published_for_it(data: Path) -> None:
    """NAB's per-file scores, summed over these 19 series and normalised: 26.0, 4.1 and 34.9 at its threshold of 1."""
    made = []
    for file in sorted((data / "nab").glob("real*/*.parquet")):
        table = pq.read_table(file)
        labels = table["anomaly"].to_numpy() != 0
        made.append((windowed_gaussian(table["value"].to_numpy().astype(np.float64)), labels))
    rows = corpus(made)
    assert (len(made), rows.windows) == (19, 36)
    found = [nab(rows, 1.0, profile).normalised for profile in (STANDARD, LOW_FP, LOW_FN)]
    assert found == pytest.approx([26.033, 4.101, 34.948], abs=1e-3)
