"""Times of messages: apart in date and clock, of a zone, of a format, or of no year that a sensor has."""

import json

from stream.intake.columns import Reason
from stream.intake.decode import Decoder
from tests.support.builders import fields


def test_messages_may_have_the_date_apart_and_times_of_a_zone() -> None:
    """A message without either is without a time; a wall clock that does not exist is none."""
    layout = fields(time="at.clock", date="at.day", timezone="Europe/Berlin", time_format="day_first", series="id")
    rows: list[tuple[object, object]] = [
        ("30.03.2025", "01:59"), ("30.03.2025", "02:30"), (None, "03:00"), ("30.03.2025", None), ("2025", "3"),
    ]  # fmt: skip
    values = [json.dumps({"at": {"day": day, "clock": clock}, "id": "p", "temp": 1}).encode() for day, clock in rows]
    decoded = Decoder(layout, ("temp",), None).decode(values, [None] * 5, range(5), [-1] * 5)
    assert decoded.readings.time.tolist() == [1_743_296_340 * 10**9]
    reasons = [Reason.BAD_TIME, Reason.MISSING_TIME, Reason.MISSING_TIME, Reason.BAD_TIME]
    assert [dead.reason for dead in decoded.dead] == reasons
    assert "'02:30' at 'at.clock' is not a time of format 'day_first'" in decoded.dead[0].detail
    assert "that exists in Europe/Berlin" in decoded.dead[0].detail
    assert "nothing at the path 'at.clock' or 'at.day'" in decoded.dead[1].detail


def test_a_time_that_no_sensor_has_is_none_unless_its_format_is_named() -> None:
    values = [b'{"time":20210101}', b'{"time":"1970-01-01"}', b'{"time":44197.5}']
    for time_format, good in {"auto": [], "yyyymmdd": [0], "iso8601": [1], "excel": [2], "epoch_s": [0, 2]}.items():
        decoded = Decoder(fields(time_format=time_format), ("temp",), None)
        read = decoded.decode(values, [b"p"] * 3, range(3), [-1] * 3)
        assert read.readings.position.tolist() == good
        assert {dead.reason for dead in read.dead} == {Reason.BAD_TIME}


def test_an_epoch_in_quotes_is_a_time_of_a_message_and_a_short_number_in_quotes_is_none() -> None:
    stamps = ["1743296340", "1743296340000", " 1743296340.5 ", "2025-03-30T00:59:00z", "7", "x"]
    values = [json.dumps({"time": stamp}).encode() for stamp in stamps]
    read = Decoder(fields(), ("temp",), None).decode(values, [b"p"] * 6, range(6), [-1] * 6)
    second = 1_743_296_340 * 10**9
    assert read.readings.time.tolist() == [second, second, second + 500_000_000, second]
    assert [dead.position for dead in read.dead] == [4, 5]


def test_the_time_of_a_record_is_that_of_its_readings() -> None:
    values = [b'{"temp":1}', b'[{"temp":2},{"temp":3}]', b'{"temp":4,"time":"yesterday"}']
    read = Decoder(fields(time="record"), ("temp",), None).decode(values, [b"p"] * 3, range(3), [1000, 2000, -1])
    assert read.readings.time.tolist() == [10**9, 2 * 10**9, 2 * 10**9]
    assert [(dead.position, dead.reason) for dead in read.dead] == [(2, Reason.MISSING_TIME)]
    assert "the record has no timestamp of its own" in read.dead[0].detail
