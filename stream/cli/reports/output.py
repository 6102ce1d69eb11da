"""Output that all commands share: JSON or a report on stdout, the next command on stderr. Imports nothing heavy."""

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from stream.messages import say

if TYPE_CHECKING:
    from stream.registry.manifest import Manifest

T = TypeVar("T")
NEXT_COMMAND = (
    "next: narrows replay --data newer.parquet --bundle candidate --against production, "
    "then narrows models promote candidate"
)


def print_result(result: T, as_json: bool, show: Callable[[T], None]) -> None:
    """Prints a result as JSON, or calls `show` to print it for people."""
    if as_json:
        print_json(result)
    else:
        show(result)


def print_json(data: object) -> None:
    """Prints one JSON document on stdout."""
    _write_json(data, 2)


def print_json_line(data: object) -> None:
    """Prints one JSON document on one line of stdout."""
    _write_json(data, None)


def _write_json(data: object, indent: int | None) -> None:
    import msgspec

    sys.stdout.write(f"{json.dumps(data, indent=indent, ensure_ascii=False, default=msgspec.to_builtins)}\n")


def print_next_command() -> None:
    """Prints what to do with a version that has become `candidate` beside a `production`."""
    say(NEXT_COMMAND)


def conclude_child(child: "Manifest | None") -> None:
    """Prints the next command for a child that was published; None: none was.

    Raises:
        GateError: the gate refused the weights of the child.
    """
    if child is not None:
        remedy = (
            'nothing points to it: train again, or let it pass with `narrows models promote --force --reason "..."`'
        )
        child.metrics.gate.require(child.version, remedy)
        print_next_command()
