"""`score_when`: its meaning row by row, and the expressions that it refuses."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.detect.frames.condition import Condition
from stream.errors import ConfigError

SENSORS = ("speed", "valve", "inlet temp.", "and")
Row = list[float]
# Each as people write it, and as Python code that shares nothing with the parser under test.
MEANINGS: dict[str, Callable[[Row], bool]] = {
    "speed > 100": lambda r: r[0] > 100,
    "speed >= 100": lambda r: r[0] >= 100,
    "speed < 100": lambda r: r[0] < 100,
    "speed <= 100": lambda r: r[0] <= 100,
    "valve == 1": lambda r: r[1] == 1,
    "valve != 1": lambda r: r[1] != 1,
    "50 < speed < 150": lambda r: 50 < r[0] < 150,
    "speed > 100 and valve == 1": lambda r: r[0] > 100 and r[1] == 1,
    "speed > 100 or valve == 1": lambda r: r[0] > 100 or r[1] == 1,
    "not valve == 1": lambda r: r[1] != 1,
    "not (speed > 100 or valve == 1) and speed > -100": lambda r: not (r[0] > 100 or r[1] == 1) and r[0] > -100,
    "speed > 100 or valve == 1 and speed < 0": lambda r: r[0] > 100 or (r[1] == 1 and r[0] < 0),
    "speed - 2 * valve > 98.5": lambda r: r[0] - 2 * r[1] > 98.5,
    "speed / (valve + 1) > 60": lambda r: r[0] / (r[1] + 1) > 60,
    "speed > -1e2": lambda r: r[0] > -100,
    "-speed < 100": lambda r: -r[0] < 100,
    "`inlet temp.` > speed": lambda r: r[2] > r[0],
    "`and` > 0 and `speed` > 0": lambda r: r[3] > 0 and r[0] > 0,
    "valve": lambda r: r[1] != 0,
    "not valve": lambda r: r[1] == 0,
    "True": lambda r: True,
    "1 > 2": lambda r: False,
}


@pytest.mark.parametrize("text", MEANINGS)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from([-200.0, -100.0, 0.0, 99.9, 100.0, 100.5, 150.0]),
            st.sampled_from([0.0, 1.0, 2.0]),
            st.floats(-200, 200),
            st.sampled_from([-1.0, 0.0, 1.0]),
        ),
        max_size=8,
    )
)
def test_an_expression_holds_where_it_holds_row_by_row(text: str, rows: list[tuple[float, ...]]) -> None:
    found = Condition(text, SENSORS).holds(np.array(rows, np.float64).reshape(-1, 4))
    assert found.tolist() == [MEANINGS[text](list(row)) for row in rows]


def test_a_masked_sensor_counts_as_running_but_only_one_that_is_used() -> None:
    """A cut wire must not switch detection off."""
    values = np.array([[math.nan, 1.0, 0.0, 0.0], [0.0, math.nan, math.nan, 0.0]])
    assert Condition("speed > 100", SENSORS).holds(values).tolist() == [True, False]
    assert Condition("not (speed > 100)", SENSORS).holds(values).tolist() == [True, True]
    assert Condition("speed > 100 and valve == 5", SENSORS).holds(values).tolist() == [True, True]


def test_a_division_by_zero_compares_as_infinity_without_a_warning() -> None:
    values = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    assert Condition("speed / valve > 1e300", SENSORS).holds(values).tolist() == [True, False]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("sped > 100", r"no sensor 'sped'; there are \['speed'"),
        ("`inlet` > 100", r"no sensor 'inlet'; there are"),
        ("speed >", "not an expression"),
        ("speed > 100; valve", "not an expression"),
        ("speed = 100", "not an expression"),
        ("inlet temp. > 3", "not an expression"),
        ("", "not an expression"),
        ("speed > 'high'", "uses Constant; only numbers, sensors, comparisons"),
        ("speed in (1, 2)", "uses Compare"),
        ("speed ** 9999 > 1", "uses BinOp"),
        ("abs(speed) > 1", r"no sensor 'abs'|uses Call"),
        ("speed.real > 1", "uses Attribute"),
        ("speed[0] > 1", "uses Subscript"),
        ("speed if valve else 1", "uses IfExp"),
        ("(lambda: 1)()", "uses Call"),
        ("[speed]", "uses List"),
        ("~speed > 1", "uses UnaryOp"),
        ("__import__('os').system('true')", r"no sensor '__import__'|uses Call"),
    ],
)
def test_any_other_syntax_is_refused_when_it_is_parsed(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Condition(text, SENSORS)
