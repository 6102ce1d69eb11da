"""A sensor that stops: one incident that names it, for as long as it stands still, whatever the threshold is."""

from dataclasses import replace

import numpy as np
import pytest

from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.forms.forms import Forms
from stream.detect.forms.odd_sensors import LEAST, MOST
from stream.detect.forms.stillness import Paths, Stillness
from stream.detect.incidents.incident import IncidentEvent
from stream.detect.unwatched import CoverageReason
from tests.support.builders import SECOND, START, a_definition, a_rules, a_spec, readings

FRAMES, STOPS, MOVES = 400, 200, 300
SPEC = a_spec(window=16, sensors=3, error_span="both")


def the_definition(q: float) -> Definition:
    """Two of three sensors never stand still."""
    of = a_definition(SPEC, rules=a_rules(close_after=3), q=q)
    still = Stillness(Paths(((2.0, 2.0, 0.0), (4.0, 4.0, 0.0))), SPEC.window, SPEC.sensors)
    return replace(of, forms=Forms(still))


def one_that_stops(sensor: int) -> np.ndarray:
    values = np.random.default_rng(0).normal(size=(FRAMES, 3))
    values[STOPS:MOVES, sensor] = values[STOPS, sensor]
    return values


def pushed(detector: Detector, values: np.ndarray, size: int) -> tuple[list[IncidentEvent], np.ndarray, np.ndarray]:
    """Events, scores, and level / threshold."""
    events: list[IncidentEvent] = []
    scores, ratios = [], []
    times = START + SECOND * np.arange(len(values))
    for at in range(0, len(values), size):
        part = slice(at, at + size)
        outcome = detector.push(readings(["a"] * len(values[part]), times[part], values[part], at))
        events += outcome.events
        scores.append(outcome.verdicts.score)
        ratios.append(outcome.verdicts.level / outcome.verdicts.threshold)
    return events, np.concatenate(scores), np.concatenate(ratios)


@pytest.mark.parametrize("size", [1, 7, FRAMES])
def test_a_sensor_that_stops_is_one_incident_until_it_moves(size: int) -> None:
    events, scores, ratios = pushed(Detector(the_definition(1e4)), one_that_stops(1), size)
    opened, resolved = events[0], events[-1]
    assert (opened.state, opened.view, opened.started_at) == ("opened", "still", START + SECOND * (STOPS + 8))
    assert [share.name for share in opened.sensors] == ["s1"]
    assert opened.level == opened.score * opened.threshold
    assert (resolved.state, resolved.reason) == ("resolved", "recovered")
    assert len({event.alert_id for event in events}) == 1
    assert resolved.ended_at == START + SECOND * MOVES
    still = scores > ratios
    np.testing.assert_array_equal(np.flatnonzero(still), np.arange(STOPS + 8, MOVES))
    assert LEAST <= scores[still].min() <= scores[still].max() <= MOST


def test_a_sensor_whose_stillness_is_usual_opens_nothing_and_large_errors_come_first() -> None:
    assert not pushed(Detector(the_definition(1e4)), one_that_stops(2), FRAMES)[0]
    events, scores, ratios = pushed(Detector(the_definition(1e-4)), one_that_stops(1), FRAMES)
    assert {event.view for event in events} <= {"newest", "window"}
    np.testing.assert_array_equal(scores, ratios)


def test_a_frozen_sensor_and_a_frozen_asset_are_told_of_as_not_watched_until_they_move() -> None:
    """A sensor that stands still at times in training tells nothing."""
    for sensors, named in (([1], ("s1",)), ([0, 1, 2], ("s0", "s1")), ([2], ())):
        values = np.random.default_rng(0).normal(size=(FRAMES, 3))
        values[STOPS:MOVES, sensors] = values[STOPS, sensors]
        times = START + SECOND * np.arange(FRAMES)
        detector = Detector(the_definition(1e4), unwatched_after_ns=20 * SECOND)
        told = detector.push(readings(["a"] * FRAMES, times, values), times).coverage_events
        assert [(event.watched, event.masked) for event in told][:1] == ([(False, named)] if named else [])
        assert [event.watched for event in told] == ([False, True] if named else [])
        if named:
            assert told[0].reasons[0][0] is CoverageReason.LOST
            assert (told[0].time, told[1].time) == (START + SECOND * (STOPS + 8 + 21), START + SECOND * MOVES)
