"""The first configuration file: guessed settings and those that most people change, each with a comment."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import yaml

from stream.errors import ConfigError
from stream.messages import printable
from stream.settings.describe import rows, values
from stream.settings.kafka import MASK, is_secret
from stream.settings.layers import field_at
from stream.settings.resolve import load
from stream.settings.tree import Settings

# Written with their defaults where nothing is guessed.
_USUAL = (
    "detector",
    "registry",
    "input.topic",
    "input.time",
    "input.series",
    "input.sensors",
    "model.window",
    "model.members",
    "threshold.alerts_per_week",
    "kafka.bootstrap",
    "kafka.alerts",
)
# The reason of a setting that was given, not guessed.
GIVEN = "as given to `narrows init`"
_HEADER = """\
# Configuration of narrows. `narrows config table` lists every setting, `narrows config check` finds faults.
# The environment (NARROWS_KAFKA__PASSWORD=...) and `--set a.b=c` go above this file; keep secrets out of it.
"""


class Guess(NamedTuple):
    """A setting that the data suggest; `value` is written to YAML."""

    path: str
    value: Any
    reason: str


def starter(guesses: Sequence[Guess] = ()) -> str:
    """Renders the guesses and the usual settings as YAML, in the order of the configuration, a comment above each.

    Raises:
        ConfigError: a guess is for an unknown setting.
    """
    unknown = [guess.path for guess in guesses if field_at(guess.path.split(".")) is None]
    if unknown:
        raise ConfigError(f"guessed {', '.join(unknown)}, which `narrows config table` does not list")
    guessed = {guess.path: guess for guess in guesses}
    defaults = Settings().model_dump(mode="json")
    lines, open_sections = [_HEADER], list[str]()
    for row in rows():
        if row.path in guessed:
            _, value, reason = guessed[row.path]
            comment = reason if reason == GIVEN else f"guessed: {reason}"
        elif row.path in _USUAL:
            comment, value = row.effect, _at(defaults, row.path)
        else:
            continue
        *sections, name = row.path.split(".")
        lines += _opened(sections, open_sections) + _entry(name, value, comment, depth=len(sections))
        open_sections = sections
    return "\n".join(lines) + "\n"


def with_given(guesses: Sequence[Guess], settings: Settings) -> list[Guess]:
    """The guesses, and above them what `settings` change of the defaults; no secret is among them."""
    ours, defaults = values(settings), values(Settings())
    changed = [(row.path, _at(ours, row.path)) for row in rows() if _at(ours, row.path) != _at(defaults, row.path)]
    plain = [(path, value) for path, value in changed if not is_secret(path)]
    given = {path: Guess(path, _without_masked(value), GIVEN) for path, value in plain}
    return [*(guess for guess in guesses if guess.path not in given), *given.values()]


def settings_of(guesses: Sequence[Guess]) -> Settings:
    """The settings that are in force with the file that `starter` renders."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "guesses.yaml"
        write(file, starter(guesses), force=False)
        return load(file, (), {})


def _without_masked(value: object) -> object:
    return {name: one for name, one in value.items() if one != MASK} if isinstance(value, dict) else value


def check_free(path: Path, force: bool, option: str = "--output") -> None:
    """Checks that no file is overwritten; raises ConfigError where it is there and `force` is not set.

    Args:
        option: names another file.
    """
    if path.exists() and not force:
        raise ConfigError(f"{path} exists; name another with {option}, or overwrite it with --force")


def write(path: Path, text: str, force: bool) -> None:
    """Writes the file.

    Raises:
        ConfigError: the file exists and `force` is not set, or it cannot be written.
    """
    check_free(path, force)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; name a file that can be written with --output") from error


def _opened(sections: list[str], already: list[str]) -> list[str]:
    if sections == already or not sections:
        return []
    return [
        "",
        *(
            f"{'  ' * depth}{name}:"
            for depth, name in enumerate(sections)
            if sections[: depth + 1] != already[: depth + 1]
        ),
    ]


def _entry(name: str, value: object, comment: str, depth: int) -> list[str]:
    indent = "  " * depth
    comments = textwrap.wrap(
        printable(" ".join(comment.split())), 100, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "
    )
    text = yaml.safe_dump({name: value}, allow_unicode=True, width=10_000, sort_keys=False)
    return comments + textwrap.indent(text.rstrip("\n"), indent).split("\n")


def _at(tree: dict[str, Any], path: str) -> object:
    node: Any = tree
    for name in path.split("."):
        node = node[name]
    return node
