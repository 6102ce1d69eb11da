"""What the commands have in common: how they are configured, and how they print JSON. Imports nothing heavy."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stream.settings import Settings

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


def print_json(data: object) -> None:
    """One JSON document on stdout."""
    import json

    print(json.dumps(data, indent=2, ensure_ascii=False))
