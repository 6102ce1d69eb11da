"""The contract of the decoder, whatever the wire format: each format says the same in its own bytes."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.intake.columns import Reason
from stream.intake.decode import JSON, PARSERS, Decoder
from tests.stream.intake.decode_cases import NOW_MS, outcome
from tests.stream.intake.wire.csv_parser import CsvParser
from tests.support.builders import fields

SENSORS = ("temp", "flow")
CSV = "csv"
Row = Mapping[str, Any]
Encode = Callable[[Sequence[Row], Sequence[str]], bytes]


def as_json(rows: Sequence[Row], names: Sequence[str]) -> bytes:
    return json.dumps(rows[0] if len(rows) == 1 else rows).encode()


def as_csv(rows: Sequence[Row], names: Sequence[str]) -> bytes:
    lines = (",".join("" if row.get(name) is None else str(row[name]) for name in names) for row in rows)
    return "\n".join(lines).encode()


FORMATS: dict[str, Encode] = {JSON: as_json, CSV: as_csv}
LAYOUTS = {
    "wide": ({}, ("time", *SENSORS)),
    "wide, series in a field": ({"series": "id"}, ("time", "id", *SENSORS)),
    "long": ({"format": "long", "series": "id"}, ("time", "id", "sensor", "value")),
}


@pytest.fixture(autouse=True, scope="module")
def csv_is_a_wire_format() -> Iterator[None]:
    """One line in the list."""
    PARSERS[CSV] = CsvParser
    yield
    del PARSERS[CSV]


def decoder(encoding: str, layout: str = "wide", known: frozenset[str] | None = None, **changes: object) -> Decoder:
    return Decoder(fields(encoding=encoding, **LAYOUTS[layout][0], **changes), SENSORS, known)


def test_json_is_the_wire_format_there_is() -> None:
    assert set(PARSERS) - {CSV} == {JSON}


ROWS = st.fixed_dictionaries(
    {
        "time": st.one_of(
            st.integers(NOW_MS - 10**6, NOW_MS), st.sampled_from([None, 2 * NOW_MS, "2023-11-14", "yesterday"])
        ),
        "id": st.sampled_from(["pump-1", "pump-2", "pump-9", None]),
        "sensor": st.sampled_from(["temp", "flow", "humidity"]),
        **dict.fromkeys((*SENSORS, "value"), st.one_of(st.none(), st.floats(-1e6, 1e6), st.integers(-99, 99))),
    }
)
MESSAGES = st.lists(st.tuples(st.lists(ROWS, min_size=1, max_size=3), st.sampled_from([b"pump-1", None])), max_size=8)


@pytest.mark.parametrize("layout", LAYOUTS)
@given(messages=MESSAGES, cut=st.integers(0, 8))
def test_the_same_readings_decode_alike_in_every_format_wherever_the_batch_is_cut(
    layout: str, messages: list[tuple[list[Row], bytes | None]], cut: int
) -> None:
    names, known = LAYOUTS[layout][1], frozenset({"pump-1", "pump-2"})
    keys = [key for _, key in messages]
    found = []
    for encoding, encode in FORMATS.items():
        values = [encode([{name: row[name] for name in names} for row in rows], names) for rows, _ in messages]
        subject = decoder(encoding, layout, known)
        parts = [
            subject.decode(values[at], keys[at], range(len(values))[at], [NOW_MS] * len(values[at]))
            for at in (slice(None), slice(cut), slice(cut, None))
        ]
        whole, first, second = (outcome(part) for part in parts)
        assert whole == (first[0] + second[0], first[1] + second[1], first[2] + second[2])
        assert parts[0].received == len(parts[0].readings) + parts[0].ignored + len(parts[0].dead)
        found.append(whole)
    assert found[0] == found[1]


GOOD: dict[str, Any] = {"time": NOW_MS, "temp": 1.5, "flow": None}


@pytest.mark.parametrize("encoding", FORMATS)
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.EMPTY),
        (b" \n", Reason.EMPTY),
        (b"x" * 101, Reason.TOO_LARGE),
        (b"\xff", Reason.NOT_UTF8),
        ([GOOD | {"time": None}], Reason.MISSING_TIME),
        ([GOOD | {"time": "now"}], Reason.BAD_TIME),
        ([GOOD | {"time": NOW_MS + 300_001}], Reason.FUTURE_TIME),
        ([GOOD | {"temp": "hot"}], Reason.WRONG_TYPE),
    ],
)
def test_a_message_that_is_no_reading_is_dead_for_its_reason_and_keeps_its_bytes(
    encoding: str, value: bytes | list[Row] | None, reason: Reason
) -> None:
    """Its neighbours are read all the same."""
    encode, names = FORMATS[encoding], LAYOUTS["wide"][1]
    good, bad = encode([GOOD], names), encode(value, names) if isinstance(value, list) else value
    decoded = decoder(encoding, max_bytes=100).decode([good, bad, good], [b"p"] * 3, range(3), [NOW_MS] * 3)
    (dead,) = decoded.dead
    assert (dead.reason, dead.position, dead.index, dead.key, dead.value) == (reason, 1, -1, b"p", bad)
    assert dead.detail
    assert decoded.readings.position.tolist() == [0, 2]


@pytest.mark.parametrize("encoding", FORMATS)
@pytest.mark.parametrize(
    ("key", "reason"), [(None, Reason.MISSING_SERIES), (b"\xff", Reason.NOT_UTF8), (b"pump-9", Reason.UNKNOWN_SERIES)]
)
def test_a_key_that_names_no_series_of_ours_kills_the_message(encoding: str, key: bytes | None, reason: Reason) -> None:
    value = FORMATS[encoding]([GOOD], LAYOUTS["wide"][1])
    decoded = decoder(encoding, known=frozenset({"pump-1"})).decode([value], [key], [5], [-1])
    assert [(d.reason, d.position, d.index, d.key) for d in decoded.dead] == [(reason, 5, -1, key)]


@pytest.mark.parametrize("encoding", FORMATS)
def test_long_readings_of_sensors_that_are_not_ours_are_ignored_and_named(encoding: str) -> None:
    encode, names = FORMATS[encoding], LAYOUTS["long"][1]
    rows = [{"time": 1_700_000_000, "id": "p", "sensor": name, "value": 2.5} for name in ("flow", "humidity")]
    subject = decoder(encoding, "long")
    decoded = subject.decode([encode([row], names) for row in rows], [None] * 2, range(2), [-1] * 2)
    assert (decoded.ignored, decoded.received, subject.unused_names) == (1, 2, frozenset({"humidity"}))
