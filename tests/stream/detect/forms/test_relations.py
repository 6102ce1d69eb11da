"""Relations: what the obvious computation finds, the same bits everywhere, and one incident that names the sensors."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from stream.detect.detector import Detector
from stream.detect.forms.forms import Forms
from stream.detect.forms.odd_sensors import LEAST, MOST, OddSensors
from stream.detect.forms.relations import Relations, half_of, halves, relations_weights
from stream.detect.incidents.incident import IncidentEvent
from stream.detect.policy import RELATION
from stream.errors import ShapeError
from tests.support.builders import SECOND, START, a_definition, a_rules, a_spec, readings

SENSORS, ROWS, HALF = 3, 600, 16
SPEC = a_spec(window=33, sensors=SENSORS, error_span="both")
ENDS = np.arange(SPEC.window - 1, ROWS)
LIMIT = np.array([0.5, 0.5, np.inf])


def weights_of() -> dict[str, torch.Tensor]:
    """Sensor 1 is twice sensor 0; the last one is not judged."""
    predicted = np.zeros((2 * SENSORS, SENSORS))
    predicted[1, 0], predicted[0, 1] = 0.5, 2.0
    return relations_weights(predicted, np.zeros(2 * SENSORS), HALF * LIMIT)


RELATIONS = Relations(SPEC, weights_of())


def frames_of() -> np.ndarray:
    """Sensor 1 leaves sensor 0 for 60 frames from 300 on."""
    frames = np.random.default_rng(0).standard_normal((ROWS, SENSORS)).astype(np.float32)
    frames[:, 1] = 2 * frames[:, 0]
    frames[300:360, 1] += 3
    return frames


def obvious(window: np.ndarray) -> float:
    """The score of a window; 0: its sensors go together."""
    newest = window[-HALF:].astype(np.float64).mean(axis=0)
    left = np.array([newest[0] - newest[1] / 2, newest[1] - 2 * newest[0]]) / LIMIT[:2]
    far = float(np.sqrt(np.square(left).sum()))
    return MOST - (MOST - LEAST) / far if far > 1 else 0.0


def columns(odd: OddSensors, count: int) -> np.ndarray:
    return np.array([odd.by_sensor(row, RELATION, SENSORS) for row in range(count)])


def test_relations_are_those_of_the_obvious_computation() -> None:
    frames = frames_of()
    odd = RELATIONS.of(frames, ENDS)
    score, view = odd.scores(len(ENDS))
    expected = np.array([obvious(frames[end - SPEC.window + 1 : end + 1]) for end in ENDS.tolist()])
    np.testing.assert_allclose(score, expected, rtol=1e-5)
    np.testing.assert_array_equal(view, np.where(expected > 0, RELATION, -1))
    assert 300 < ENDS[expected > 0][0] < 309
    assert ENDS[expected > 0][-1] < 360 + HALF
    assert not columns(odd, len(ENDS))[:, 2].any(), "it is not judged"


@pytest.mark.parametrize(("window", "half"), [(1, 1), (3, 1), (4, 2), (32, 16), (63, 16), (64, 32)])
def test_halves_fit_into_the_window(window: int, half: int) -> None:
    assert half_of(window) == half
    frames = np.random.default_rng(1).standard_normal((200, 2)).astype(np.float32)
    ends = np.array([2 * half - 1, 150])
    wanted = [np.r_[frames[e - half + 1 : e + 1].sum(0), frames[e - 2 * half + 1 : e - half + 1].sum(0)] for e in ends]
    np.testing.assert_allclose(halves(frames, ends, half), wanted, atol=1e-4)


@pytest.mark.parametrize("masks", [False, True])
def test_no_split_of_the_windows_changes_a_bit(masks: bool) -> None:
    frames, masked = frames_of(), np.random.default_rng(2).random((ROWS, SENSORS)) < 0.002
    mask = masked if masks else None
    order = np.random.default_rng(3).permutation(len(ENDS))
    whole = columns(RELATIONS.of(frames, ENDS, mask), len(ENDS))
    assert whole.any()
    parts = [columns(RELATIONS.of(frames, part, mask), len(part)) for part in np.split(ENDS[order], [1, 2, 9, 300])]
    assert np.concatenate(parts).tobytes() == whole[order].tobytes()


def test_a_window_with_a_missing_value_is_not_judged() -> None:
    masked = np.zeros((ROWS, SENSORS), np.bool_)
    masked[330, 2] = True
    found = ENDS[np.unique(RELATIONS.of(frames_of(), ENDS, masked).rows)]
    assert {329, 330 + 2 * HALF} <= set(found.tolist())
    assert not ((found >= 330) & (found < 330 + 2 * HALF)).any()


def test_sensors_that_no_longer_go_together_are_one_incident_that_names_them() -> None:
    definition = replace(a_definition(SPEC, rules=a_rules(close_after=3), q=1e4), forms=Forms(None, RELATIONS))
    values, times = frames_of().astype(np.float64), START + SECOND * np.arange(ROWS)
    found = []
    for size in (7, ROWS):
        detector, events = Detector(definition), list[IncidentEvent]()
        for at in range(0, ROWS, size):
            part = slice(at, at + size)
            events += detector.push(readings(["a"] * len(values[part]), times[part], values[part], at)).events
        found.append(events)
    assert found[0] == [replace(event, row=ours.row) for event, ours in zip(found[1], found[0], strict=True)]
    opened = found[1][0]
    assert (opened.state, opened.view, found[1][-1].reason) == ("opened", "relation", "recovered")
    assert len({event.alert_id for event in found[1]}) == 1
    assert {share.name for share in opened.sensors} <= {"s0", "s1"}


@pytest.mark.parametrize("broken", ["missing", "shape", "nan"])
def test_weights_that_do_not_fit_are_refused(broken: str) -> None:
    weights = weights_of()
    if broken == "missing":
        del weights["relations.bias"]
    elif broken == "shape":
        weights["relations.weight"] = weights["relations.weight"][:, :2]
    else:
        weights["relations.bias"] = torch.full((1, SENSORS), torch.nan)
    with pytest.raises(ShapeError, match=r"relations|weight"):
        Relations(SPEC, weights)
