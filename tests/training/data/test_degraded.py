"""A history of which most frames could not be scored is refused before the fit, with the setting that helps."""

from pathlib import Path

import numpy as np
import pytest

from stream.errors import DataError
from stream.intake.columns import Readings
from stream.intake.sampling_advice import SamplingAdvice
from stream.intake.tables.reader import Batch
from tests.support.builders import SECOND, a_policy
from training.data.degraded import refuse_degraded
from training.data.framing import FramedHistory, frame

SENSORS = ("flow", "temp")


def history(rows: int, every: int) -> FramedHistory:
    """100 whole rows of series a; then `rows` of b, in which `temp` has a value in each `every`th."""
    values = np.ones((100 + rows, 2))
    values[100:, 1] = np.where(np.arange(rows) % every == 0, 1.0, np.nan)
    time = np.concatenate([np.arange(100), np.arange(rows)]) * SECOND
    series = np.repeat([0, 1], [100, rows]).astype(np.int32)
    return frame([Batch(Readings(("a", "b"), series, time, values, np.arange(len(time))), None)], a_policy(), SENSORS)


def test_half_of_the_frames_may_be_degraded() -> None:
    refuse_degraded(Path("h"), history(100, 1000), SENSORS, a_policy(), None)


def test_more_are_refused_with_counts_by_series_and_the_sensors_to_keep() -> None:
    with pytest.raises(DataError, match=r"^h: 294 of 400 frames") as refused:
        refuse_degraded(Path("h"), history(300, 1000), SENSORS, a_policy(), None)
    assert str(refused.value) == (
        "h: 294 of 400 frames could not be scored, because more than 0 of 2 sensors have no value for longer than "
        "5 frames (`frames.max_carry`); without a value: 'temp' in 74%; by series: 'b' 294 of 300; set "
        "`input.sensors: [flow]`, the sensors that have values, or `frames.max_missing: 1`"
    )


def test_the_setting_is_that_of_the_sampling_where_steps_are_unlike() -> None:
    advice = SamplingAdvice("temp is slow", "mean", "20s")
    with pytest.raises(DataError, match=r"; temp is slow: set `frames\.resample: mean` and `frames\.interval: 20s`$"):
        refuse_degraded(Path("h"), history(900, 20), SENSORS, a_policy(), advice)
