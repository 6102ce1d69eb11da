"""Times of records: RFC 3339 in UTC."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.events.record import rfc3339

SECOND = 1_000_000_000
AT = 1_772_409_600 * SECOND  # 2026-03-02T00:00:00Z


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (AT, "2026-03-02T00:00:00Z"),
        (AT + 500_000_000, "2026-03-02T00:00:00.500Z"),
        (AT + 1_000, "2026-03-02T00:00:00.000001Z"),
        (AT + 1, "2026-03-02T00:00:00.000000001Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (-SECOND, "1969-12-31T23:59:59Z"),
    ],
)
def test_times_are_rfc_3339_in_utc_with_the_decimals_they_need(ns: int, text: str) -> None:
    assert rfc3339(ns) == text


@given(micros=st.integers(-(10**15), 4 * 10**15))
def test_a_time_reads_back_as_itself(micros: int) -> None:
    parsed = datetime.fromisoformat(rfc3339(micros * 1000))
    assert parsed - datetime(1970, 1, 1, tzinfo=UTC) == timedelta(microseconds=micros)
