"""Chance of many alerts where a rate is known from few observations."""

import numpy as np
import pytest

from training.gate.false_alerts import chance_of_at_least


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
