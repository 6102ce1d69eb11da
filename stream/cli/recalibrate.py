"""`narrows recalibrate`: thresholds that follow newer readings, in a child of a bundle."""

import shlex
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from stream.cli.options.parameters import AlertsFrom, AsJson, ConfigFile, FeedbackFrom, Overrides, Reason, settings_from
from stream.cli.reports.output import NextCommands, conclude_child, print_json, showing
from stream.errors import ConfigError
from stream.messages import say

GATE_REFUSED = 4


def recalibrate(
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="PATH", help="Parquet or CSV file, folder or glob: newer, normal readings."),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Instead: the verdicts on them that `narrows replay --scores` wrote."),
    ] = None,
    exclude: Annotated[
        Path | None, typer.Option(metavar="FILE", help="YAML: spans {series, start, end} not to be learned from.")
    ] = None,
    feedback: FeedbackFrom = None,
    alerts: AlertsFrom = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell, and publish nothing.")] = False,
    reason: Reason = "",
    config: ConfigFile = None,
    overrides: Overrides = None,
    bundle: Annotated[
        str | None, typer.Option(metavar="B", help="Version or alias, instead of the configured one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell what has drifted since training, and make a child of a bundle whose thresholds follow, within bounds.

    `candidate` points to the child. Exit code 4 where it is refused, or the gate refused the bundle; says why. With
    --feedback, alerts that were confirmed or due to maintenance are left out.
    """
    import torch

    from stream.cli.options.exclusions import spans_in_file, spans_not_normal
    from stream.cli.options.feedback_source import configured_judgements
    from stream.registry.registry import Registry
    from training.recalibration import report
    from training.recalibration.run import NewerData, run_recalibration

    if (data is None) == (scores is None):
        raise ConfigError("recalibrate: give either --data or --scores")
    torch.set_num_threads(1)
    settings = settings_from(config, overrides)
    registry, reference = Registry(settings.registry), bundle or settings.bundle
    excluded = () if exclude is None else spans_in_file(exclude)
    judgements = configured_judgements(settings, feedback, alerts)
    spans = () if judgements is None else spans_not_normal(judgements)
    newer, limits = NewerData(data, scores, settings.input.hints, excluded), settings.recalibrate
    recalibration = run_recalibration(registry, settings.detector, reference, newer, spans, limits, reason, dry_run)
    for note in recalibration.facts.notes:
        say(note)
    with nullcontext() if recalibration.child is None else showing(f"{recalibration.child.version} is published"):
        if as_json:
            print_json(report.facts(recalibration, registry))
        else:
            report.show(recalibration, registry)
    if recalibration.result.refused:
        raise typer.Exit(GATE_REFUSED)
    if dry_run:
        say(f"next: {shlex.join(['narrows', *(word for word in sys.argv[1:] if word != '--dry-run')])}")
    conclude_child(recalibration.child, NextCommands(config, overrides))
