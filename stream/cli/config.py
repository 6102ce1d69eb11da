"""`narrows config`: checks the configuration, shows it, describes it."""

from typing import TYPE_CHECKING

import typer

from stream.cli.options.parameters import AsJson, ConfigFile, Overrides, config_file, settings_from
from stream.cli.reports.output import print_json
from stream.messages import tell, warn

if TYPE_CHECKING:
    from stream.settings import Settings

config_app = typer.Typer(
    help="The configuration: check it, show it, describe it.", no_args_is_help=True, rich_markup_mode=None
)


@config_app.command("check")
def config_check(config: ConfigFile = None, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """List every fault with its path.

    Exit code 2 where there is one, else 0.
    """
    from stream.settings import SettingsError
    from stream.settings.run_faults import check_run

    faults: tuple[str, ...] = ()
    not_in_force: list[str] = []
    try:
        settings = settings_from(config, overrides)
        not_in_force = _not_in_force(settings)
        check_run(settings)
    except SettingsError as error:
        if not as_json:
            raise
        faults = error.faults
    file = config_file(config)
    if as_json:
        print_json({"file": None if file is None else str(file), "faults": faults, "not_in_force": not_in_force})
    else:
        for one in not_in_force:
            warn(one)
        tell(f"{'defaults' if file is None else file}: no faults")
    if faults:
        raise typer.Exit(SettingsError.exit_code)


def _not_in_force(settings: "Settings") -> list[str]:
    """The settings that the bundle overrules, one line each; nothing where there is no bundle yet."""
    if not any(getattr(settings, name).model_fields_set for name in ("frames", "model", "rules", "threshold")):
        return []
    from stream.errors import NarrowsError
    from stream.registry.manifest import read_manifest
    from stream.registry.registry import Registry
    from stream.settings.overruled import overruled

    try:
        folder = Registry(settings.registry).folder(settings.detector, settings.bundle)
        return [str(one) for one in overruled(settings, read_manifest(folder))]
    except (NarrowsError, OSError):
        return []


@config_app.command("show")
def config_show(config: ConfigFile = None, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Print the values in force, secrets masked."""
    from stream.settings.describe import as_yaml, values

    settings = settings_from(config, overrides)
    if as_json:
        print_json(values(settings))
    else:
        tell(as_yaml(settings).rstrip("\n"), lines=True)


@config_app.command("schema")
def config_schema() -> None:
    """Print the JSON Schema of the file, for editors."""
    from stream.settings.describe import json_schema

    print_json(json_schema())


@config_app.command("table")
def config_table(as_json: AsJson = False) -> None:
    """Print every setting, as a Markdown table."""
    from stream.settings.describe import markdown_table, rows

    if as_json:
        print_json([row._asdict() for row in rows()])
    else:
        tell(markdown_table(), lines=True)
