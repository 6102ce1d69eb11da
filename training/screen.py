"""What a measuring command shows to people: sentences, then tables."""

import sys
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table


def show(sentences: Iterable[str], tables: Iterable[Table]) -> None:
    """Prints them on stdout."""
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False, markup=False)
    for sentence in sentences:
        console.print(f"- {sentence}", soft_wrap=True)
    for table in tables:
        console.print()
        console.print(table)
