"""`narrows models`: which bundles there are, what is in them, which of them is served."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.options import AsJson, ConfigFile, Overrides, settings_from, tell

if TYPE_CHECKING:
    from stream.registry.registry import Registry

models_app = typer.Typer(
    help="The registry: which bundles there are, and which is served.", no_args_is_help=True, rich_markup_mode=None
)

Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Who and why; kept in the registry's history.")]
Named = Annotated[str, typer.Argument(metavar="VERSION", help="A version, or production or candidate.")]


def _opened(config: ConfigFile, overrides: Overrides) -> tuple["Registry", str]:
    """The configured registry and the name of the detector."""
    from stream.registry.registry import Registry

    settings = settings_from(config, overrides)
    return Registry(settings.registry), settings.detector


@models_app.command("list")
def models_list(config: ConfigFile = None, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """List the versions of the detector, oldest first, and what points to them."""
    from stream.cli.reports import model_facts as versions
    from stream.cli.reports import models as versions_screen

    registry, detector = _opened(config, overrides)
    rows = versions.listed(registry, detector)
    tell(rows, as_json, versions_screen.show_list)
    if not rows:
        none = f"{registry.place()}: no version of detector {detector!r}"
        print(f"{none}; `narrows train` makes one, or set `registry` or `detector`", file=sys.stderr)


@models_app.command("show")
def models_show(
    version: Annotated[
        str | None, typer.Argument(metavar="[VERSION]", help="A version or alias; the configured `bundle`.")
    ] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Show what one bundle is: sensors, policy, rules, model, data, threshold, metrics, files."""
    from stream.cli.reports import model_facts as versions
    from stream.cli.reports import models as versions_screen
    from stream.registry.registry import Registry

    settings = settings_from(config, overrides)
    page = versions.page(Registry(settings.registry), settings.detector, version or settings.bundle)
    tell(page, as_json, versions_screen.show_page)


@models_app.command("diff")
def models_diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A version or alias.")],
    after: Annotated[str, typer.Argument(metavar="B", help="Another.")],
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Show what differs between two bundles: rules, thresholds of every series, policy, model, data."""
    from stream.cli.reports import model_facts as versions
    from stream.cli.reports import models as versions_screen

    difference = versions.difference(*_opened(config, overrides), before, after)
    tell(difference, as_json, versions_screen.show_difference)


@models_app.command("promote")
def models_promote(
    version: Named,
    reason: Reason = "",
    force: Annotated[
        bool, typer.Option("--force", help="Also where the gate refused it; --reason says who and why.")
    ] = False,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Point production to a version, once it is verified; running consumers follow.

    Exit code 4 where the gate refused it.
    """
    from stream.cli.reports import model_facts as versions
    from stream.cli.reports import models as versions_screen
    from stream.registry.promotion import promote

    registry, detector = _opened(config, overrides)
    moved = versions.moved(promote(registry, detector, version, reason, force), registry, detector)
    tell(moved, as_json, versions_screen.show_move)


@models_app.command("rollback")
def models_rollback(
    reason: Reason = "", config: ConfigFile = None, overrides: Overrides = None, as_json: AsJson = False
) -> None:
    """Point production to the version it pointed to before, once that is verified; twice goes back two steps."""
    from stream.cli.reports import model_facts as versions
    from stream.cli.reports import models as versions_screen
    from stream.registry.promotion import rollback

    registry, detector = _opened(config, overrides)
    moved = versions.moved(rollback(registry, detector, reason), registry, detector)
    tell(moved, as_json, versions_screen.show_move)


@models_app.command("history")
def models_history(config: ConfigFile = None, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """List every move of production and candidate, oldest first."""
    from stream.cli.reports import model_facts as versions
    from stream.cli.reports import models as versions_screen

    moves = versions.history(*_opened(config, overrides))
    tell(moves, as_json, versions_screen.show_history)
