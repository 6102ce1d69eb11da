"""A machine that changed within the held-out parts is found with its time; usual operation is none, nor are faults."""

from collections.abc import Callable

import numpy as np
import pytest

from stream.intake.columns import Float64s
from stream.registry.manifest_facts import Criterion, MachineChange
from tests.training.calibration.levels import BLOCK, MINUTE, levels_of, slow, white
from tests.training.gate.test_capacity import framed_of
from training.gate.criteria import overall
from training.gate.drift import _change, drift_criterion, moved
from training.gate.false_alerts import unjudged

ROWS = 120 * BLOCK


def found(score: Float64s) -> MachineChange | None:
    usual = min(1.0, float(np.quantile(score[: 75 * BLOCK], 0.99)))
    change = _change("press", np.arange(len(score)) * MINUTE, score, (usual, 4.0), BLOCK)
    return None if change is None else change[1]


@pytest.mark.parametrize("kind", [white, slow])
def test_usual_operation_is_no_change_of_the_machine(kind: Callable[[np.random.Generator, int], Float64s]) -> None:
    """At a threshold that 1 % of the frames exceed."""
    for seed in range(20):
        levels = kind(np.random.default_rng(seed), ROWS)
        assert found(levels / np.quantile(levels, 0.99)) is None


@pytest.mark.parametrize(("factor", "followed"), [(8.0, True), (30.0, False)])
def test_levels_that_rise_for_good_are_a_change_from_then_on(factor: float, followed: bool) -> None:
    score = white(np.random.default_rng(0), ROWS) / 6.0
    score[80 * BLOCK :] *= factor
    change = found(score)
    assert change is not None
    assert "1970-01-01T15:00:00Z" <= change.since <= "1970-01-01T17:00:00Z", "960 minutes are 16 hours"
    assert change.factor == pytest.approx(factor, rel=0.3)
    assert change.followed == followed, "a threshold that goes on learning doubles at most"
    assert change.above > 0.1 > change.above_before


def test_a_fault_that_passes_is_no_change() -> None:
    score = slow(np.random.default_rng(1), ROWS) / 8.0
    score[60 * BLOCK : 80 * BLOCK] *= 20.0
    assert found(score) is None


def test_the_sensors_of_a_change_are_those_that_moved_and_did_not_move_before() -> None:
    """One sensor wanders all the time, one spreads, one jumps, one has no value at times, and one stays."""
    draw = np.random.default_rng(0)
    values = draw.normal(0.0, 1.0, (ROWS, 5))
    values[:, 0] += np.arange(ROWS) / 100.0
    values[1000:, 1] *= 8.0
    values[1000:, 2] += 3.0
    values[::3, 3] = np.nan
    framed = framed_of(values)
    assert moved(framed, 0, int(framed.time[1000])) == [2, 1]
    assert moved(framed, 0, int(framed.time[0])) == []


def test_the_verdict_names_date_and_sensors_and_what_to_write() -> None:
    change = MachineChange("press", "2026-03-12T06:00:00Z", ("oil", "heat"), 0.78, 0.003, 4.1, False)
    told = drift_criterion([change], levels_of([np.ones(40)]), "2026-02-01T00:00:00Z")
    assert (told.verdict, told.measured) == ("not judged", 0.78)
    assert told.reason.startswith("the machine changed: 'press' on 2026-03-12T06:00:00Z, sensors 'oil', 'heat': 78% of")
    span = '{series: "press", start: "2026-02-01T00:00:00Z", end: "2026-03-12T06:00:00Z"}'
    assert f"`frames.maintenance: [{span}]`" in told.reason
    assert drift_criterion([], levels_of([np.ones(40)]), "").verdict == "passed"
    assert drift_criterion([], levels_of([np.ones(0)]), "").verdict == "not judged"


def test_what_is_in_alarm_at_its_own_end_does_not_pass_and_what_is_over_its_promise_by_chance_does() -> None:
    sound, over = (
        Criterion("separability", "passed", 1.0, 0.75, ""),
        Criterion("time in alarm", "not judged", 0.4, 0.1, ""),
    )
    loud = Criterion("promise", "not judged", 3.0, 2.0, "")
    assert overall([sound, loud]) == "passed"
    assert overall([sound, over]) == "not judged"
    assert overall([sound, over, Criterion("coverage", "refused", 1.0, 0.1, "")]) == "refused"


def test_levels_that_rise_for_good_below_the_threshold_are_a_change_too() -> None:
    score = white(np.random.default_rng(2), ROWS) / 20.0
    score[80 * BLOCK :] *= 6.0
    change = found(score)
    assert change is not None
    assert change.above <= 0.05
    assert change.followed
    told = drift_criterion([change], levels_of([np.ones(40)]), "2026-02-01T00:00:00Z")
    assert not told.over
    assert unjudged([told]) == [told.reason], "a person is told"
