"""Durations, sizes, instants, addresses as written by people: `500ms`, `1MiB`, `2026-01-31T08:00:00Z`, `[::1]:80`."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from stream.intake.intervals import DURATION_UNITS
from stream.intake.intervals import format_duration as format_duration

_SIZE_UNITS = {"B": 1, "kB": 1_000, "KiB": 2**10, "MB": 10**6, "MiB": 2**20, "GB": 10**9, "GiB": 2**30}
# A hundred years: far above any sensible setting, far below the end of int64 ns.
_LONGEST = 36_500 * DURATION_UNITS["d"]
_LARGEST = 2**40
_NUMBER = re.compile(r"\s*([0-9]{1,20}(?:\.[0-9]{1,20})?)\s*([A-Za-z]*)\s*")
_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]]+)):([0-9]{1,5})")
_PORTS = 65_536
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

DURATION_HELP = "a duration such as 500ms, 30s, 5m, 1h, 7d, or plain seconds"
SIZE_HELP = "a size such as 512KiB, 1MiB, or plain bytes"
ADDRESS_HELP = "host:port such as 127.0.0.1:8080, [::1]:8080 or 0.0.0.0:8080, port at most 65535"
INSTANT_HELP = "an ISO 8601 time such as 2026-01-31T08:00:00Z"


def parse_duration(given: object) -> int:
    """Length in ns of `500ms`, `30s`, `5m`, `1h`, `7d`, or of plain seconds.

    Raises:
        ValueError: not of that form, negative, or longer than 36500d.
    """
    length = _scaled(given, DURATION_UNITS, default="s", help_text=DURATION_HELP)
    if length > _LONGEST:
        raise ValueError("expected at most 36500d")
    return length


def parse_size(given: object) -> int:
    """Bytes of `512KiB`, `1MiB`, or of plain bytes.

    Raises:
        ValueError: not of that form, zero, or above 1024GiB.
    """
    size = _scaled(given, _SIZE_UNITS, default="B", help_text=SIZE_HELP)
    if not 0 < size <= _LARGEST:
        raise ValueError("expected more than 0 and at most 1024GiB")
    return size


def format_size(size: int) -> str:
    """The shortest exact spelling of `size` bytes: `1MiB`, `1500B`."""
    units = {unit: n for unit, n in _SIZE_UNITS.items() if unit not in ("kB", "MB", "GB")}
    if size == 0:
        return "0B"
    unit, scale = max(((u, n) for u, n in units.items() if size % n == 0), key=lambda pair: pair[1])
    return f"{size // scale}{unit}"


def parse_instant(given: object) -> int:
    """Time in ns since 1970 UTC of an ISO 8601 text (microseconds at the finest); no zone means UTC.

    Raises:
        ValueError: not such a time.
    """
    try:
        moment = datetime.fromisoformat(given if isinstance(given, str) else "")
    except ValueError:
        raise ValueError(f"expected {INSTANT_HELP}") from None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000


def format_instant(time: int) -> str:
    """ISO 8601, UTC, of `time` ns; whole microseconds."""
    return (_EPOCH + timedelta(microseconds=time // 1_000)).isoformat().replace("+00:00", "Z")


def parse_address(given: str) -> tuple[str, int]:
    """Host and port of `localhost:8080` or `[::1]:8080`.

    Raises:
        ValueError: not of that form.
    """
    match = _ADDRESS.fullmatch(given)
    if match is None or int(match[3]) >= _PORTS:
        raise ValueError(f"expected {ADDRESS_HELP}")
    return match[1] or match[2], int(match[3])


def _an_address(given: str) -> str:
    parse_address(given)
    return given


def _scaled(given: object, units: dict[str, int], default: str, help_text: str) -> int:
    # A bool is an int in Python; in a configuration it is a mistake.
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise ValueError(f"expected {help_text}")
    text = given if isinstance(given, str) else format(Decimal(repr(given)), "f")
    match = _NUMBER.fullmatch(text)
    if match is None or (match[2] or default) not in units:
        raise ValueError(f"expected {help_text}")
    return int(Decimal(match[1]) * units[match[2] or default])


def _positive(amount: int) -> int:
    if amount <= 0:
        raise ValueError("expected more than 0")
    return amount


def _not_bool(given: object) -> object:
    if isinstance(given, bool):
        raise ValueError("expected a number")
    return given


Duration = Annotated[
    int,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": ["string", "number"], "format": "duration"}),
]
PositiveDuration = Annotated[Duration, AfterValidator(_positive)]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    PlainSerializer(format_size, return_type=str),
    WithJsonSchema({"type": ["string", "integer"], "format": "size"}),
]
Instant = Annotated[
    int,
    BeforeValidator(parse_instant),
    PlainSerializer(format_instant, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Address = Annotated[str, AfterValidator(_an_address)]
Int = Annotated[int, BeforeValidator(_not_bool)]
Positive = Annotated[int, Field(ge=1), BeforeValidator(_not_bool)]
WindowLength = Annotated[int, Field(ge=1, le=4096), BeforeValidator(_not_bool)]
LevelLength = Annotated[int, Field(ge=1, le=10_000), BeforeValidator(_not_bool)]
NonNegative = Annotated[int, Field(ge=0), BeforeValidator(_not_bool)]
Float = Annotated[float, BeforeValidator(_not_bool)]
