"""Times as a calendar and a clock show them, in a zone; expectations come from the standard library."""

from datetime import UTC, date, datetime, time, timedelta
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.intake.time_formats import TimeFormat
from stream.intake.timestamps import joined_to_ns, to_ns

MOMENTS = st.datetimes(datetime.fromisoformat("1990-01-01"), datetime.fromisoformat("2100-01-01")).map(
    lambda moment: moment.replace(microsecond=0)
)
# From the year 1 to 1601, in steps of 100 ns.
TICKS = 504_911_232_000_000_000
WRITTEN: dict[TimeFormat, list[str]] = {
    "yyyymmddhhmmss": ["%Y%m%d%H%M%S"],
    "day_first": [
        "%d.%m.%Y %H:%M:%S",
        "%d/%m/%Y %I:%M:%S %p",
        "%d-%m-%YT%H:%M:%S.000",
        "%d/%m/%Y, %H:%M:%S",
        "%d-%b-%Y %H:%M:%S",
        "%a, %d %b %Y %H:%M:%S GMT",
    ],
    "year_first": ["%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M:%S,000 +0000", "%Y.%m.%d %H:%M:%S+00:00"],
    "month_first": ["%m/%d/%Y %H:%M:%S", "%m-%d-%Y %I:%M:%S%p", "%B %d, %Y %H:%M:%S"],
    "auto": ["%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S"],
}


def ns(moment: datetime) -> int:
    since = moment.replace(tzinfo=moment.tzinfo or UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1_000


def read(values: list[object], time_format: TimeFormat, zone: str = "UTC") -> list[int | None]:
    times, good = to_ns(values, time_format, zone)
    return [t if ok else None for t, ok in zip(times.tolist(), good.tolist(), strict=True)]


@pytest.mark.parametrize(("form", "pattern"), [(form, pattern) for form, each in WRITTEN.items() for pattern in each])
@settings(max_examples=20)
@given(moments=st.lists(MOMENTS, min_size=1, max_size=5))
def test_a_text_of_each_form_is_its_time(form: TimeFormat, pattern: str, moments: list[datetime]) -> None:
    texts = [moment.strftime(pattern) for moment in moments]
    assert read([*texts], form) == list(map(ns, moments))


@settings(max_examples=50)
@given(moment=MOMENTS)
def test_numbers_of_each_form_are_the_time_that_they_count(moment: datetime) -> None:
    midnight = datetime.combine(moment.date(), time())
    days = (moment - datetime(1899, 12, 30)) / timedelta(days=1)
    filetime = ns(moment) // 100 + 116_444_736_000_000_000
    digits, day = int(moment.strftime("%Y%m%d%H%M%S")), int(moment.strftime("%Y%m%d"))
    assert read([days, str(days)], "excel") == [ns(moment)] * 2
    assert read([filetime, str(filetime), filetime + TICKS], "filetime") == [ns(moment)] * 3
    assert read([digits, float(digits), str(digits)], "yyyymmddhhmmss") == [ns(moment)] * 3
    assert read([day, float(day), str(day)], "yyyymmdd") == [ns(midnight)] * 3
    assert read([day, days, digits, filetime], "auto") == [None] * 4, "no epoch of a plausible year"


@pytest.mark.parametrize(
    ("form", "values"),
    [
        ("yyyymmdd", [20230229, 20231301, 20230100, 0, -20230101, 2023010, 20230101.5, "2023-01-01", 2**62]),
        ("yyyymmddhhmmss", [20230101240000, 20230101006000, 20230101000060, 20230101, -1]),
        ("excel", [float("nan"), float("inf"), 1e9, "44197,5"]),
        ("filetime", [-1, 2**63 - 1, 2**63, "x"]),
        (
            "day_first",
            [
                "12/31/2024",
                "31.12.024",
                "31.12.2024 24:00",
                "x.12.2024",
                "31.foo.2024",
                "31.12.2024 13:00 PM",
                31122024,
            ],
        ),
        ("month_first", ["31.12.2024", "02/29/2023", ""]),
        ("year_first", ["24/02/20", "2024/13/01", "2024/02/30", 20240220]),
        ("iso8601", [1_700_000_000, 1.7e9, "14.11.2023"]),
        ("epoch_s", ["soon", "1e9", "1_000", None, True]),
    ],
)
def test_what_is_not_of_the_form_is_no_time(form: TimeFormat, values: list[object]) -> None:
    assert read(values, form) == [None] * len(values)


@settings(max_examples=100)
@given(
    moment=MOMENTS.filter(lambda moment: moment.year < 2037),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Tokyo"]),
)
def test_a_time_without_a_zone_is_of_the_configured_one(moment: datetime, zone: str) -> None:
    """Of an hour that comes twice, the earlier; a time that a change leaves out is none; other forms ask no zone."""
    local = moment.replace(tzinfo=ZoneInfo(zone))
    exists = local.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) == moment
    wanted = ns(local.astimezone(UTC)) if exists else None
    text, digits = str(moment), int(moment.strftime("%Y%m%d%H%M%S"))
    assert read([text], "auto", zone) == read([digits], "yyyymmddhhmmss", zone) == [wanted]
    assert read([text, f"{text}Z", f"{text} UTC"], "iso8601", zone) == [wanted, ns(moment), ns(moment)]


