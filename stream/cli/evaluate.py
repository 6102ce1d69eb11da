"""`narrows evaluate`: a bundle measured on labelled readings."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from stream.cli.options.parameters import AsJson, Bundle, ConfigFile, Labelled, Overrides, settings_from
from stream.cli.reports.output import NextCommands, print_json, showing
from stream.messages import say


def evaluate(
    data: Labelled,
    fit: Annotated[
        Path | None,
        typer.Option("--fit", metavar="PATH", help="The bundle's history: adds baselines that learn from it."),
    ] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    bundle: Bundle = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write a page with plots here, as HTML.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a bundle on labelled Parquet: what it finds, what it promised, and what simple detectors do."""
    import torch

    from stream.cli.options.training import train_options
    from stream.offline.rows import said
    from stream.serve.compose import bundle_of, known_series
    from training.evaluate import evaluation

    torch.set_num_threads(1)
    settings = settings_from(config, overrides)
    loaded = evaluation.Bundle(*bundle_of(settings, bundle))
    say(f"bundle {loaded.folder.name} of {loaded.manifest.detector}")
    history = None if fit is None else train_options(settings, fit)
    known = known_series(settings, loaded.definition)
    measured = evaluation.evaluate(loaded, evaluation.EvaluationOptions(data, settings.input.hints, known, history))
    layout = measured.labelled.layout
    say(f"label: {layout.label}, {layout.why['label']}")
    if report is not None:
        from training.evaluate.page import write

        write(measured, report)
        say(f"report: {report}")
    for line in said(layout):
        say(line)
    with nullcontext() if report is None else showing(f"the page is written: {report}"):
        if as_json:
            from training.evaluate.facts import facts

            print_json(facts(measured))
        else:
            from training.evaluate.report import show

            show(measured)
    NextCommands(config, overrides).use(settings, loaded.folder.name)
