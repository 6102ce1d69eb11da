"""Recognises what the bytes of a key or value are, where they are not the JSON or the text that was expected.

A cause is one line of a table: the first bytes, as a pattern, and the words about it. `{number}` in the words stands
for the group `number` of the pattern, a big-endian integer.
"""

import re
from collections.abc import Sequence

_Causes = Sequence[tuple[re.Pattern[bytes], str]]

# Characters of a sender's name or value that a detail shows.
SHOWN = 60
_PLAIN = "; expected plain JSON: send the value as JSON text"
_COMPRESSED = (
    "-compressed by the sender; compression belongs to the producer's `compression.type`, not into the value: send "
    "plain JSON"
)
_SCHEMA = "{number}: the header of a Schema Registry serializer" + _PLAIN + ", without the header"


def _table(*causes: tuple[bytes, str]) -> _Causes:
    return tuple((re.compile(pattern, re.DOTALL), words) for pattern, words in causes)


VALUES = _table(
    (rb"\xff\xfe|\xfe\xff", "UTF-16 text with a byte order mark; send it as UTF-8, without the mark"),
    (rb"(?:[\t-\r -~]\0){2}|(?:\0[\t-\r -~]){2}", "UTF-16 text; send it as UTF-8"),
    (rb"\xef\xbb\xbf", "UTF-8 with a byte order mark (BOM) in front; send it without the mark, in Python `utf-8`"),
    (rb"\0(?P<number>(?!\0{4}).{4})\s*[{\[]", "JSON Schema, schema id " + _SCHEMA),
    (rb"\0(?P<number>(?!\0{4}).{4})", "Avro or Protobuf, schema id " + _SCHEMA),
    (rb"\x03[\x00\x05].{16}", "the header of an AWS Glue Schema Registry serializer" + _PLAIN),
    (rb"\x1f\x8b", "gzip" + _COMPRESSED),
    (rb"\x28\xb5\x2f\xfd", "zstd" + _COMPRESSED),
    (rb"\x82SNAPPY\0|\xff\x06\0\0sNaPpY", "snappy" + _COMPRESSED),
    (rb"\x04\x22\x4d\x18", "lz4" + _COMPRESSED),
    (rb"x[\x01\x9c\xda]", "zlib" + _COMPRESSED),
    (rb"PK\x03\x04", "zip" + _COMPRESSED),
    (rb"Obj\x01", "an Avro file" + _PLAIN),
    (rb"PAR1", "a Parquet file; expected JSON: `narrows replay` and `narrows train` read such files"),
    (rb"\xff\xff\xff\xff", "an Arrow stream" + _PLAIN),
    (rb"\xac\xed\0\x05", "an object of Java's serialization" + _PLAIN),
    (rb"\x80[\x02-\x05]", "an object of Python's pickle" + _PLAIN),
    (rb"[\x81-\x8f\xde\xdf][\xa0-\xbf\xd9]", "MessagePack" + _PLAIN),
    (rb"[\xa1-\xb7\xbf][\x61-\x78]", "CBOR" + _PLAIN),
    (rb"\s*<", "XML or HTML" + _PLAIN),
    (rb"\s*[{\[]\s*'|\s*\[\s*\{\s*'", "names in single quotes, as Python prints a dict; send `json.dumps(reading)`"),
    (rb"\s*\{[^\n]*\}\s*\n\s*\{", "several JSON objects, one after the other; send a message each, or one array"),
    (rb"\s*\"\s*\\?[{\[]", "JSON text within a JSON text: it was encoded twice; send it encoded once"),
    (rb"[ -!#-Z^-z|~]*[,;]", "no JSON, but a line of CSV perhaps" + _PLAIN),
)

_KEY = "; send the name of the asset as the key, or set `input.series` to the field that has it"
_INTEGER = "the integer {number} as bytes, where text was expected" + _KEY
KEYS = _table(
    (rb"(?P<number>\0.{3}|\xff.{3})\Z", _INTEGER),
    (rb"(?P<number>\0.{7}|\xff.{7})\Z", _INTEGER),
    (
        rb"\0(?P<number>(?!\0{4}).{4})",
        "a serialized key, schema id " + _SCHEMA.replace(_PLAIN, "; send the name of the asset as text"),
    ),
    (rb"\s*\{.*\}\s*\Z", "a JSON object" + _KEY),
    (rb"\".*\"\Z", "a name in quotes, as a JSON serializer writes it" + _KEY),
)


def cause(causes: _Causes, content: bytes) -> str | None:
    """The words about `content`, by the first line of the table that fits; None where none does."""
    for pattern, words in causes:
        found = pattern.match(content)
        if found is not None:
            number = int.from_bytes(found.groupdict().get("number") or b"", "big", signed=causes is KEYS)
            return words.replace("{number}", str(number))
    return None


def with_cause(causes: _Causes, content: bytes, detail: str) -> str:
    """`detail` with the recognised cause in front of it."""
    recognised = cause(causes, content)
    return detail if recognised is None else f"{recognised} ({detail})"


def value_at(message: object, path: str) -> object:
    """The value at a path as msgspec writes it after the `$`, `[0].a.b`; None where there is none."""
    if not path:
        return message
    index = re.match(r"\[(\d+)\]", path)
    if isinstance(message, list) and index is not None and int(index[1]) < len(message):
        return value_at(message[int(index[1])], path[index.end() :])
    if isinstance(message, dict):
        # A name may have dots itself: the longest that fits is meant.
        names = [name for name in message if f"{path}.".startswith((f".{name}.", f".{name}["))]
        name = max(names, key=len, default=None)
        return None if name is None else value_at(message[name], path[len(name) + 1 :])
    return None


def short(value: object) -> str:
    """A value of a sender as people read it, cut after some characters."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
