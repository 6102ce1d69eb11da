"""The README files of the project: their commands, their examples, the files and tests that they name."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT

PAGES = ("README.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("*/**/README.md") if path.is_file()))


def text_of(page: str) -> str:
    """Text of a page; `page` is its path from the root of the checkout."""
    return (ROOT / page).read_text()


def command_lines(page: str) -> list[list[str]]:
    """Words of every command in the shell blocks of a page, comments dropped, `a && b` as two."""
    blocks = re.findall(r"```sh\n(.*?)```", text_of(page), re.DOTALL)
    parts = [part for block in blocks for line in block.splitlines() for part in line.split(" && ")]
    return [words for part in parts if (words := shlex.split(part, comments=True))]


def example(page: str, name: str) -> str:
    """The code block between the comments `name` and `/name` of a page."""
    found = re.search(rf"<!-- {name} -->\n```\w+\n(.*?)```\n<!-- /{name} -->", text_of(page), re.DOTALL)
    assert found is not None, f"{page} has no example {name!r}"
    return found[1]


def named_tests() -> set[str]:
    """Names of test functions that pages give in backticks."""
    return {name for page in PAGES for name in re.findall(r"`(test_\w+)`", text_of(page))}


def named_files() -> Iterator[tuple[str, Path]]:
    """Pairs of a page and a file that it links to or gives in backticks."""
    for page in PAGES:
        text = text_of(page)
        links = re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", text)
        yield from ((page, (ROOT / page).parent / link) for link in links)
        yield from ((page, ROOT / path) for path in re.findall(r"`((?:tests|deploy|stream|training)/[\w./-]+)`", text))


def named_anchors() -> Iterator[tuple[str, str]]:
    """Pairs of a page and a heading, for every link to a heading."""
    for page in PAGES:
        for link, heading in re.findall(r"\]\(([\w./-]*)#([\w-]+)\)", text_of(page)):
            target = ((ROOT / page).parent / link).resolve() if link else ROOT / page
            yield str(target.relative_to(ROOT)), heading


def headings(page: str) -> set[str]:
    """Anchors of the headings of a page."""
    lines = re.findall(r"^#+ (.*)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in lines}


def prose(page: str) -> list[str]:
    """Paragraphs and list items of a page, without code blocks, tables and headings."""
    text = re.sub(r"```.*?```", "\n\n", text_of(page), flags=re.DOTALL)
    text = re.sub(r"^(\||#|<!--|!\[).*$", "", text, flags=re.MULTILINE)
    return [part.strip() for part in re.split(r"\n\s*\n|\n(?=\s*(?:- |\d+\. ))", text) if part.strip()]
