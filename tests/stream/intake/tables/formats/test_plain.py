"""Columns of any type become columns of a few plain types; fields of structs become columns."""

from typing import Any

import pyarrow as pa
import pytest

from stream.intake.tables.formats.plain import at, leaves, plain, plain_type


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array(["a", None], pa.string_view()), ["a", None]),
        (pa.array([b"a", None], pa.binary()), ["a", None]),
        (pa.array([b"a\xc8", b"\xc9"], pa.large_binary()), ["a\\xc8", "\\xc9"]),
        (pa.array([b"\x00\xff", None], pa.binary(2)), ["00ff", None]),
        (pa.array([b"\x01" * 16], pa.uuid()), ["01" * 16]),
        (pa.array([7, 7, None]).dictionary_encode(), [7, 7, None]),
        (pa.array(["a", "b"]).dictionary_encode(), ["a", "b"]),
        (pa.RunEndEncodedArray.from_arrays([2, 3], ["a", "b"]), ["a", "a", "b"]),
        (pa.array([1.5, None]), [1.5, None]),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_a_column_becomes_plain_and_its_type_is_known_before(column: pa.Array, expected: list[Any]) -> None:
    found = plain(column)
    assert found.to_pylist() == expected
    assert found.type == plain_type(column.type)


def test_a_field_of_a_struct_is_a_column_whose_name_no_other_column_has() -> None:
    """A null struct has null fields."""
    motor = pa.array([{"temp": 1.0, "to": {"x": 2}}, None])
    rows = pa.RecordBatch.from_arrays(
        [motor, pa.array([5, 6]), pa.array([7, 8])], ["motor", "motor.temp", "motor/to/x"]
    )
    found = leaves(rows.schema)
    assert found == {
        "motor.temp": ("motor.temp",), "motor/to/x": ("motor/to/x",),
        "motor/temp": ("motor", "temp"), "motor.to.x": ("motor", "to", "x"),
    }  # fmt: skip
    assert {name: at(rows, path).to_pylist() for name, path in found.items()} == {
        "motor.temp": [5, 6], "motor/to/x": [7, 8], "motor/temp": [1.0, None], "motor.to.x": [2, None]
    }  # fmt: skip
