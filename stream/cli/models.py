"""`narrows models`: the versions in the registry, their contents, their amendment, and the one that is served."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.options.parameters import AsJson, Bundle, ConfigFile, Overrides, Reason, settings_from
from stream.cli.reports.output import NextCommands, conclude_child, print_json, print_result, showing
from stream.messages import say

if TYPE_CHECKING:
    from stream.registry.registry import Registry

models_app = typer.Typer(
    help="The registry: which bundles there are, and which is served.", no_args_is_help=True, rich_markup_mode=None
)

Version = Annotated[str, typer.Argument(metavar="VERSION", help="A version, or production or candidate.")]
OptionalVersion = Annotated[
    str | None, typer.Argument(metavar="[VERSION]", help="A version or alias; the configured `bundle`.")
]


def _opened(config: ConfigFile, overrides: Overrides) -> tuple["Registry", str]:
    """The configured registry and the name of the detector."""
    from stream.registry.registry import Registry

    settings = settings_from(config, overrides)
    return Registry(settings.registry), settings.detector


@models_app.command("list")
def models_list(config: ConfigFile = None, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """List the versions of the detector, oldest first, and what points to them."""
    from stream.cli.reports import model_facts, models

    registry, detector = _opened(config, overrides)
    rows = model_facts.listed(registry, detector)
    print_result(rows, as_json, models.show_list)
    if not rows:
        none = f"{registry.place()}: no version of detector {detector!r}"
        say(f"{none}; `narrows train` makes one, or set `registry` or `detector`")


@models_app.command("show")
def models_show(
    version: OptionalVersion = None, config: ConfigFile = None, overrides: Overrides = None, as_json: AsJson = False
) -> None:
    """Show what one bundle is: sensors, policy, rules, model, data, threshold, metrics, files."""
    from stream.cli.reports import model_facts, models
    from stream.registry.registry import Registry

    settings = settings_from(config, overrides)
    page = model_facts.page(Registry(settings.registry), settings.detector, version or settings.bundle)
    print_result(page, as_json, models.show_page)


@models_app.command("diff")
def models_diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A version or alias.")],
    after: Annotated[str, typer.Argument(metavar="B", help="Another.")],
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Show what differs between two bundles: rules, thresholds of every series, policy, model, data."""
    from stream.cli.reports import model_facts, models

    difference = model_facts.difference(*_opened(config, overrides), before, after)
    print_result(difference, as_json, models.show_difference)


@models_app.command("promote")
def models_promote(
    version: Version,
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
    from stream.cli.reports import model_facts, models
    from stream.registry.promotion import promote

    registry, detector = _opened(config, overrides)
    moved = model_facts.outcome(promote(registry, detector, version, reason, force), registry, detector)
    with showing(f"production points to {moved.after}"):
        print_result(moved, as_json, models.show_outcome)
    NextCommands(config, overrides).show(("run",))


@models_app.command("rollback")
def models_rollback(
    reason: Reason = "", config: ConfigFile = None, overrides: Overrides = None, as_json: AsJson = False
) -> None:
    """Point production to the version it pointed to before, once that is verified; twice goes back two steps."""
    from stream.cli.reports import model_facts, models
    from stream.registry.promotion import rollback

    registry, detector = _opened(config, overrides)
    moved = model_facts.outcome(rollback(registry, detector, reason), registry, detector)
    with showing(f"production points to {moved.after}"):
        print_result(moved, as_json, models.show_outcome)


@models_app.command("history")
def models_history(config: ConfigFile = None, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """List every move of production and candidate, oldest first."""
    from stream.cli.reports import models

    registry, detector = _opened(config, overrides)
    print_result(registry.history(detector), as_json, models.show_history)


@models_app.command("amend")
def models_amend(
    version: OptionalVersion = None,
    reason: Reason = "",
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Make a child of a version with the rules and threshold that --set gives, and the same weights.

    No data are read: the threshold follows from the levels that the bundle keeps. `candidate` points to the child.
    Exit code 4 where the gate refused the version: the child is written, and nothing points to it.
    """
    from stream.cli.options.training import amendment_from
    from stream.registry.registry import Registry
    from training.revision import report
    from training.revision.amend import amend

    settings = settings_from(config, overrides)
    changes = amendment_from(settings, overrides or ())
    registry = Registry(settings.registry)
    amended = amend(registry, settings.detector, version or settings.bundle, changes, reason)
    with showing(f"version {amended.manifest.version} is published"):
        if as_json:
            print_json(report.facts(amended, registry))
        else:
            report.show(amended, registry)
    conclude_child(amended.manifest, NextCommands(config, overrides))


@models_app.command("sample")
def models_sample(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Parquet: sample, step, sensors.")],
    count: Annotated[int, typer.Option("--n", min=1, max=1_000_000, metavar="N", help="Windows to draw.")] = 100,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="A picture of them, PNG.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another one draws other windows.")] = 0,
    config: ConfigFile = None,
    overrides: Overrides = None,
    bundle: Bundle = None,
) -> None:
    """Draw windows that a variational model takes for normal, from the prior of its code.

    In the sensors' units, by the pooled scale.
    """
    from stream.serve.compose import bundle_of
    from training.fitting.prior_samples import draw_samples, plot_samples, write_samples

    folder, _, definition = bundle_of(settings_from(config, overrides), bundle)
    drawn = draw_samples(folder, definition, count, seed)
    write_samples(drawn, output)
    if plot is not None:
        plot_samples(drawn, plot)
    say(f"wrote {count} windows of {definition.spec.window} frames to {output}")
