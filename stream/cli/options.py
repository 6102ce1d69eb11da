"""What the commands have in common: how they are configured, and how they print JSON. Imports nothing heavy."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from stream.settings import Settings

T = TypeVar("T")
DEFAULT_CONFIG = Path("narrows.yaml")

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="Configuration, YAML; ./narrows.yaml where there is one."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="A.B=C", help="One setting, above environment and file; repeatable."),
]
Bundle = Annotated[
    str | None, typer.Option(metavar="B", help="Version, alias or folder, instead of the configured one.")
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


def settings_from(config: Path | None, overrides: list[str] | None) -> "Settings":
    """The configuration of a command.

    Raises:
        ConfigError: every fault with its path.
    """
    from stream.settings import load

    return load(config_file(config), overrides or ())


def config_file(config: Path | None) -> Path | None:
    """The file named, else ./narrows.yaml, else none."""
    return DEFAULT_CONFIG if config is None and DEFAULT_CONFIG.exists() else config


def tell(found: T, as_json: bool, show: Callable[[T], None]) -> None:
    """What a command found, as JSON or as `show` puts it for people."""
    if as_json:
        print_json(found)
    else:
        show(found)


def print_json(data: object) -> None:
    """One JSON document on stdout."""
    import json

    print(json.dumps(data, indent=2, ensure_ascii=False))
