"""Output for people, on stdout: a console, tables, lists of sentences, durations, names that are safe to print."""

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

Cell = str | Text
# Characters on a line where stdout is a file or a pipe.
FILE_WIDTH = 160


def console(width: int = FILE_WIDTH, quiet: bool = False) -> Console:
    """Returns a console on stdout that reads no markup in what it prints.

    Args:
        width: characters on a line where stdout is no terminal.
        quiet: print nothing.
    """
    columns = None if sys.stdout.isatty() else width
    return Console(width=columns, highlight=False, markup=False, emoji=False, quiet=quiet)


def plain_table(headings: Sequence[str] = (), rows: Iterable[Sequence[Cell]] = (), right: Sequence[str] = ()) -> Table:
    """Makes a table without lines; without headings it has no head.

    Args:
        rows: cells; those that are plain strings are shown without control characters.
        right: headings of the columns that are flush right.
    """
    table = Table(show_header=bool(headings), box=None, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(printable(cell) if isinstance(cell, str) else cell for cell in row))
    return table


def framed_table(title: str, headings: Iterable[str], rows: Iterable[Sequence[str]] = ()) -> Table:
    """Makes a table with lines and a title: names in the first column, numbers flush right in the others."""
    table = Table(title=title, title_justify="left")
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="right" if i else "left")
    for row in rows:
        table.add_row(*row)
    return table


def show(sentences: Iterable[str], tables: Iterable[Table]) -> None:
    """Prints sentences as a list, then tables with an empty line before each."""
    target = console()
    for sentence in sentences:
        target.print(f"- {sentence}", soft_wrap=True)
    for table in tables:
        target.print()
        target.print(table)


def printable(text: str) -> str:
    """Replaces control characters by `?`: an escape sequence in a Kafka key must not reach the terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


def duration(seconds: float) -> str:
    """Writes a duration in its two largest units: 45 s, 12 min, 5 h 12 min, 3 d 4 h."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    for size, large, unit, small in ((1440, "d", 60, "h"), (60, "h", 1, "min")):
        if minutes >= size:
            rest = minutes % size // unit
            return f"{minutes // size} {large} {rest} {small}" if rest else f"{minutes // size} {large}"
    return f"{minutes} min"
