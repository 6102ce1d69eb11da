"""The sensors that the newest frame's error comes from, on frames as they come and on ticks."""

from typing import Any

import numpy as np
import pytest

from stream.detect.detector import Detector
from stream.detect.frames.clock import NEVER
from stream.intake.decode import Decoder
from stream.kafka.look.rescoring import Rescoring
from stream.kafka.look.series_place import SeriesPlace
from stream.kafka.state.resume_point import ResumePoint
from tests.support.builders import SECOND, START, a_definition, a_policy, a_spec, fields, readings
from tests.support.kafka_options import kafka_options


@pytest.mark.parametrize(
    ("policy", "step"), [({}, 1), ({"resample": "last", "interval_ns": 2 * SECOND}, 2)], ids=["frames", "ticks"]
)
def test_the_sensors_of_the_newest_frame_are_named_whatever_its_score_is(policy: dict[str, Any], step: int) -> None:
    """None are where the window is not full. The state stays as it is."""
    definition = a_definition(a_spec(sensors=3), a_policy(**policy))
    decoder = Decoder(fields(), definition.sensors, None)
    place = SeriesPlace(0, ResumePoint(0, 0, 0, 0, "", NEVER), None, 0, 0)
    rescoring = Rescoring(kafka_options(), "a", place, definition, decoder, None, None)
    for frames in (3, 30):
        values = np.random.default_rng(1).normal(size=(frames, 3))
        values[-1] = [0.1, 40.0, -0.2]
        detector = Detector(definition)
        detector.push(readings(["a"] * len(values), START + step * SECOND * np.arange(len(values)), values))
        detector.silence("a")
        named = rescoring.sensors(detector.snapshot("a"))
        assert [one.name for one in named][:1] == (["s1"] if frames == 30 else [])
