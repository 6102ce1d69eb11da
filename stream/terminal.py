"""Output for people, on stdout: a console, tables, lists of sentences, durations.

Rich reads no markup here, and every character that reaches the terminal is made safe in `_SafeConsole`.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.style import StyleType
from rich.table import Table
from rich.text import Text

from stream.messages import printable

Cell = str | Text
# Characters on a line where stdout is a file or a pipe.
FILE_WIDTH = 160


class _SafeConsole(Console):
    """Prints control characters in any text, such as names from outside, as `?`; rich's own colours stay."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Renders as rich does; each piece of text is made safe."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text, keep="\n"), style, control)

    def print(self, *objects: object, **options: Any) -> None:  # noqa: ANN401 - rich's own options
        """Prints as rich does; in a file or a pipe, no line ends in blanks."""
        if self.is_terminal:
            super().print(*objects, **options)
            return
        with self.capture() as captured:
            super().print(*objects, **options)
        self.file.write("\n".join(line.rstrip(" ") for line in captured.get().split("\n")))

    def on_broken_pipe(self) -> None:
        """Raises BrokenPipeError where the reader of stdout is gone; rich would end the process."""
        raise BrokenPipeError("the reader of stdout is gone")


class _SafeTable(Table):
    """Keeps a cell that is a plain string on one line, whatever it holds."""

    def add_row(self, *cells: RenderableType | None, style: StyleType | None = None, end_section: bool = False) -> None:
        """Adds a row, as rich does."""
        safe = (printable(cell) if isinstance(cell, str) else cell for cell in cells)
        super().add_row(*safe, style=style, end_section=end_section)


def console(width: int | None = None, quiet: bool = False) -> Console:
    """Returns a console on stdout that reads no markup in what it prints.

    Args:
        width: characters on a line where stdout is no terminal; None: as many as COLUMNS says, else `FILE_WIDTH`.
        quiet: print nothing.
    """
    said = os.environ.get("COLUMNS", "")
    of_file = width or (int(said) if said.isdecimal() and int(said) else FILE_WIDTH)
    columns = None if sys.stdout.isatty() else of_file
    return _SafeConsole(width=columns, highlight=False, markup=False, emoji=False, quiet=quiet)


def plain_table(headings: Sequence[str] = (), rows: Iterable[Sequence[Cell]] = (), right: Sequence[str] = ()) -> Table:
    """Makes a table without lines; without headings it has no head.

    Args:
        rows: cells; those that are plain strings are shown without control characters.
        right: headings of the columns that are flush right.
    """
    table = _SafeTable(show_header=bool(headings), box=None, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(printable(heading), justify="right" if heading in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def framed_table(
    title: str,
    headings: Sequence[str],
    rows: Iterable[Sequence[Cell]] = (),
    right: Sequence[str] | None = None,
    whole: bool = False,
) -> Table:
    """Makes a table with lines and a title.

    Args:
        whole: columns that are flush right are never made narrower than their longest line.
        right: headings of the columns that are flush right; None: all but the first.
    """
    table = _SafeTable(title=printable(title), title_justify="left")
    numbers = headings[1:] if right is None else right
    for heading in headings:
        number = heading in numbers
        name = printable(heading, keep="\n")
        table.add_column(name, justify="right" if number else "left", overflow="fold", no_wrap=whole and number)
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