def test_two_digits_of_a_year_and_an_offset_are_understood() -> None:
    texts: list[object] = ["31.12.24 23:00", "31.12.99", "31.12.2024 23:00:00 +01:00", "31.12.2024 23:00:00-0130"]
    wanted = ["2024-12-31 23:00", "1999-12-31", "2024-12-31 22:00", "2025-01-01 00:30"]
    assert read(texts, "day_first") == [ns(datetime.fromisoformat(text)) for text in wanted]


def test_the_hours_of_a_change_of_summer_time() -> None:
    texts = ["2025-03-30 01:59", "2025-03-30 02:00", "2025-03-30 03:00", "2025-10-26 02:30", "2025-10-26 03:00"]
    utc = ["2025-03-30 00:59", None, "2025-03-30 01:00", "2025-10-26 00:30", "2025-10-26 02:00"]
    wanted = [None if text is None else ns(datetime.fromisoformat(text)) for text in utc]
    assert read([*texts], "auto", "Europe/Berlin") == wanted


@settings(max_examples=50)
@given(moment=MOMENTS)
def test_a_date_and_a_time_of_day_are_joined(moment: datetime) -> None:
    def joined(day: object, clock: object, form: TimeFormat, zone: str = "UTC") -> int | None:
        (at,), (good,) = joined_to_ns([day], [clock], form, zone)
        return int(at) if good else None

    day, clock = moment.date().isoformat(), moment.strftime("%H:%M:%S")
    serial = (moment.date() - date(1899, 12, 30)).days
    share = (moment - datetime.combine(moment.date(), time())) / timedelta(days=1)
    assert joined(day, clock, "auto") == joined(day, moment.strftime("%I:%M:%S %p"), "auto") == ns(moment)
    assert joined(serial, share, "excel") == joined(serial, clock, "excel") == ns(moment)
    assert joined(int(moment.strftime("%Y%m%d")), int(moment.strftime("%H%M%S")), "yyyymmdd") == ns(moment)
    assert joined(moment.strftime("%d.%m.%Y"), clock, "day_first", "Asia/Tokyo") == ns(moment) - 9 * 3600 * 10**9
    assert joined(day, None, "auto") is joined(None, clock, "auto") is joined(day, "24:00", "auto") is None


ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(10**400), 10**400), st.floats(),
    st.text(alphabet="0123456789./-: TZUaApPmMJan+,", max_size=24), st.text(max_size=5),
    st.integers(0, 10**18).map(str),
)  # fmt: skip


@settings(max_examples=100)
@given(
    days=st.lists(ANYTHING, max_size=4),
    clock=ANYTHING,
    form=st.sampled_from(get_args(TimeFormat)),
    zone=st.sampled_from(["UTC", "Europe/Berlin"]),
)
@pytest.mark.filterwarnings("error")
def test_anything_is_a_time_or_none(days: list[object], clock: object, form: TimeFormat, zone: str) -> None:
    """Also a date with a time of day beside it; and the same alone as in company."""
    times = read(days, form, zone)
    assert times == [time for day in days for time in read([day], form, zone)]
    joined_to_ns(days, [clock] * len(days), form, zone)
