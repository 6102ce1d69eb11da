"""A long reading may name its sensor by an integer."""

import math
from dataclasses import asdict

import numpy as np

from stream.intake.columns import Reason
from stream.intake.decode import Decoder
from tests.stream.intake.decode_cases import LAYOUTS
from tests.support.builders import fields


def test_a_sensor_of_a_long_reading_may_be_an_integer_which_its_digits_name() -> None:
    """Read by the fast reader, and by the strict one because of the backslash in another field."""
    values = [b'{"time":1700000000,"id":"p","meta":{"tag":%s},"value":2.5,"a":"%s"}' % (tag, other)
              for tag in (b"11", b'"11"', b"12", b"1.5") for other in (b"", b"\\n")]  # fmt: skip
    subject = Decoder(fields(**asdict(LAYOUTS["long"])), ("7", "11"), None)
    decoded = subject.decode(values, [None] * 8, range(8), [-1] * 8)
    np.testing.assert_array_equal(decoded.readings.values, [[math.nan, 2.5]] * 4)
    assert (decoded.ignored, subject.unused_names) == (2, frozenset({"12"}))
    assert [d.reason for d in decoded.dead] == [Reason.WRONG_TYPE] * 2
