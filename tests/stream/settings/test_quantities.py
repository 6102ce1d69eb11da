"""Durations, sizes, instants and addresses as the configuration spells them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.settings.quantities import (
    format_duration,
    format_size,
    parse_address,
    parse_duration,
    parse_instant,
    parse_size,
)

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("500ms", 500_000_000),
        ("30s", 30 * SECOND),
        (" 5 m ", 300 * SECOND),
        ("1h", 3600 * SECOND),
        ("7d", 604_800 * SECOND),
        ("0.1s", 100_000_000),
        ("2us", 2_000),
        ("3ns", 3),
        (90, 90 * SECOND),
        (0.25, SECOND // 4),
        (1e-9, 1),
        ("0", 0),
        ("12", 12 * SECOND),
    ],
)
def test_a_duration_is_read_as_written(text: str | float, ns: int) -> None:
    assert parse_duration(text) == ns


@pytest.mark.parametrize(
    "text", ["", "s", "-1s", "1 week", "1M", "1h30m", "1e3s", "nan", "٣s", True, None, [1], -5, 40000 * 86400]
)
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_duration(text)


@given(st.integers(0, 36_500 * 86_400 * SECOND))
def test_a_duration_survives_being_printed(ns: int) -> None:
    assert parse_duration(format_duration(ns)) == ns


@given(st.decimals(0, 1000, places=3), st.sampled_from([("ms", 6), ("s", 9)]))
def test_a_fraction_of_a_unit_is_exact(number: Decimal, unit: tuple[str, int]) -> None:
    assert parse_duration(f"{number:f}{unit[0]}") == int(number.scaleb(unit[1]))


@pytest.mark.parametrize(
    ("text", "size"),
    [("1MiB", 1_048_576), ("1MB", 1_000_000), ("2kB", 2000), ("512KiB", 524_288), (77, 77), ("77B", 77)],
)
def test_a_size_is_read_as_written_and_survives_being_printed(text: str | int, size: int) -> None:
    assert parse_size(text) == size
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize("text", ["0", "1 megabyte", "1mb", "2TiB", "2000GiB", True, -1])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01", 0),
        ("1970-01-02T00:00:00Z", 86_400 * SECOND),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01 00:00:00.000001", 1_000),
        ("1969-12-31T23:59:59.5Z", -SECOND // 2),
    ],
)
def test_an_instant_without_a_zone_is_utc(text: str, ns: int) -> None:
    assert parse_instant(text) == ns


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("localhost:0", "localhost", 0),
        ("pump-house.example.org:65535", "pump-house.example.org", 65_535),
        ("[::1]:8080", "::1", 8080),
    ],
)
def test_an_address_is_read_as_written(text: str, host: str, port: int) -> None:
    assert parse_address(text) == (host, port)


@pytest.mark.parametrize(
    "text", ["", "8080", ":8080", "localhost", "localhost:", "localhost:http", "a:65536", "::1:8080", "a b:1", "a:-1"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected host:port such as"):
        parse_address(text)
