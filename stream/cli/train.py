"""`narrows train`: a bundle from history, published in the registry."""

from pathlib import Path
from typing import Annotated

import typer

from stream.cli.options.parameters import AlertsFrom, AsJson, ConfigFile, FeedbackFrom, Overrides, Reason, settings_from
from stream.cli.reports.output import NextCommands, print_json, showing
from stream.messages import say


def train(
    data: Annotated[
        Path, typer.Option("--data", metavar="PATH", help="Parquet or CSV file, folder or glob: the history.")
    ],
    feedback: FeedbackFrom = None,
    alerts: AlertsFrom = None,
    force: Annotated[
        bool, typer.Option("--force", help="Point aliases also to a model that the gate refuses; it is recorded.")
    ] = False,
    reason: Reason = "",
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Make a bundle of history: fit, calibrate, judge, publish in the registry.

    With --feedback, alerts that were confirmed or due to maintenance are left out. Exit code 4 where the gate refuses
    the model: the version is written, and nothing points to it.
    """
    from stream.cli.options.feedback_source import configured_judgements
    from stream.cli.options.training import train_options
    from training import report
    from training.pipeline import train as train_bundle

    settings = settings_from(config, overrides)
    judgements = configured_judgements(settings, feedback, alerts)
    options = train_options(settings, data, judgements, reason if force else None)
    trained = train_bundle(options, report.progress())
    following, version = NextCommands(config, overrides), trained.manifest.version
    with showing(f"the bundle is published: {trained.place}"):
        if as_json:
            print_json(report.facts(trained))
        else:
            report.show(trained)
            say(f"all that was measured: {following.line('models', 'show', version)}")
    if not trained.aliases:
        remedy = "nothing points to it: look at it with `narrows evaluate`, or let it pass with --force"
        trained.manifest.metrics.gate.require(version, remedy)
    elif "production" in trained.aliases:
        labelled = ("evaluate", "--data", "labelled.parquet", "--fit", data)
        following.show(("replay", "--data", "newer.parquet"), labelled, ("run",))
    else:
        following.compare()
