"""Turns sampled messages into a table with a column for each field, in which roles are found as in a history."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from stream.errors import ConfigError, DataError
from stream.intake.field_paths import checked, joined, split
from stream.intake.wire.json_shape import values_beside
from stream.messages import printable

if TYPE_CHECKING:
    from stream.kafka.topic_reader import TopicRecord

# The column of the record keys. No setting can name a field so: a name in its path would be empty.
KEY = "key.."
# More distinct keys than this share of the messages: they number the messages, not the assets.
_MANY = 0.5
# Fewer messages than this say nothing about the share.
_FEW = 20
_SHOWN = 80
_FORMATS = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"Obj\x01", "an Avro file"),
    (b"PAR1", "a Parquet file"),
    (b"\x00", "Avro, Protobuf or JSON with the zero byte and the number of a schema registry in front"),
    (b"<", "XML"),
)


@dataclass(frozen=True)
class SampleTable:
    """A sample of messages as a table.

    Attributes:
        table: a column for each field that may have a role, and `KEY` where keys may name assets. A column is called
            like its field, without the objects around it where that is enough to tell it from others.
        paths: path of the field of each column.
        left_out: paths of fields without a column, each with the reason.
        key: one clause about the keys.
    """

    table: pa.Table
    paths: dict[str, str]
    left_out: dict[str, str]
    key: str

    def write(self, path: Path) -> None:
        """Writes the table as Parquet."""
        pq.write_table(self.table, path)


def sample_table(topic: str, records: Sequence["TopicRecord"]) -> SampleTable:
    """Makes the table of a sample.

    Raises:
        DataError: there is no message, or none is a JSON object.
    """
    if not records:
        raise DataError(
            f"topic {topic!r} is empty; start its producer, then run this again, or guess from a file: --from-file"
        )
    rows: list[dict[str, object]] = []
    keys: list[bytes | None] = []
    unreadable: Counter[str] = Counter()
    for record in records:
        found = _objects(record.value)
        if isinstance(found, str):
            unreadable[found] += 1
        else:
            rows += [{joined(path): value for path, value in values_beside(one, {})} for one in found]
            keys += [record.key] * len(found)
    if not rows:
        seen = "; ".join(f"{count} of {len(records)} are {what}" for what, count in unreadable.most_common(3))
        raise DataError(
            f"topic {topic!r}: no message is a JSON object, which narrows reads: {seen}; "
            f"let the producer send JSON, or copy the topic to one that holds JSON"
        )
    fields, left_out = _fields(rows)
    lasts = Counter(split(path)[-1] for path in fields)
    paths = {split(path)[-1] if lasts[split(path)[-1]] == 1 else ".".join(split(path)): path for path in fields}
    columns = {name: fields[path] for name, path in paths.items()}
    usable, about = _about_keys(keys)
    if usable:
        columns[KEY] = pa.array([(key or b"").decode() for key in keys])
    return SampleTable(pa.table(columns), paths, left_out, about)


def _objects(value: bytes | None) -> Sequence[dict[str, object]] | str:
    """The JSON objects of a message; else what it is, in words."""
    if value is None or not value.strip():
        return "without a value"
    form = next((name for start, name in _FORMATS if value.startswith(start)), None)
    if form is not None:
        return form
    try:
        message = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "bytes that are no text" if not _is_text(value) else f"text that is not JSON, such as {_shown(value)}"
    objects = message if isinstance(message, list) else [message]
    if not objects or not all(isinstance(one, dict) for one in objects):
        return f"JSON without an object, such as {_shown(value)}"
    return objects


def _fields(rows: Sequence[dict[str, object]]) -> tuple[dict[str, pa.Array], dict[str, str]]:
    """Values of the fields that hold numbers, text or bools, by path; and the reason against each other field."""
    columns: dict[str, pa.Array] = {}
    left_out: dict[str, str] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        kinds = Counter("number" if type(v) in (int, float) else type(v).__name__ for v in values if v is not None)
        usual = kinds.most_common(1)[0][0] if kinds else "null"
        try:
            checked("sensors", name)
            if usual not in ("number", "str", "bool"):
                left_out[name] = {"list": "an array", "null": "always null"}.get(usual, usual)
            elif usual == "number":
                columns[name] = _numbers(values)
            else:
                columns[name] = pa.array([v if type(v).__name__ == usual else None for v in values])
        except ConfigError:
            left_out[name] = "a name that no setting can hold (a quote, a backslash, a control character, or nothing)"
    return columns, left_out


def _numbers(values: Sequence[object]) -> pa.Array:
    numbers = [value if type(value) in (int, float) else None for value in values]
    # Arrow cuts off fractions where it is asked for integers.
    kind = pa.float64() if float in map(type, numbers) else pa.int64()
    try:
        return pa.array(numbers, kind)
    except (pa.ArrowException, OverflowError):
        return pa.array([None if number is None else float(str(number)) for number in numbers], pa.float64())


def _about_keys(keys: Sequence[bytes | None]) -> tuple[bool, str]:
    """True where keys may name assets; and a clause about them."""
    distinct = list(dict.fromkeys(keys))
    if None in distinct or b"" in distinct:
        return False, "no message has a key" if not any(keys) else "some messages have no key"
    names = [key for key in distinct if key is not None]
    odd = next((key for key in names if not _is_text(key)), None)
    if odd is not None:
        return False, f"keys are bytes that are no text, such as {odd[:16].hex(' ')}"
    such = ", ".join(_shown(key) for key in names[:3])
    if any(key.lstrip().startswith((b"{", b"[")) for key in names):
        return False, f"keys are JSON, such as {such}, and narrows would take the whole text for the name of a series"
    if len(keys) >= _FEW and len(names) > _MANY * len(keys):
        return False, f"nearly every message has a key of its own, such as {such}"
    return True, f"the key: {len(names)} in the sample, such as {such}"


def _is_text(value: bytes) -> bool:
    try:
        return all(character.isprintable() or character.isspace() for character in value.decode())
    except UnicodeDecodeError:
        return False


def _shown(value: bytes) -> str:
    text = printable(value.decode("utf-8", "replace"))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
