"""Valid ranges: a value outside opens an incident, and is missing to the model, in training as online."""

from collections.abc import Sequence

import numpy as np
import pytest

from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.frames.ranges import Ranges
from stream.detect.incidents.incident import IncidentEvent, SensorShare, alert_id
from stream.detect.outcome import Outcome, Verdict
from stream.detect.policy import Maintenance, Rules, ValidRange
from stream.intake.tables.reader import Batch
from tests.support.builders import SECOND, START, a_definition, a_policy, a_rules, a_spec, readings
from training.data.framing import frame

NAN, INF = float("nan"), float("inf")
VALID = (ValidRange("s0", 0.0, 10.0), ValidRange("s1", low=-1.0))
QUIET = 1e9  # a threshold that nothing reaches
Summary = tuple[str, str | None, int]


def ranged(q: float = QUIET, rules: Rules | None = None, **policy: object) -> Definition:
    """A definition with W = 4, M = 1: the fourth frame is the first with a score."""
    given = {"valid": VALID, "max_missing": 1} | policy
    return a_definition(a_spec(smoothing=1), a_policy(**given), rules or a_rules(close_after=2), q=q, series=("a",))


def sent(definition: Definition, values: Sequence[Sequence[float]]) -> Outcome:
    """The outcome of one frame a second of series "a"."""
    times = START + np.arange(len(values)) * SECOND
    return Detector(definition).push(readings(["a"] * len(values), times, np.array(values)))


