"""Numbers in columns of any type, and the values there that are none."""

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from stream.intake.tables.formats.numbers import numbers_of


@pytest.mark.parametrize(
    ("column", "numbers", "bad"),
    [
        (pa.array([1.5, None, math.nan, -math.inf]), [1.5, None, None, None], {2: math.nan, 3: -math.inf}),
        (pa.array([1, None, 3], pa.int8()), [1, None, 3], {}),
        (pa.array([True, None, False]), [1, None, 0], {}),
        (pa.array(["1.5", " -2 ", "+3e2", ".5", "7."]), [1.5, -2, 300, 0.5, 7], {}),
        (pa.array(["n/a", "", "  ", None, "-", "1,5"]), [None] * 6, {0: "n/a", 4: "-", 5: "1,5"}),
        (pa.array(["NaN", "-inf", "Infinity"]), [None] * 3, {0: math.nan, 1: -math.inf, 2: math.inf}),
        (pa.array(["1e999", "1"]), [None, 1], {0: "1e999"}),
        (pa.array(["true", "FALSE", "on", "0x10"]), [1, 0, None, None], {2: "on", 3: "0x10"}),
        (pa.array(["1", "n/a", "1"]).dictionary_encode(), [1, None, 1], {1: "n/a"}),
        (pa.nulls(2), [None, None], {}),
        (pa.array([], pa.string()), [], {}),
    ],
)  # fmt: skip
def test_what_spells_no_number_is_missing_and_told_with_its_row(
    column: pa.Array, numbers: list[float | None], bad: dict[int, Any]
) -> None:
    found, told = numbers_of(column)
    np.testing.assert_array_equal(found, np.array(numbers, np.float64))
    assert found.dtype == np.float64
    seen = {row: told.values[which] for row, which in zip(told.rows.tolist(), told.which.tolist(), strict=True)}
    assert repr(seen) == repr(bad), "NaN equals nothing, so texts are compared"
