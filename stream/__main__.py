"""The `narrows` command: the one place where both halves meet. Bodies import what they need, so `--help` is quick.

stdout is data, stderr is logs. Exit codes: 0 ok, 1 failure, 2 usage or configuration, 4 refused, 5 fenced by a
twin, 130 interrupted.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.candidate import tell_child, tell_next
from stream.cli.config import config_app
from stream.cli.feedback import AlertsFrom, FeedbackFrom, feedback_app
from stream.cli.models import Reason, models_app
from stream.cli.options import AsJson, Bundle, ConfigFile, Overrides, print_json, settings_from, tell
from stream.cli.topics import doctor, init, replay, run, topics
from stream.errors import ConfigError, NarrowsError

if TYPE_CHECKING:
    pass

GATE_REFUSED = 4
# Plain help: rich's would take twice the time to start, and does not survive a pipe.
app = typer.Typer(
    help="Anomalies in sensor streams: Kafka in, a deliberately constrained autoencoder, Kafka out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(config_app, name="config")
app.add_typer(feedback_app, name="feedback")
app.add_typer(models_app, name="models")
for command in (init, run, topics, doctor, replay):
    app.command()(command)


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where its files go.")] = Path(
        "narrows-demo"
    ),
    seconds: Annotated[float, typer.Option(min=0, help="Over which the stream is spread; 0: full speed.")] = 8.0,
    as_json: AsJson = False,
) -> None:
    """Show it all on a generated fleet: train, stream, alerts, injected versus found.

    Needs no broker, network or file.
    """
    from stream.cli import demo_stream as online
    from stream.cli.reports.demo import Screen
    from training.demo import demo as offline
    from training.report import progress

    screen = Screen(quiet=as_json)
    prepared = offline.prepare(output, progress())
    screen.injected(offline.injected(prepared))
    streamed = online.stream_through(prepared.definition, offline.stream(prepared), screen.tell, seconds)
    found = offline.conclude(prepared, streamed.events)
    shown = offline.star(prepared.fleet)
    image = output / f"{shown.series}.png"
    offline.picture(prepared, shown.series, streamed.events, streamed.verdicts, image)
    if as_json:
        print_json({"found": found.as_dict(), "counts": streamed.counts, "picture": str(image)})
    else:
        screen.conclude(found.as_dict(), shown.series, *offline.scores_of(shown.series, streamed.verdicts), image)


@app.command()
def train(
    data: Annotated[Path, typer.Option("--data", metavar="PATH", help="Parquet file, folder or glob: the history.")],
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
    from stream.cli.feedback_source import judgements
    from stream.cli.training_options import train_options
    from stream.gate import refuse
    from training import report
    from training.pipeline import train as make_bundle

    settings = settings_from(config, overrides)
    said = judgements(settings, feedback, alerts) if feedback or settings.train.feedback else None
    if alerts and said is None:
        raise ConfigError("--alerts: alerts teach nothing by themselves; add --feedback with what was said of them")
    options = train_options(settings, data, said, reason if force else None)
    trained = make_bundle(options, report.progress())
    if as_json:
        print_json(report.facts(trained))
    else:
        report.show(trained)
    if not trained.aliases:
        version, gate = trained.manifest.version, trained.manifest.metrics["gate"]
        refuse(version, gate, "nothing points to it: look at it with `narrows evaluate`, or let it pass with --force")
    elif "production" not in trained.aliases:
        tell_next()


@app.command()
def evaluate(
    data: Annotated[
        Path, typer.Option("--data", metavar="PATH", help="Parquet file, folder or glob: readings with labels.")
    ],
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

    from stream.cli.training_options import train_options
    from stream.serve.compose import bundle_of, known_series
    from stream.settings.hints import hints
    from training.evaluate import evaluation

    torch.set_num_threads(1)
    settings = settings_from(config, overrides)
    found = evaluation.Bundle(*bundle_of(settings, bundle))
    print(f"bundle {found.folder.name} of {found.manifest.detector}", file=sys.stderr)
    history = None if fit is None else train_options(settings, fit)
    known = known_series(settings, found.definition)
    measured = evaluation.evaluate(found, evaluation.Asked(data, hints(settings), known, history))
    if as_json:
        from training.evaluate.facts import facts

        print_json(facts(measured))
    else:
        from training.evaluate.report import show

        show(measured)
    if report is not None:
        from training.evaluate.page import write

        write(measured, report)
        print(f"report: {report}", file=sys.stderr)


@app.command()
def robustness(
    data: Annotated[
        Path, typer.Option("--data", metavar="PATH", help="Parquet file, folder or glob: readings with labels.")
    ],
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
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="A picture of evasion and poisoning, PNG.")] = None,
    as_json: AsJson = False,
) -> None:
    """Attack a bundle on labelled Parquet: which anomalies can be hidden, by whom, with how large changes.

    And how far thresholds walk where somebody feeds `narrows calibrate`. Takes some minutes: a member is trained to
    attack through, six where the bundle has one alone, and a discriminator to compare with where it has none.
    """
    import torch

    from stream.cli.training_options import train_options
    from stream.serve.compose import bundle_of, known_series
    from stream.settings.hints import hints
    from training.evaluate.labelled import judge
    from training.robustness import report
    from training.robustness.evasion import Asked, measure
    from training.robustness.pgd import Effort
    from training.robustness.setup import gather

    torch.set_num_threads(1)
    settings = settings_from(config, overrides)
    folder, manifest, definition = bundle_of(settings, bundle)
    print(f"bundle {folder.name} of {manifest.detector}, seed {seed}", file=sys.stderr)
    frames = judge(definition, data, hints(settings), known_series(settings, definition)).frames
    field = gather(folder, manifest, definition, train_options(settings, fit))
    measured = measure(field, frames, definition, Asked(strips, Effort(steps), seed, settings.recalibrate))
    if as_json:
        print_json(report.facts(measured) | {"data": str(data), "version": manifest.version})
    else:
        report.show(measured)
    if plot is not None:
        from training.robustness.plot import draw

        draw(measured, plot)
        print(f"plot: {plot}", file=sys.stderr)


@app.command()
def calibrate(
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="PATH", help="Parquet file, folder or glob: newer readings that were normal."),
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

    from stream.cli.training_options import excluded, not_normal
    from stream.registry.registry import Registry
    from stream.settings.hints import hints
    from training.recalibration import report as renew_report
    from training.recalibration.run import NewerData, run_recalibration

    if (data is None) == (scores is None):
        raise ConfigError("calibrate: give either --data or --scores")
    torch.set_num_threads(1)
    settings = settings_from(config, overrides)
    registry, reference = Registry(settings.registry), bundle or settings.bundle
    spans = () if exclude is None else excluded(exclude)
    if alerts and not (feedback or settings.train.feedback):
        raise ConfigError("--alerts: alerts alone say nothing; add --feedback with what was said of them")
    if feedback or settings.train.feedback:
        from stream.cli.feedback_source import judgements

        said = judgements(settings, feedback, alerts)
        if said.unknown:
            print(f"feedback on alerts that nobody knows: {', '.join(said.unknown)}", file=sys.stderr)
        spans += not_normal(said)
    newer, limits = NewerData(data, scores, hints(settings)), settings.recalibrate
    renewed = run_recalibration(registry, settings.detector, reference, newer, spans, limits, reason, dry_run)
    if as_json:
        print_json(renew_report.facts(renewed, registry))
    else:
        renew_report.show(renewed, registry)
    if renewed.result.refused:
        raise typer.Exit(GATE_REFUSED)
    tell_child(renewed.child)


@feedback_app.command("report")
def feedback_report(
    feedback: FeedbackFrom = None,
    alerts: AlertsFrom = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    bundle: Bundle = None,
    as_json: AsJson = False,
) -> None:
    """Show how many alerts of each series were worth it, and what would have spared the false ones.

    What is proposed for the alerts of a bundle is a command line; nothing is changed.
    """
    from stream.cli.feedback_source import judgements
    from stream.cli.reports.feedback import show
    from stream.events import precision
    from training.revision.suggestions import proposed

    settings = settings_from(config, overrides)
    said = judgements(settings, feedback, alerts)
    # What names the registry, for the command lines that are proposed.
    given = [] if config is None else ["--config", str(config)]
    for override in overrides or ():
        given += ["--set", override] if override.startswith(("registry=", "detector=")) else []
    found = proposed(said, settings.registry, settings.detector, bundle or settings.bundle, given)
    tell({**precision.facts(said), **found}, as_json, show)


@models_app.command("amend")
def models_amend(
    version: Annotated[
        str | None, typer.Argument(metavar="[VERSION]", help="A version or alias; the configured `bundle`.")
    ] = None,
    reason: Reason = "",
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Make a child of a version with the rules and threshold that --set gives, and the same weights.

    No data are read: the threshold follows from the levels that the bundle keeps. `candidate` points to the child.
    Exit code 4 where the gate refused the version: the child is written, and nothing points to it.
    """
    from stream.cli.training_options import wanted
    from stream.registry.registry import Registry
    from training.revision import report as amend_report
    from training.revision.amend import amend

    settings = settings_from(config, overrides)
    changes = wanted(settings, overrides or ())
    registry = Registry(settings.registry)
    amended = amend(registry, settings.detector, version or settings.bundle, changes, reason)
    if as_json:
        print_json(amend_report.facts(amended, registry))
    else:
        amend_report.show(amended, registry)
    tell_child(amended.manifest)


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
    from training.fitting.prior_samples import picture, sample, write

    folder, _, definition = bundle_of(settings_from(config, overrides), bundle)
    drawn = sample(folder, definition, count, seed)
    write(drawn, output)
    if plot is not None:
        picture(drawn, plot)
    print(f"wrote {count} windows of {definition.spec.window} frames to {output}", file=sys.stderr)


def main() -> None:
    """Entry point of the `narrows` script."""
    # Nothing here has plugins; looking for them among all installed packages costs a tenth of the start.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    # Read when torch is first imported: threads that spin while they wait make a busy machine ten times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app(prog_name="narrows")
    except NarrowsError as error:
        print(f"narrows: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        raise  # nobody reads on: not for us to tell
    except OSError as error:
        print(f"narrows: {error}; check the path, its permissions and the space that is left", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
