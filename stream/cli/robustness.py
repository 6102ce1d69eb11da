"""`narrows robustness`: a bundle attacked on labelled readings."""

from pathlib import Path
from typing import Annotated

import typer

from stream.cli.options.parameters import AsJson, Bundle, ConfigFile, Labelled, Overrides, settings_from
from stream.cli.reports.output import print_json
from stream.messages import say


def robustness(
    data: Labelled,
    fit: Annotated[
        Path,
        typer.Option("--fit", metavar="PATH", help="The bundle's history: surrogates and thresholds come from it."),
    ],
    config: ConfigFile = None,
    overrides: Overrides = None,
    bundle: Bundle = None,
    strips: Annotated[int, typer.Option(min=1, max=10_000, help="To attack, at most; time grows with it.")] = 60,
    steps: Annotated[int, typer.Option(min=1, max=10_000, help="Of each descent; time grows with it.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is drawn at random.")] = 0,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="A picture of the evasion rates, PNG.")] = None,
    as_json: AsJson = False,
) -> None:
    """Attack a bundle on labelled Parquet: which anomalies can be hidden, by whom, with how large changes.

    Takes some minutes: it trains a member to attack through. A bundle of one member needs six members, and a bundle
    without a discriminator needs one to compare with.
    """
    import torch

    from stream.cli.options.training import train_options
    from stream.offline.rows import said
    from stream.serve.compose import bundle_of, known_series
    from training.evaluate.labelled import score_labelled
    from training.robustness.evasion import EvasionOptions, measure
    from training.robustness.pgd import Effort
    from training.robustness.setup import prepare

    torch.set_num_threads(1)
    settings = settings_from(config, overrides)
    folder, manifest, definition = bundle_of(settings, bundle)
    say(f"bundle {folder.name} of {manifest.detector}, seed {seed}")
    labelled = score_labelled(definition, data, settings.input.hints, known_series(settings, definition))
    for line in said(labelled.layout):
        say(line)
    setup = prepare(folder, manifest, definition, train_options(settings, fit))
    measured = measure(setup, labelled.frames, definition, EvasionOptions(strips, Effort(steps), seed))
    if as_json:
        from training.robustness.facts import facts

        print_json(facts(measured, str(data), manifest.version))
    else:
        from training.robustness.report import show

        show(measured)
    if plot is not None:
        from training.robustness.plot import draw

        draw(measured, plot)
        say(f"plot: {plot}")
