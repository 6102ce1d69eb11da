"""The settings that bring readings of unlike steps together, and when nothing is said."""

import pytest

from stream.intake.sampling import Sampling
from stream.intake.sampling_advice import sampling_advice

MINUTE = 60_000_000_000
SENSORS = ("flow", "temp")


def found(rows: dict[str, int], whole: dict[str, int], slowest: int | None = None) -> Sampling:
    ordered = sorted(whole.values())
    return Sampling(rows, whole, min(rows.values()), slowest, min(rows.values()), ordered[0], ordered[-1])


@pytest.mark.parametrize("is_long", [False, True])
def test_alike_series_need_no_advice(is_long: bool) -> None:
    alike = found({"a": MINUTE, "b": MINUTE}, {"a": MINUTE, "b": MINUTE})
    assert sampling_advice(alike, SENSORS, "none", None, 5, is_long) is None
    assert sampling_advice(Sampling({}, {}, 0, None, None, None, None), SENSORS, "none", None, 5, is_long) is None


def test_wide_series_of_unlike_steps_are_named_with_the_setting_to_write() -> None:
    unlike = found({"a": MINUTE, "b": 10 * MINUTE}, {"a": MINUTE, "b": 10 * MINUTE})
    advice = sampling_advice(unlike, SENSORS, "none", None, 5, is_long=False)
    assert advice is not None
    assert advice.sentence == (
        "series report at unlike steps ('a' every 1m, 'b' every 10m), so windows of some span more time; set "
        "`frames.resample: mean` and `frames.interval: 10m`, which brings them on ticks of 10m"
    )
    assert sampling_advice(unlike, SENSORS, "mean", 10 * MINUTE, 5, is_long=False) is None, "followed"


def test_a_sensor_that_rows_do_not_wait_for_is_named() -> None:
    sparse = found({"a": MINUTE}, {"a": 10 * MINUTE}, slowest=1)
    advice = sampling_advice(sparse, SENSORS, "none", None, 5, is_long=False)
    assert advice is not None
    assert "less often than their rows ('a' every 10m, slowest of them 'temp')" in advice.reason
    assert sampling_advice(sparse, SENSORS, "none", None, 9, is_long=False) is None, "carried until the next value"


def test_a_tick_that_is_too_short_for_long_readings_is_named_and_the_usual_one_is_not() -> None:
    slow = found({"a": MINUTE}, {"a": 10 * MINUTE}, slowest=0)
    assert sampling_advice(slow, SENSORS, "none", None, 5, is_long=True) is None
    advice = sampling_advice(slow, SENSORS, "none", MINUTE, 5, is_long=True)
    assert advice is not None
    assert advice.settings == "`frames.resample: last` and `frames.interval: 10m`"
