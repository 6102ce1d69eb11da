"""Options that several commands share, and the settings made of them. Imports nothing heavy."""

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
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Who and why; kept in the registry's history.")]
Labelled = Annotated[
    Path, typer.Option("--data", metavar="PATH", help="Parquet or CSV file, folder or glob: readings with labels.")
]
FeedbackFrom = Annotated[
    str | None,
    typer.Option("--feedback", metavar="FILE", help="Verdicts on alerts: JSON lines, .csv or .parquet; or `topic`."),
]
AlertsFrom = Annotated[
    str | None,
    typer.Option("--alerts", metavar="FILE", help="The alerts judged: JSON lines as of `narrows replay`; or `topic`."),
]


def settings_from(config: Path | None, overrides: list[str] | None) -> "Settings":
    """The settings of a command, from file, environment and `--set`.

    Raises:
        ConfigError: every fault with its path.
    """
    from stream.settings import load

    return load(config_file(config), overrides or ())


def config_file(config: Path | None) -> Path | None:
    """The file named by `--config`, else ./narrows.yaml, else None."""
    return DEFAULT_CONFIG if config is None and DEFAULT_CONFIG.exists() else config


def tell_where_settings_come_from(config: Path | None, overrides: list[str] | None) -> None:
    """Warns where there is no configuration file: what fails later then has this reason."""
    from stream.messages import warn

    if config_file(config) is None:
        others = "the environment and `--set`" if overrides else "the environment"
        warn(
            f"no configuration: no {DEFAULT_CONFIG} in {Path.cwd()}, so the settings are the defaults and what "
            f"{others} set; give `--config FILE`, or `narrows init` writes one"
        )
