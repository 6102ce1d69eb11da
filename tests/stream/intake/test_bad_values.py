"""Values that are no numbers: each costs its sensor alone, or its message."""

import numpy as np
import pytest

from stream.intake.bad_values import MOST_SENSORS, BadTally, BadValue, Seen
from stream.intake.columns import Reason
from tests.stream.intake.decode_cases import LAYOUTS, NOW_MS, columns, decoder


@pytest.mark.parametrize("bad", ['"n/a"', "NaN", "-Infinity", "1e400", "{}", "[1]", '""'])
def test_a_value_that_is_no_number_costs_its_sensor_alone_where_that_is_asked_for(bad: str) -> None:
    text = '{"time": 1700000000000, "temp": ' + bad + ', "Flow Rate": 2, "a:b": 3, "note": NaN}'
    batch = columns([(text.encode(), b"pump-1", NOW_MS)])
    kept = decoder(LAYOUTS["flat, bad values are missing"]).decode(*batch)
    np.testing.assert_array_equal(kept.readings.values, [[np.nan, 2.0, 3.0]])
    ((value, seen), *others) = kept.bad_values.items()
    assert (value.series, value.sensor, seen, others, kept.dead) == ("pump-1", "temp", (1, (0,)), [], ())
    strict = decoder(LAYOUTS["flat"]).decode(*batch)
    assert (len(strict.readings), len(strict.dead)) == (0, 1)


def test_a_message_in_which_no_sensor_has_a_number_is_dead_for_the_first_of_them() -> None:
    text = b'{"time": 1700000000000, "temp": "n/a", "a:b": {}}'
    decoded = decoder(LAYOUTS["flat, bad values are missing"]).decode(*columns([(text, b"pump-1", NOW_MS)]))
    assert [(dead.reason, dead.detail) for dead in decoded.dead] == [
        (Reason.WRONG_TYPE, "no sensor has a number; `temp` has 'n/a'")
    ]
    assert [(bad.sensor, bad.kind, bad.text) for bad in decoded.bad_values] == [
        ("temp", "text", "'n/a'"),
        ("a:b", "object", "{}"),
    ]


def test_an_element_of_an_array_without_a_number_is_dead_alone_as_a_message_is() -> None:
    text = b'[{"time": 1700000000000, "temp": "n/a"}, {"time": 1700000001000, "temp": 1}, {"time": 1700000002000}]'
    decoded = decoder(LAYOUTS["flat, bad values are missing"]).decode(*columns([(text, b"pump-1", NOW_MS)]))
    assert [(dead.index, dead.reason) for dead in decoded.dead] == [(0, Reason.WRONG_TYPE)]
    assert len(decoded.readings) == 2


def test_a_bad_long_value_is_counted_by_its_sensor_and_one_of_a_foreign_sensor_is_ignored() -> None:
    long = LAYOUTS["long, bad values are missing"]
    texts = (f'{{"time": 1700000000000, "meta": {{"tag": "{tag}"}}, "value": NaN}}' for tag in ("temp", "door"))
    decoded = decoder(long).decode(*columns([(text.encode(), b"pump-1", NOW_MS) for text in texts]))
    assert [(value.sensor, value.kind, value.text) for value in decoded.bad_values] == [("temp", "nan", "NaN")]
    assert (len(decoded.dead), decoded.ignored) == (1, 1)


def test_sensors_beyond_the_most_that_are_counted_apart_are_counted_together() -> None:
    tally = BadTally()
    for number in range(1, MOST_SENSORS + 6):
        tally.add({BadValue("pump", f"s{number}", "text", "'n/a'"): Seen(number, (number,))})
    found = tally.sensors()
    assert len(found) == MOST_SENSORS + 1
    assert sum(one.values for one in found) == sum(range(1, MOST_SENSORS + 6))
    assert (found[0].text, found[-1].sensor) == ("64 values of `s64` are no numbers, such as 'n/a'", "")
