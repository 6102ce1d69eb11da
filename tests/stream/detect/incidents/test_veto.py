"""The veto on openings: the deviations that may open an incident, sensor by sensor."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.detect.detector import Detector
from stream.detect.incidents.veto import Veto, shares
from stream.detect.policy import SensorRule
from tests.support.builders import SECOND, START, a_definition, a_rule, a_rules, a_spec, readings

NAN = float("nan")
SENSORS = ("flow", "pressure")


def is_vetoed(rules: tuple[SensorRule, ...], share: list[float], observed: list[float], expected: list[float]) -> bool:
    """True if the rules veto one frame of `SENSORS`."""
    columns = (np.array(values)[:, None] for values in (share, observed, expected))
    (vetoed,) = Veto(rules, SENSORS).vetoed(*columns)
    return bool(vetoed)


@pytest.mark.parametrize(
    ("rule", "observed", "vetoed"),
    [
        (a_rule("flow"), 10.0, False),
        (a_rule("flow", "above"), 10.1, False),
        (a_rule("flow", "above"), 9.9, True),
        (a_rule("flow", "above"), 10.0, True),
        (a_rule("flow", "below"), 9.9, False),
        (a_rule("flow", "below"), 10.1, True),
        (a_rule("flow", "below"), 10.0, True),
        (a_rule("flow", min_absolute=2.0), 12.0, False),
        (a_rule("flow", min_absolute=2.0), 8.0, False),
        (a_rule("flow", min_absolute=2.0), 11.9, True),
        (a_rule("flow", min_relative=0.25), 12.5, False),
        (a_rule("flow", min_relative=0.25), 12.4, True),
        (a_rule("flow", min_absolute=2.0, min_relative=0.25), 12.4, True),
        (a_rule("flow", "below", min_absolute=2.0), 12.0, True),
    ],
)
def test_a_deviation_passes_that_has_the_direction_and_both_least_sizes(
    rule: SensorRule, observed: float, vetoed: bool
) -> None:
    assert is_vetoed((rule,), [0.9, 0.1], [observed, 5.0], [10.0, 5.0]) == vetoed


def test_min_relative_is_a_part_of_the_size_of_what_is_expected() -> None:
    rule = a_rule("flow", min_relative=0.25)
    assert not is_vetoed((rule,), [1.0, 0.0], [-12.5, 0.0], [-10.0, 0.0])
    assert is_vetoed((rule,), [1.0, 0.0], [-11.0, 0.0], [-10.0, 0.0])


def test_one_sensor_that_passes_is_enough_and_one_without_a_rule_passes() -> None:
    flow, pressure = a_rule("flow", "above"), a_rule("pressure", min_absolute=1.0)
    assert is_vetoed((flow, pressure), [0.5, 0.5], [9.0, 5.5], [10.0, 5.0])
    assert not is_vetoed((flow, pressure), [0.5, 0.5], [9.0, 6.0], [10.0, 5.0])
    assert not is_vetoed((flow,), [0.5, 0.5], [9.0, 5.5], [10.0, 5.0])


def test_a_sensor_with_less_than_a_fifth_of_the_error_lifts_no_veto() -> None:
    rule = a_rule("flow", "above")
    assert is_vetoed((rule,), [0.81, 0.19], [9.0, 6.0], [10.0, 5.0])
    assert not is_vetoed((rule,), [0.8, 0.2], [9.0, 6.0], [10.0, 5.0])


def test_if_no_sensor_has_a_fifth_of_the_error_any_sensor_that_passes_is_enough() -> None:
    """Ten sensors with a tenth each: a rule on one of them must not veto the nine others."""
    names = tuple(f"s{f}" for f in range(10))
    tenth, off, expected = np.full((10, 1), 0.1), np.full((10, 1), 1.5), np.ones((10, 1))
    assert not Veto((a_rule("s0", "below"),), names).vetoed(tenth, off, expected).any()
    assert Veto(tuple(a_rule(name, "below") for name in names), names).vetoed(tenth, off, expected).all()


def test_a_masked_sensor_lifts_no_veto() -> None:
    rule = a_rule("flow", min_absolute=2.0)
    assert is_vetoed((rule,), [0.0, 0.0], [11.0, NAN], [10.0, 5.0])


@given(st.integers(1, 40), st.integers(1, 30), st.integers(0, 1000))
def test_shares_of_the_error_do_not_depend_on_the_number_of_frames(sensors: int, n: int, seed: int) -> None:
    errors = np.random.default_rng(seed).lognormal(sigma=5, size=(sensors, n))
    errors[np.random.default_rng(seed + 1).random(errors.shape) < 0.1] = NAN
    whole = shares(errors)
    assert all(whole[:, [i]].tobytes() == shares(errors[:, [i]]).tobytes() for i in range(n))
    assert ((whole >= 0) & (whole <= 1 + 1e-12)).all()
    assert (whole[np.isnan(errors)] == 0).all()


def test_a_vetoed_frame_opens_nothing_and_an_open_incident_goes_on_by_its_score() -> None:
    """First too high, which the rule vetoes; then too low, which opens; then too high again."""
    rules = a_rules(close_after=3, sensors=(a_rule("s0", "below"), a_rule("s1", "below")))
    high, low = np.full((6, 2), 40.0), np.full((2, 2), -40.0)
    values = np.concatenate([high, low, high])
    case = a_definition(a_spec(smoothing=1), rules=rules, q=1e-6, series=("a",))
    outcome = Detector(case).push(readings(["a"] * 14, START + np.arange(14) * SECOND, values))
    (opened,) = outcome.events
    assert (opened.state, opened.time, opened.cause) == ("opened", START + 6 * SECOND, "model")
    exceeds = outcome.verdicts.score > 1
    assert exceeds[3:].all(), "all from the first full window on"
    assert np.flatnonzero(outcome.verdicts.vetoed).tolist() == [3, 4, 5, *range(8, 14)]


def test_with_rules_for_all_every_scored_frame_is_checked() -> None:
    rules = a_rules(close_after=3, sensors=(a_rule("s0", "below"), a_rule("s1", "below")))
    case = a_definition(a_spec(smoothing=1), rules=rules, q=1e300, series=("a",))
    sent = readings(["a"] * 10, START + np.arange(10) * SECOND, np.full((10, 2), 40.0))
    assert not Detector(case).push(sent).verdicts.vetoed.any()
    assert Detector(case, rules_for_all=True).push(sent).verdicts.vetoed.tolist() == [False] * 3 + [True] * 7
