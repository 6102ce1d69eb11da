"""HTML from text and tables. Everything that is not `Markup` is escaped here, and shows no control characters."""

from collections.abc import Iterable, Sequence
from html import escape

from stream.messages import printable


class Markup(str):
    """Text that is HTML already, and is not escaped again."""

    __slots__ = ()


def safe(content: str) -> Markup:
    """Escapes text; `Markup` is returned as it is."""
    return content if isinstance(content, Markup) else Markup(escape(printable(content)))


def tag(name: str, *content: str, **attributes: str) -> Markup:
    """An element; the attribute `class_` is its class."""
    given = "".join(f' {key.rstrip("_")}="{safe(value)}"' for key, value in attributes.items())
    return Markup(f"<{name}{given}>{''.join(map(safe, content))}</{name}>")


def table(names: Sequence[str], rows: Iterable[Sequence[str]], ours: str | None = None, texts: int = 1) -> Markup:
    """A table; the first `texts` columns are text, the others are figures.

    Args:
        ours: the row that begins with this is emphasised.
    """

    def cells(kind: str, row: Sequence[str]) -> list[Markup]:
        return [tag(kind, cell, class_="text") if i < texts else tag(kind, cell) for i, cell in enumerate(row)]

    body = [tag("tr", *cells("td", row), class_="ours" if row[0] == ours else "row") for row in rows]
    head = tag("thead", tag("tr", *cells("th", names)))
    return tag("div", tag("table", head, tag("tbody", *body)), class_="scroll")
