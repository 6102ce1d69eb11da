"""Chance of many alerts where a rate is known from few observations."""

import numpy as np
import pytest

from stream.registry.manifest_facts import Criterion, Verdict
from training.gate.false_alerts import RateCheck, chance_of_at_least, chance_of_at_most, unjudged


@pytest.mark.parametrize(("mean", "behind"), [(0.7, 1.0), (3.0, 2.5), (12.0, 40.0)])
def test_so_many_by_chance_is_what_counts_of_an_uncertain_rate_show(mean: float, behind: float) -> None:
    draw = np.random.default_rng(0)
    counts = draw.poisson(mean * draw.gamma(behind, 1 / behind, 200_000))
    for count in (0, 1, 3, 8, 20):
        assert chance_of_at_least(count, mean, behind) == pytest.approx(float((counts >= count).mean()), abs=0.005)


def test_no_amount_of_data_makes_far_too_many_pass_for_chance() -> None:
    assert chance_of_at_least(3_000, mean=1_600.0, behind=800.0) < 1e-6
    assert 0.4 < chance_of_at_least(160_000, mean=160_000.0, behind=80_000.0) < 0.6
    assert chance_of_at_least(1, mean=0.0, behind=5.0) == 0.0


@pytest.mark.parametrize(
    ("count", "days", "verdict"),
    [
        (0, 2.0, "not judged"),
        (0, 10.0, "passed"),
        (6, 2.0, "not judged"),
        (30, 2.0, "not judged"),
        (30, 10.0, "refused"),
    ],
    ids=["none, short", "none, long", "few, short", "many, short", "many, long"],
)
def test_a_rate_passes_or_is_refused_only_where_chance_excludes_the_other(
    count: int, days: float, verdict: Verdict
) -> None:
    """Two a week are let pass. What is over the limit never passes."""
    measured, daily = count / days * 7, np.full(int(days), count / days * 7)
    found = RateCheck(count, 2.0 * days / 7, 5.0, measured, daily, 2.0, "seen").criterion("promise")
    assert found.verdict == verdict
    assert found.verdict != "passed" or not found.over


def test_so_few_by_chance_is_the_sum_of_the_poisson_law() -> None:
    counts = np.random.default_rng(0).poisson(3.0, 200_000)
    for count in (0, 2, 7):
        assert chance_of_at_most(count, 3.0) == pytest.approx(float((counts <= count).mean()), abs=0.005)


@pytest.mark.parametrize(
    ("verdict", "measured", "warned"), [("not judged", 126.0, 1), ("not judged", 3.0, 0), ("refused", 126.0, 0)]
)
def test_many_times_the_promise_is_a_warning_where_the_gate_could_not_judge_it(
    verdict: Verdict, measured: float, warned: int
) -> None:
    """One alert a week is promised, and two are let pass."""
    alarm = Criterion("time in alarm", "passed", 0.0, 0.1, "")
    found = unjudged([alarm, Criterion("promise", verdict, measured, 2.0, "2 seen")])
    assert len(found) == warned
    if found:
        assert found[0].startswith(
            "on the gate part the threshold gives 126 times the alerts that it promises, and the "
        )
        assert "could not judge it, as the data are short (2 seen)" in found[0]
