"""Values that are no numbers: each costs its sensor alone, or its message."""

import numpy as np
import pytest

from stream.intake.columns import Reason
from tests.stream.intake.decode_cases import LAYOUTS, NOW_MS, columns, decoder


@pytest.mark.parametrize("bad", ['"n/a"', "NaN", "-Infinity", "1e400", "{}", "[1]", '""'])
def test_a_value_that_is_no_number_costs_its_sensor_alone_where_that_is_asked_for(bad: str) -> None:
    text = '{"time": 1700000000000, "temp": ' + bad + ', "Flow Rate": 2, "a:b": 3, "note": NaN}'
    batch = columns([(text.encode(), b"pump-1", NOW_MS)])
    kept = decoder(LAYOUTS["flat, bad values are missing"]).decode(*batch)
    np.testing.assert_array_equal(kept.readings.values, [[np.nan, 2.0, 3.0]])
    ((field, _), count), *others = kept.bad_values.items()
    assert (field, count, others, kept.dead) == ("temp", 1, [], ())
    strict = decoder(LAYOUTS["flat"]).decode(*batch)
    assert (len(strict.readings), len(strict.dead)) == (0, 1)


def test_a_message_in_which_no_sensor_has_a_number_is_dead_for_the_first_of_them() -> None:
    text = b'{"time": 1700000000000, "temp": "n/a", "a:b": {}}'
    decoded = decoder(LAYOUTS["flat, bad values are missing"]).decode(*columns([(text, b"pump-1", NOW_MS)]))
    assert [(dead.reason, dead.detail) for dead in decoded.dead] == [
        (Reason.WRONG_TYPE, "no sensor has a number; `temp` has 'n/a'")
    ]
    assert not decoded.bad_values
