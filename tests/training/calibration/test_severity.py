"""Severity edges: peaks that are so many times rarer than the threshold on normal data."""

import numpy as np
import pytest

from stream.settings.detection import RuleSettings, ThresholdSettings
from tests.support.builders import a_rules
from tests.training.calibration.levels import BLOCK, RULES, levels_of, slow, smoothed, white
from training.calibration.calibrate import calibrate
from training.calibration.levels import Levels, incidents
from training.calibration.severity import LEAST_STEP, with_severity

OFTEN = ThresholdSettings(alerts_per_week=50.0)
RARITY = RuleSettings().severity_rarity


def edges_of(levels: Levels, options: ThresholdSettings = OFTEN) -> tuple[float, ...]:
    return with_severity(levels, calibrate(levels, RULES, options, 0), RULES, RARITY, 0)[1].severity_edges


def test_peaks_reach_an_edge_as_rarely_as_it_says() -> None:
    """Counted on fresh levels of the same kind: bursts, whose tail is long."""
    learned = levels_of([slow(np.random.default_rng(1), 20_000)])
    calibration, rules = with_severity(learned, calibrate(learned, RULES, OFTEN, 0), RULES, RARITY, 0)
    fresh = levels_of([slow(np.random.default_rng(2), 200_000)])
    scale, q = calibration.table.scale[0], calibration.table.q
    counted = [incidents(fresh, fresh.level / (scale * q * times), rules) for times in (1.0, *rules.severity_edges)]
    assert 5 < counted[0] / counted[1] < 20
    assert counted[0] / max(counted[2], 1) > 30
    facts = calibration.severity
    assert facts is not None
    assert facts.rarity == RARITY
    assert facts.per_week is not None
    assert facts.per_week[0] == pytest.approx(counted[1] / fresh.weeks, rel=0.5)
    assert facts.summary.endswith(": 10, 100 and 1,000 times rarer than the threshold")


def test_a_long_tail_has_edges_far_apart_and_a_short_one_edges_that_can_be_told_apart() -> None:
    draw = np.random.default_rng(1)
    long, short = slow(draw, 5000), smoothed(draw.uniform(0.9, 1.0, 2000))
    assert edges_of(levels_of([short])) == pytest.approx([LEAST_STEP, LEAST_STEP**2, LEAST_STEP**3])
    medium, _, critical = edges_of(levels_of([long]))
    assert medium > LEAST_STEP
    assert critical > 2 * medium


def test_edges_that_are_given_stay_and_their_rate_is_said() -> None:
    levels = levels_of([white(np.random.default_rng(1), 5000)])
    given = a_rules(close_after=BLOCK, severity_edges=(1.1, 3.0, 4.0))
    calibration, rules = with_severity(levels, calibrate(levels, given, OFTEN, 0), given, None, 0)
    assert rules == given
    assert calibration.severity is not None
    assert (calibration.severity.edges, calibration.severity.rarity) == ((1.1, 3.0, 4.0), None)
    assert calibration.severity.per_week is not None
    assert calibration.severity.per_week[0] > calibration.severity.per_week[1] >= 0.0
    assert calibration.severity.summary == "medium from score 1.1, high 3, critical 4"


def test_with_too_few_levels_for_a_tail_the_edges_are_those_of_the_rules() -> None:
    levels = levels_of([white(np.random.default_rng(1), 5 * BLOCK)])
    options = ThresholdSettings(method="percentile", percentile=90.0)
    calibration, rules = with_severity(levels, calibrate(levels, RULES, options, 0), RULES, RARITY, 0)
    assert rules.severity_edges == RULES.severity_edges
    assert calibration.severity is not None
    assert (calibration.severity.rarity, calibration.severity.per_week) == (None, None)
