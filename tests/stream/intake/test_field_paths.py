"""Layouts of fields that the decoder refuses."""

import pytest

from stream.errors import ConfigError
from stream.intake.decode import Decoder, Fields
from tests.stream.intake.decode_cases import SENSORS
from tests.support.builders import fields


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (fields(sensors={"temp": "time"}), "cannot both hold a value"),
        (fields(sensors={"temp": "time.x"}), "'time' and 'time.x' cannot both"),
        (fields(time="values.at.t", sensors={"temp": "values.at"}), "cannot both hold a value"),
        (fields(time="a..b"), "has an empty name"),
        (fields(series="."), "has an empty name"),
        (fields(series="a."), "has an empty name"),
        (fields(time=r"a\b"), "has a quote, backslash"),
        (fields(time=r"a\.b", sensors={"temp": r"a\.b"}), r"'a\\\\.b' and 'a\\\\.b' cannot both hold a value"),
        (fields(sensors={"temp": 'te"mp'}), "has a quote, backslash"),
    ],
)
def test_paths_that_exclude_each_other_are_refused(layout: Fields, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Decoder(layout, SENSORS, None)


def test_a_decoder_without_sensors_is_refused() -> None:
    with pytest.raises(ConfigError, match="no sensors are given"):
        Decoder(fields(), (), None)
