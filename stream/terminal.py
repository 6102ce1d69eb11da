"""Output for people, on stdout: a console, tables, lists of sentences, durations.

Rich reads no markup here, and every character that reaches the terminal is made safe in `_SafeConsole`.
"""

import sys
from collections.abc import Iterable, Sequence

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

    def on_broken_pipe(self) -> None:
        """Raises BrokenPipeError where the reader of stdout is gone; rich would end the process."""
        raise BrokenPipeError("the reader of stdout is gone")


class _SafeTable(Table):
    """Keeps a cell that is a plain string on one line, whatever it holds."""

    def add_row(self, *cells: RenderableType | None, style: StyleType | None = None, end_section: bool = False) -> None:
        """Adds a row, as rich does."""
        safe = (printable(cell) if isinstance(cell, str) else cell for cell in cells)
        super().add_row(*safe, style=style, end_section=end_section)


def console(width: int = FILE_WIDTH, quiet: bool = False) -> Console:
    """Returns a console on stdout that reads no markup in what it prints.

    Args:
        width: characters on a line where stdout is no terminal.
        quiet: print nothing.
    """
    columns = None if sys.stdout.isatty() else width
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
    title: str, headings: Sequence[str], rows: Iterable[Sequence[Cell]] = (), right: Sequence[str] | None = None
) -> Table:
    """Makes a table with lines and a title.

    Args:
        right: headings of the columns that are flush right; None: all but the first.
    """
    table = _SafeTable(title=printable(title), title_justify="left")
    numbers = headings[1:] if right is None else right
    for heading in headings:
        table.add_column(printable(heading), justify="right" if heading in numbers else "left", overflow="fold")
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
