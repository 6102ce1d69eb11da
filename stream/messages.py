"""Lines for people: what commands say on stderr and stdout, in characters that are safe to print.

All text for people passes here or through `stream.terminal`: names of sensors, series and files come from outside, and
may hold anything. Nothing else in the product calls `print`.
"""

import io
import sys
import unicodedata
from collections.abc import Sequence
from typing import TextIO


def printable(text: str, keep: str = "") -> str:
    """Replaces control characters by `?`: an escape sequence in a Kafka key must not reach the terminal.

    Characters that change the direction of text, and halves of surrogate pairs, are replaced too. Every kind of space
    becomes a plain one.

    Args:
        keep: characters to leave as they are.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in keep else _replaced(one) for one in text)


def shortened(text: str, most: int = 40) -> str:
    """Makes text printable, and cuts it to `most` characters; an ellipsis marks the cut."""
    safe = printable(text)
    return safe if len(safe) <= most else f"{safe[: most - 1]}…"


def some(items: Sequence[str], most: int = 3, between: str = ", ") -> str:
    """The first of some items, at most `most`, and the number of the others."""
    left = len(items) - most
    return between.join(items[:most]) + (f" and {left:,} more" if left > 0 else "")


def figure(number: float) -> str:
    """A number >= 0 with three digits, and whole from 1,000 on: 0.125, 19.6, 6,048."""
    return f"{number:,.0f}" if number >= 1000.0 else f"{number:.3g}"


def counted(number: int, noun: str) -> str:
    """A number of things, such as `1 row` or `2,000 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def say(text: str = "") -> None:
    """Prints a line on stderr, which is where messages go."""
    _print(text, sys.stderr)


def warn(text: str) -> None:
    """Prints a warning on stderr: something may be wrong, but need not be."""
    say(f"warning: {text}")


def complain(text: str) -> None:
    """Prints an error on stderr; it may list faults, each on a line of its own that begins with two spaces."""
    first, *faults = text.split("\n  ")
    say(first)
    for fault in faults:
        say(f"  {fault}")


def tell(text: str = "", lines: bool = False) -> None:
    """Prints a line on stdout, the result of a command for people; with `lines`, the line ends in it are kept."""
    for line in text.split("\n") if lines else [text]:
        _print(line, sys.stdout)


def rewrite(text: str) -> None:
    """Replaces the line under the cursor of a terminal on stderr, and leaves the cursor there."""
    sys.stderr.write(f"\r\033[K{printable(text)}")
    sys.stderr.flush()


def accept_any_character() -> None:
    """Makes both streams write an escape for a character that their encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _print(line: str, stream: TextIO) -> None:
    print(printable(line), file=stream)


def _replaced(character: str) -> str:
    return " " if unicodedata.category(character) == "Zs" else "?"
