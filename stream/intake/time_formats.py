"""The formats of event times that a configuration may name, and the years that a time is in where it names none."""

from collections.abc import Mapping
from typing import Literal

TimeFormat = Literal[
    "auto",
    "iso8601",
    "epoch_s",
    "epoch_ms",
    "epoch_us",
    "epoch_ns",
    "excel",
    "filetime",
    "yyyymmdd",
    "yyyymmddhhmmss",
    "year_first",
    "day_first",
    "month_first",
]
# The meaning of each format that is not found by itself or may be meant where nothing fits, in the order of trials.
MEANINGS: Mapping[TimeFormat, str] = {
    "yyyymmddhhmmss": "digits such as 20240131235959",
    "yyyymmdd": "digits such as 20240131",
    "excel": "days as Excel counts them",
    "filetime": "steps of 100 ns, as Windows and .NET count them",
    "year_first": "the year, the month, the day, such as 2024/01/31",
    "day_first": "the day, the month, the year, such as 31.01.2024",
    "month_first": "the month, the day, the year, such as 01/31/2024",
    "epoch_s": "seconds since 1970",
    "epoch_ms": "milliseconds since 1970",
    "epoch_us": "microseconds since 1970",
    "epoch_ns": "nanoseconds since 1970",
}
# Nanoseconds of the unit of each epoch.
EPOCH_UNITS: Mapping[TimeFormat, int] = {"epoch_s": 10**9, "epoch_ms": 10**6, "epoch_us": 1_000, "epoch_ns": 1}
# FILETIME counts 100 ns since 1601; this is 1970.
FILETIME_EPOCH = 116_444_736_000_000_000
# Years of plausible times, both included: without a configured format, a time outside is none.
FIRST_YEAR, LAST_YEAR = 1990, 2100
# The setting of the time by which a reading has the timestamp of its Kafka record.
RECORD = "record"
# The zone of times that name none, where none is configured.
UTC_ZONE = "UTC"


def bounds(time_format: TimeFormat, zone: str) -> str:
    """The conditions that a time of this format meets, for an error text."""
    years = f" from {FIRST_YEAR} to {LAST_YEAR}" if time_format == "auto" else f" of format {time_format!r}"
    return years if zone == UTC_ZONE else f"{years} that exists in {zone}"
