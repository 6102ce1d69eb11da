"""Dead letters name what their bytes are, the value that was of the wrong type, and what to do."""

import gzip
import json
import struct
from collections.abc import Mapping

import pytest

from stream.intake.decode import Decoder
from tests.support.builders import fields

NONE: Mapping[str, object] = {}
READING = b'{"time": 1700000000000, "temp": 1.5}'
REGISTRY = b"\0" + struct.pack(">i", 42)


def detail(value: bytes, key: bytes = b"pump", layout: Mapping[str, object] = NONE) -> str:
    decoder = Decoder(fields(**layout), ("temp", "flow"), frozenset({"pump"}))
    (dead,) = decoder.decode([value], [key], [0], [-1]).dead
    return dead.detail


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (REGISTRY + b"\x02\x0a\xff", "Avro or Protobuf, schema id 42"),
        (REGISTRY + READING, "JSON Schema, schema id 42"),
        (gzip.compress(READING), "gzip-compressed by the sender; compression belongs to the producer's `compression.t"),
        (b"\x28\xb5\x2f\xfd\x04\x00\x99", "zstd-compressed"),
        (b"\x82SNAPPY\0\0\0\0\x01", "snappy-compressed"),
        (b"\xff\x06\0\0sNaPpY\x01", "snappy-compressed"),
        (b"\x04\x22\x4d\x18\x60\x40", "lz4-compressed"),
        (b"\xef\xbb\xbf" + READING, "byte order mark"),
        (READING.decode().encode("utf-16"), "UTF-16"),
        (READING.decode().encode("utf-16-le"), "UTF-16"),
        (READING.decode().encode("utf-16-be"), "UTF-16"),
        (b"{'time': 1700000000000}", "json.dumps"),
        (READING + b"\n" + READING, "one array"),
        (json.dumps(READING.decode()).encode(), "encoded twice"),
        (b"1700000000000,1.5", "CSV"),
    ],
)  # fmt: skip
def test_a_value_that_is_no_json_is_called_by_its_name(value: bytes, words: str) -> None:
    assert words in detail(value)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (struct.pack(">i", 7), "the integer 7 as bytes"),
        (struct.pack(">q", 1234567), "the integer 1234567 as bytes"),
        (struct.pack(">i", -200), "the integer -200 as bytes"),
        (REGISTRY + b"\x08pump", "schema id 42"),
        (b'{"id": "pump"}', "a JSON object; send the name of the asset as the key, or set `input.series`"),
        (b'"pump"', "a name in quotes"),
    ],
)
def test_a_key_that_is_no_name_is_called_by_its_name(key: bytes, words: str) -> None:
    assert words in detail(READING, key)


@pytest.mark.parametrize(
    ("value", "layout", "words"),
    [
        ([{"time": 1, "id": "pump"}, {"time": 1, "id": 2.5}], {"series": "id"}, "`$[1].id`: 2.5"),
        ({"time": 1, "v.f": 3}, {"sensors": {"temp": r"v\.f.temp"}}, "`$.v.f`: 3"),
        ({"time": [1, 2], "temp": 1.0}, {}, "`$.time`: [1, 2]"),
        ({"time": {"n": "9" * 200}}, {}, "999..."),
    ],
)
def test_a_wrong_type_is_told_with_the_field_and_the_value(
    value: object, layout: dict[str, object], words: str
) -> None:
    assert words in detail(json.dumps(value).encode(), layout=layout)


def test_a_name_is_not_taken_for_bytes() -> None:
    """Names of four and eight letters are keys as any other."""
    assert detail(READING, b"abcd").startswith("series ")
    assert detail(READING, b"abcdefgh").startswith("series ")
