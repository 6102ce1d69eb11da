"""`score_when`: a small expression over sensors, such as `speed > 100 and not valve == 0`.

Numbers, sensor names (in backticks where they are not plain words), + - * /, comparisons, and, or, not.
Python's parser parses it; it is evaluated over columns. Any other syntax is refused, so no other code can run.
"""

import ast
import operator
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from stream.errors import ConfigError
from stream.intake.columns import Bools, Float64s

# A column (n,) of numbers or booleans, or one value for all rows.
Column: TypeAlias = Any

_ARITHMETIC: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: np.divide,
}
_COMPARISONS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


class Condition:
    """A parsed expression over `sensors`.

    Attributes:
        used: the sensors that it reads.

    Raises:
        ConfigError: the text is not such an expression, or names an unknown sensor.
    """

    def __init__(self, text: str, sensors: tuple[str, ...]) -> None:
        self._text = text
        self._column = {f"sensor_{i}": i for i in range(len(sensors))} | {name: i for i, name in enumerate(sensors)}
        self._sensors = sensors
        try:
            self._tree = ast.parse(re.sub("`([^`]*)`", self._backticked, text), mode="eval").body
        except (SyntaxError, ValueError) as fault:
            raise ConfigError(
                f"score_when: {text!r} is not an expression ({fault}); write e.g. `speed > 100`"
            ) from fault
        self._used = sorted({self._index(node.id) for node in ast.walk(self._tree) if isinstance(node, ast.Name)})
        self.used = tuple(sensors[index] for index in self._used)
        self.holds(np.zeros((1, len(sensors))))

    def holds(self, values: Float64s) -> Bools:
        """Rows where the condition holds, or where a sensor that it needs is masked: bool (n,).

        An unknown state counts as running: a cut wire must not switch detection off.

        Args:
            values: float64 (n, F), NaN where masked.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            holds = np.broadcast_to(np.asarray(self._value(self._tree, values), dtype=np.bool_), len(values))
        return holds | np.isnan(values[:, self._used]).any(axis=1)

    def _backticked(self, match: re.Match[str]) -> str:
        if match[1] not in self._sensors:
            raise ConfigError(f"score_when: no sensor {match[1]!r}; there are {list(self._sensors)}")
        return f"sensor_{self._sensors.index(match[1])}"

    def _index(self, name: str) -> int:
        if name not in self._column:
            raise ConfigError(f"score_when: no sensor {name!r}; there are {list(self._sensors)}")
        return self._column[name]

    def _value(self, node: ast.AST, values: Float64s) -> Column:
        match node:
            case ast.Name(id=name):
                return values[:, self._index(name)]
            case ast.Constant(value=bool() | int() | float() as number):
                return number
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                return np.logical_not(self._value(inner, values))
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return -self._value(inner, values)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                return _ARITHMETIC[type(op)](self._value(left, values), self._value(right, values))
            case ast.BoolOp(op=op, values=parts):
                join = np.logical_and if isinstance(op, ast.And) else np.logical_or
                return join.reduce([np.broadcast_to(self._value(part, values), len(values)) for part in parts])
            case ast.Compare(left=left, ops=ops, comparators=rights) if all(type(op) in _COMPARISONS for op in ops):
                return self._chain([left, *rights], ops, values)
        raise ConfigError(f"score_when: {self._text!r} uses {type(node).__name__}; only numbers, sensors, comparisons")

    def _chain(self, terms: list[ast.expr], ops: list[ast.cmpop], values: Float64s) -> Column:
        parts = [self._value(term, values) for term in terms]
        links = [_COMPARISONS[type(op)](parts[i], parts[i + 1]) for i, op in enumerate(ops)]
        return np.logical_and.reduce([np.broadcast_to(link, len(values)) for link in links])
