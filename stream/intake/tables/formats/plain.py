"""Plain types: the few types of columns that the search and the reader know. All others are converted to these."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from stream.intake.tables.column_types import is_text

Names = tuple[str, ...]
# Joins the names of a nested column. The later ones serve where another column has the first name.
_JOINTS = (".", "/", "//", "///")


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type as which a column is read: text is `string`, `large_string`, or a dictionary of these."""
    if isinstance(kind, pa.BaseExtensionType):
        return plain_type(kind.storage_type)
    if types.is_run_end_encoded(kind):
        return plain_type(kind.value_type)
    if types.is_dictionary(kind):
        value = plain_type(kind.value_type)
        return pa.dictionary(kind.index_type, value) if is_text(value) else value
    if types.is_string_view(kind) or types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind):
        return pa.string()
    return pa.string() if types.is_fixed_size_binary(kind) else kind


def plain(column: pa.Array) -> pa.Array:
    """The column in its plain type. Bytes of a fixed size, such as a UUID, become hexadecimal digits.

    Of other bytes, those that are no UTF-8 are escaped.
    """
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return plain(column.storage)
    if types.is_run_end_encoded(kind):
        return plain(pc.run_end_decode(column))
    if types.is_fixed_size_binary(kind):
        return pa.array([None if value is None else value.hex() for value in column.to_pylist()], pa.string())
    wanted = plain_type(kind)
    try:
        return column if kind == wanted else column.cast(wanted)
    except pa.ArrowInvalid:
        texts = (None if value is None else value.decode("utf-8", "backslashreplace") for value in column.to_pylist())
        return pa.array(texts, wanted)


def leaves(schema: pa.Schema) -> dict[str, Names]:
    """The path of each column below its name. Fields of a struct are columns: `motor.temp` is `temp` in `motor`.

    A nested column whose dotted name a flat one has is `motor/temp`.
    """
    found: dict[str, Names] = {name: (name,) for name in schema.names if not types.is_struct(type_at(schema, (name,)))}
    taken = set(found)
    for field in schema:
        for path in _below((field.name,), field.type) if types.is_struct(field.type) else ():
            name = next(name for joint in _JOINTS if (name := joint.join(path)) not in taken)
            found[name] = path
            taken.add(name)
    return found


def _below(path: Names, kind: pa.DataType) -> Iterator[Names]:
    if not types.is_struct(kind):
        yield path
        return
    for field in kind:
        yield from _below((*path, field.name), field.type)


def at(rows: pa.RecordBatch, path: Names) -> pa.Array:
    """The column at a path; null where a struct above it is null."""
    column = rows.column(path[0])
    return pc.struct_field(column, list(path[1:])) if path[1:] else column


def type_at(schema: pa.Schema, path: Names) -> pa.DataType:
    """The type of the column at a path."""
    kind = schema.field(path[0]).type
    for name in path[1:]:
        kind = kind.field(name).type
    return kind
