"""The texts of the project: every line that is shipped, and the README files with their commands and examples."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT

SHIPPED = (".ci", ".github", "deploy", "docs", "examples", "stream", "tests", "training")
# A virtual environment and build folders in the checkout have README files of others.
PAGES = (
    "README.md",
    *sorted(str(path.relative_to(ROOT)) for folder in SHIPPED for path in (ROOT / folder).rglob("README.md")),
)

TEXTS = frozenset({".py", ".md", ".toml", ".yaml", ".yml", ".json", ".xml", ".properties", ""})
# Classes of one letter keep the patterns from finding themselves.
OPEN_ENDS = re.compile(r"\b(?:TO[D]O|FIX[M]E|X[X]X|HA[C]K)\b")
OTHER_PAGES = re.compile(r"\b(?:DESIG[N]|BAR[S]|HOUS[E])\b")
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:home|Users|root|work|workspace|builds)/\w")

# Text for people passes the files in SAFE, where names from outside are made safe to print.
UNSAFE_OUTPUT = re.compile(r"(?<![\w.])print\(|sys\.stderr\.write|(?<![\w.])Console\(|(?<![\w.])(?:Table|Figure)\(")
SAFE = frozenset({"stream/messages.py", "stream/terminal.py", "training/plotting.py"})


def texts(root: Path) -> Iterator[Path]:
    """The text files that are shipped, not what was built or written beside them."""
    inside = (path for folder in SHIPPED for path in sorted((root / folder).rglob("*")))
    for path in (*sorted(root.iterdir()), *inside):
        written = {"__pycache__", ".hypothesis", ".git"} & set(path.relative_to(root).parts)
        if path.is_file() and path.suffix in TEXTS and not written:
            yield path


def lines_matching(root: Path, pattern: re.Pattern[str]) -> list[str]:
    """Places in the text files of the checkout where `pattern` is found."""
    return [
        f"{path.relative_to(root)}:{number} {line.strip()[:100]}"
        for path in texts(root)
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]


def unsafe_output(root: Path) -> list[str]:
    """Places in the product that print, or make a console, a table or a figure, by themselves."""
    found = lines_matching(root, UNSAFE_OUTPUT)
    own = [place for place in found if place.startswith(("stream/", "training/"))]
    return [
        f"{place}: use stream.messages (say, warn, tell), stream.terminal or training.plotting"
        for place in own
        if ".py:" in place and place.partition(":")[0] not in SAFE
    ]


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