def summaries(events: Sequence[IncidentEvent]) -> list[Summary]:
    return [(event.state, event.reason, (event.time - START) // SECOND) for event in events]


@pytest.mark.parametrize(
    ("value", "outside"),
    [
        (0.0, False),
        (10.0, False),
        (np.nextafter(0, -1), True),
        (10.001, True),
        (NAN, False),
        (INF, False),
        (-INF, False),
    ],
)
def test_the_limits_are_valid_and_what_is_not_finite_is_missing_not_outside(value: float, outside: bool) -> None:
    found = Ranges(VALID, ("s0", "s1")).outside(np.array([[5.0, 0.0], [value, 0.0]]))
    assert (found is not None) == outside
    if found is not None:
        np.testing.assert_array_equal(found, [[NAN, NAN], [value, NAN]])


def test_a_limit_may_be_on_one_side_and_sensors_without_one_take_anything() -> None:
    ranges = Ranges((ValidRange("s1", low=-1.0),), ("s0", "s1"))
    assert ranges.outside(np.array([[1e300, 1e300], [-1e300, -1.0]])) is None
    found = ranges.outside(np.array([[0.0, -1.5]]))
    assert found is not None
    np.testing.assert_array_equal(found, [[NAN, -1.5]])


def test_a_value_outside_opens_an_incident_even_while_the_series_warms_up() -> None:
    """Frame 1 has no score: the field `scored` says so, and the incident names the limit that was broken."""
    outcome = sent(ranged(), [[5, 0], [12, 0]])
    (opened,) = outcome.events
    assert outcome.verdicts.verdict.tolist() == [Verdict.WARMING] * 2
    assert (opened.cause, opened.scored, opened.severity) == ("range", False, "low")
    assert (opened.score, opened.peak_score, opened.level, opened.disagreement) == (0.0, 0.0, 0.0, 0.0)
    assert opened.threshold == ranged().thresholds.of("a")
    assert opened.sensors == (SensorShare("s0", 0.0, 12.0, 10.0, "high", outside=True, at=START + SECOND),)
    assert opened.alert_id == alert_id("test", "a", START + SECOND)
    assert opened.imputed == 1, "the value itself is no part of the frame"


def test_it_closes_by_the_same_quiet_rule_and_no_frame_is_quiet_while_a_value_is_outside() -> None:
    ok, out = [5.0, 0.0], [5.0, -2.0]
    events = sent(ranged(), [ok] * 4 + [out, ok, out, out, ok, ok, ok]).events
    assert summaries(events) == [("opened", None, 4), ("resolved", "recovered", 9)]
    assert events[-1].ended_at == START + 8 * SECOND
    assert events[-1].sensors[0] == SensorShare("s1", 0.0, -2.0, -1.0, "low", outside=True, at=START + 4 * SECOND)
    assert events[-1].scored


def test_frames_without_a_score_do_not_close_it() -> None:
    """Only a score can be quiet; while the series warms up there is none."""
    ok, out = [5.0, 0.0], [12.0, 0.0]
    assert summaries(sent(ranged(), [out, ok, ok, ok, ok]).events) == [
        ("opened", None, 0),
        ("resolved", "recovered", 4),
    ]


def test_a_score_that_comes_later_makes_it_scored_and_its_sensors_follow_the_one_outside() -> None:
    outcome = sent(
        ranged(q=1e-6, rules=a_rules(close_after=2, severity_edges=(1e3, 1e99, 1e100))), [[12, 9]] + [[5, 9]] * 3
    )
    opened, updated = outcome.events
    assert (opened.cause, opened.scored) == ("range", False)
    assert (updated.cause, updated.scored, updated.severity, updated.alert_id) == (
        "range", True, "medium", opened.alert_id,
    )  # fmt: skip
    assert updated.score > 1
    assert [(s.name, s.outside) for s in updated.sensors] == [("s0", True), ("s1", False)]


def test_a_sensor_that_leaves_its_range_in_an_open_incident_is_published_at_once_and_only_once() -> None:
    ok = [5.0, 0.0]
    events = sent(ranged(q=1e-6), [ok] * 4 + [[11, 0], ok, [12, 0], [12, -3], ok]).events
    assert [(e.state, e.cause, (e.time - START) // SECOND) for e in events] == [
        ("opened", "model", 3), ("updated", "model", 4), ("updated", "model", 7),
    ]  # fmt: skip
    assert [(s.name, s.observed) for s in events[-1].sensors if s.outside] == [("s0", 11.0), ("s1", -3.0)]


def test_a_split_ends_it_and_the_next_frame_outside_opens_the_next() -> None:
    rules = a_rules(close_after=2, max_duration_ns=3 * SECOND)
    assert summaries(sent(ranged(rules=rules), [[12.0, 0.0]] * 5).events) == [
        ("opened", None, 0), ("resolved", "split", 3), ("opened", None, 3),
    ]  # fmt: skip


def test_a_frame_that_is_off_is_not_reported() -> None:
    off = ranged(maintenance=(Maintenance("a", START, START + 3 * SECOND),))
    assert summaries(sent(off, [[12.0, 0.0]] * 5).events) == [("opened", None, 3)]


def test_a_degraded_frame_is_reported() -> None:
    outcome = sent(ranged(max_carry=0, max_missing=0), [[5.0, 0.0]] * 4 + [[12.0, 0.0]])
    assert outcome.verdicts.verdict[-1] == Verdict.DEGRADED
    assert summaries(outcome.events) == [("opened", None, 4)]


def test_for_the_model_a_value_outside_is_missing_to_the_bit() -> None:
    """One impossible value must not be in the next W - 1 windows."""
    draw = np.random.default_rng(1)
    clean = draw.uniform(0, 5, (40, 2))
    broken, missing = clean.copy(), clean.copy()
    broken[20:28, 0], missing[20:28, 0] = -999.0, NAN
    with_values, without = (sent(ranged(max_carry=2), values.tolist()).verdicts for values in (broken, missing))
    for column in ("verdict", "level", "score", "error", "imputed"):
        assert getattr(with_values, column).tobytes() == getattr(without, column).tobytes(), column


def test_training_frames_history_without_impossible_values_as_the_consumer_does() -> None:
    policy = a_policy(interval_ns=SECOND, max_gap_ns=5 * SECOND, max_carry=1, valid=VALID)
    values = np.array([[5.0, 0.0], [77.0, 0.0], [78.0, -7.0], [6.0, 1.0]])
    sent = readings(["a"] * 4, START + np.arange(4) * SECOND, values)
    framed = frame([Batch(sent, None)], policy, ("s0", "s1"))
    np.testing.assert_array_equal(framed.values, [[5, 0], [5, 0], [NAN, 0], [6, 1]])
