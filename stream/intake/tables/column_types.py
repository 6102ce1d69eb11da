"""The types of Parquet columns, and the purposes that each type may have."""

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from stream.errors import DataError
from stream.intake.columns import Int64s
from stream.messages import some


def is_number(kind: pa.DataType) -> bool:
    """Numbers, as a sensor sends them; a bool is 0 or 1."""
    whole = types.is_integer(kind) or types.is_boolean(kind)
    return bool(whole or types.is_floating(kind) or types.is_decimal(kind))


def is_text(kind: pa.DataType) -> bool:
    """Strings, also as a dictionary."""
    plain = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(plain) or types.is_large_string(plain))


def is_time(kind: pa.DataType) -> bool:
    """Timestamps, dates, times of day, epochs, text."""
    whole = types.is_timestamp(kind) or types.is_date(kind) or types.is_time(kind) or types.is_integer(kind)
    return bool(whole or types.is_floating(kind) or is_text(kind))


def is_name(kind: pa.DataType) -> bool:
    """Text, or integers that number series."""
    return is_text(kind) or bool(types.is_integer(kind))


def may_name(kind: pa.DataType) -> bool:
    """Text or numbers, as a configuration may name series or sensors by; see `as_names`."""
    return is_name(kind) or bool(types.is_floating(kind))


def as_names(column: pa.Array, where: str) -> pa.Array:
    """The column, with whole floats as integers: pandas makes floats of identifiers some of which are null.

    Raises:
        DataError: a float has a fraction, so it is measured and names nothing.
    """
    if not types.is_floating(column.type):
        return column
    try:
        return pc.if_else(pc.is_nan(column), None, column).cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise DataError(f"{where}: {error}; expected text or whole numbers, as names of series or sensors") from error


def is_label(kind: pa.DataType) -> bool:
    """Bool, numbers or text, whose values tell normal from anomalous rows."""
    return is_number(kind) or is_text(kind)


def encoded(column: pa.Array) -> tuple[Int64s, list[object]]:
    """Index of each row's value among the distinct ones, int64 (n,), -1 for null; and these."""
    coded = column if types.is_dictionary(column.type) else column.dictionary_encode()
    index: Int64s = coded.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    return index, coded.dictionary.to_pylist()


def first_named(columns: Iterable[str], names: Sequence[str]) -> str | None:
    """The column that has the first of these names, in any case; None where no column has one."""
    lower = {name.lower(): name for name in reversed(list(columns))}
    return next((lower[name] for name in names if name in lower), None)


def listed(columns: Mapping[str, pa.DataType]) -> str:
    """Columns with their types, for an error text; a long list is cut."""
    return some([f"{name} ({kind})" for name, kind in columns.items()], 40)
