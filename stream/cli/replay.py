"""`narrows replay`: history through the detector, without Kafka."""

import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.options.parameters import AsJson, Bundle, ConfigFile, Overrides, settings_from
from stream.cli.reports.output import NextCommands
from stream.counters import Count
from stream.messages import counted, say, some, warn

if TYPE_CHECKING:
    from stream.detect.definition import Definition
    from stream.events.alert import Alert
    from stream.replay import ReplayResult
    from stream.settings import Settings

# A larger share of readings that are left out deserves a word.
MOST_LOST = 0.1


def replay(
    data: Annotated[
        Path, typer.Option("--data", metavar="PATH", help="Parquet or CSV file, folder or glob: the readings.")
    ],
    config: ConfigFile = None,
    overrides: Overrides = None,
    bundle: Bundle = None,
    against: Annotated[
        str | None, typer.Option(metavar="B", help="Another version, alias or folder: show how alerts differ from its.")
    ] = None,
    scores: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every verdict here, as Parquet.")] = None,
    accounts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the account of each series here, as JSON lines.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send Parquet through the detector; alerts as JSON lines, or as a table on a terminal.

    With --against, through two bundles: which alerts of the other are gone, which are new, which have moved.
    """
    settings, following = settings_from(config, overrides), NextCommands(config, overrides)
    if against is not None:
        from stream.cli.replay_diff import compare

        following.use(settings, compare(settings, data, bundle, against, scores, accounts, as_json), compared=True)
    else:
        _replay(settings, data, bundle, scores, accounts, as_json, following)


def _replay(
    settings: "Settings",
    data: Path,
    bundle: str | None,
    scores: Path | None,
    accounts: Path | None,
    as_json: bool,
    following: NextCommands,
) -> None:
    """Prints alerts on stdout, as JSON lines or as a table on a terminal, and the counts on stderr."""
    import torch

    from stream.events.record import encode
    from stream.intake.tables.labels import left_out_labels
    from stream.offline.bad_value_lines import sentinel_line
    from stream.offline.rows import said
    from stream.replay import layout_for, replay
    from stream.serve.compose import bundle_of, known_series

    torch.set_num_threads(1)
    folder, _, definition = bundle_of(settings, bundle)
    layout = layout_for(data, settings.input.hints.without_label(), definition)
    say(f"bundle {folder.name} of {definition.detector}, {counted(len(definition.sensors), 'sensor')}")
    labels = left_out_labels(layout.left_out)
    for line in (*said(layout), *(f"left out: {name}, named like a label" for name in labels)):
        say(line)
    alerts: list[Alert] = []
    last: deque[str] = deque(maxlen=1)
    as_table = sys.stdout.isatty() and not as_json

    def publish(alert: "Alert") -> None:
        last.append(alert.alert_id)
        if as_table:
            alerts.append(alert)
        else:
            sys.stdout.write(encode(alert).decode() + "\n")

    known, after = known_series(settings, definition), settings.serve.unwatched_after
    result = replay(definition, data, layout, publish, scores, accounts, known=known, unwatched_after_ns=after)
    if as_table:
        from stream.cli.reports.alerts import show_incidents

        show_incidents(alerts)
    counts = ", ".join(f"{name} {count:,}" for name, count in sorted(result.counts.items()) if count)
    say(f"{result.alerts} alert events; {counts}")
    if (sentinels := sentinel_line(definition.sensors, result.sentinels)) is not None:
        say(f"sentinels: {sentinels}")
    for warning in _warnings(result, definition, layout.bad_is_dead):
        warn(warning)
    if scores is not None:
        say(f"verdicts: {scores}")
    if accounts is not None:
        say(f"accounts: {accounts}")
    if last:
        following.show(("feedback", last[-1], "confirmed", "--file", "feedback.jsonl"))
    following.use(settings, folder.name)


def _warnings(result: "ReplayResult", definition: "Definition", bad_is_dead: bool) -> Iterator[str]:
    """Reasons why these alerts are worth little, with what to look at."""
    from stream.events.account import warnings
    from stream.offline.bad_value_lines import bad_value_lines

    unknown = sorted({one.series for one in result.accounts if one.frames} - set(definition.scales.names))
    if unknown:
        yield (
            f"{len(unknown)} of {len(result.accounts)} series were not in training, {unknown[0]!r} for one: scored by "
            "the pooled scale; a file without a column of series is named by its own name: name the "
            "column as `input.series`, or set `input.series_name: NAME`"
        )
    lost, received = result.counts[Count.LATE] + result.counts[Count.DUPLICATE], result.counts[Count.RECEIVED]
    if lost > MOST_LOST * received:
        yield (
            f"{lost:,} of {received:,} readings are left out: {result.counts[Count.LATE]:,} late, "
            f"{result.counts[Count.DUPLICATE]:,} duplicate, as if they had been handed over twice"
        )
    if result.restarts:
        yield some(result.restarts, 3, "; ")
    yield from warnings(result.accounts)
    yield from bad_value_lines(result.accounts, bad_is_dead)
