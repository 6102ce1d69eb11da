"""Attribution: the named sensors of an event show the values where they deviate most in the window."""

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.incidents.incident import IncidentEvent, SensorShare
from stream.detect.model.ensemble import Ensemble
from tests.support.builders import SECOND, START, a_definition, a_rules, a_spec, readings, weights_of

WINDOW, FRAMES = 4, 40
BURST = 20


def a_burst(sensor: int, still: int | None = None) -> np.ndarray:
    """Three quiet sensors, one with two far values; `still` has the value 5 throughout."""
    values = np.random.default_rng(1).normal(scale=0.2, size=(FRAMES, 3))
    values[BURST : BURST + 2, sensor] += [6.0, 9.0]
    if still is not None:
        values[:, still] = 5.0
    return values


def the_definition(span: Literal["newest", "window", "both"] = "window", q: float = 2.0) -> Definition:
    return a_definition(a_spec(sensors=3, window=WINDOW, error_span=span), rules=a_rules(close_after=6), q=q)


def events(definition: Definition, values: np.ndarray, size: int = FRAMES) -> list[tuple[SensorShare, ...]]:
    """The named sensors of every event; `size`: readings in a batch."""
    return [event.sensors for event in whole_events(definition, values, size)]


def whole_events(definition: Definition, values: np.ndarray, size: int = FRAMES) -> list[IncidentEvent]:
    detector = Detector(definition)
    found: list[IncidentEvent] = []
    times = START + SECOND * np.arange(len(values))
    for first in range(0, len(values), size):
        here = slice(first, first + size)
        found += detector.push(readings(["a"] * len(values[here]), times[here], values[here], first)).events
    return found


@pytest.mark.parametrize("size", [FRAMES, 7, 1])
def test_the_values_shown_are_those_of_the_largest_deviation_in_the_window(size: int) -> None:
    """The last event is about the peak. The burst has left the newest frame by then; its larger value is shown."""
    definition, values = the_definition(), a_burst(1)
    last = events(definition, values, size)[-1]
    assert last[0].name == "s1"
    assert (last[0].observed, last[0].at) == (values[BURST + 1, 1], START + (BURST + 1) * SECOND)
    row = list(definition.scales.names).index("a")
    mean, scale = definition.scales.mean[row], definition.scales.scale[row]
    scaled = np.clip((values - mean) / scale, -10, 10).astype(np.float32)
    windows = [
        definition.ensemble.reconstructed(scaled, np.array([end]))[BURST + 1 - end - 1, 1, 0]
        for end in range(BURST + 1, BURST + 1 + WINDOW)
    ]
    expected = np.array(windows) * scale[1] + mean[1]
    assert np.isclose(last[0].expected, expected, rtol=1e-9).any()
    assert last[0].direction == "high"
    assert last[0].visible


@pytest.mark.parametrize(("tails", "view", "at"), [([1.0, 50.0], "newest", 0), ([50.0, 1.0], "window", 1)])
def test_an_event_says_which_view_has_the_peak_and_shows_values_of_its_frames(
    tails: list[float], view: str, at: int
) -> None:
    """The burst is larger in its second frame. The newest frame has its peak there, the window later."""
    plain = the_definition("both", q=0.5)
    ensemble = Ensemble(plain.spec, weights_of(plain.spec, [0]), plain.ensemble.error_scales, np.array(tails))
    last = whole_events(replace(plain, ensemble=ensemble), a_burst(1))[-1]
    assert last.view == view
    assert (last.sensors[0].name, last.sensors[0].at) == ("s1", START + (BURST + 1) * SECOND)


def test_a_quiet_newest_frame_does_not_hide_the_one_that_made_the_level() -> None:
    """A level is the mean of three errors. The peak is two frames after the burst, in a quiet one."""
    plain = the_definition("both", q=0.5)
    ensemble = Ensemble(plain.spec, weights_of(plain.spec, [0]), plain.ensemble.error_scales, np.array([1.0, 50.0]))
    values = a_burst(1)
    values[BURST] = values[BURST - 1]
    values[BURST + 2] += 1.5
    detector = Detector(replace(plain, ensemble=ensemble))
    score = detector.push(readings(["a"] * FRAMES, START + SECOND * np.arange(FRAMES), values)).verdicts.score
    assert np.nanargmax(score) == BURST + 3
    incident = detector.snapshot("a").incident
    assert incident is not None
    first = incident.sensors[0]
    assert (first.name, first.at, first.visible) == ("s1", START + (BURST + 1) * SECOND, True)
    assert first.share > 0.5


@pytest.mark.parametrize("size", [7, 1])
def test_batches_of_any_size_name_the_same_to_the_bit(size: int) -> None:
    for span in ("newest", "window", "both"):
        definition = the_definition(span)
        assert events(definition, a_burst(2), size) == events(definition, a_burst(2))


def test_a_sensor_that_always_stands_still_is_not_named_and_named_once_it_moves() -> None:
    plain = the_definition()
    borrowed = np.zeros_like(plain.scales.mean, np.bool_)
    borrowed[:, 2] = True
    mean = plain.scales.mean.copy()
    mean[:, 2] = 5.0
    definition = replace(plain, scales=replace(plain.scales, mean=mean, borrowed=borrowed))
    values = a_burst(0, still=2)
    assert all("s2" not in [share.name for share in shares] for shares in events(definition, values))
    values[BURST : BURST + 2, 2] = 7.0
    moved = [share for shares in events(definition, values) for share in shares if share.name == "s2"]
    assert {(share.observed, share.expected, share.direction) for share in moved} == {(7.0, 5.0, "high")}


def test_a_value_beyond_the_clip_is_shown_as_it_was() -> None:
    values = a_burst(1)
    values[BURST + 1, 1] = 1e6
    assert events(the_definition(), values)[-1][0].observed == 1e6
