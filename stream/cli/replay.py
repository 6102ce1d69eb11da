"""`narrows replay` as people and pipes see it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from stream.detect.definition import Definition
from stream.events.alert import Alert
from stream.events.record import encode
from stream.replay import ReplayResult, layout_for, replay
from stream.serve.compose import bundle_of, known_series
from stream.settings import Settings
from stream.settings.hints import hints

# The share at which training refuses history.
MOST_LOST = 0.1


def replay_command(settings: Settings, data: Path, bundle: str | None, scores: Path | None, as_json: bool) -> None:
    """Alerts on stdout: JSON lines, or a table where that is a terminal; the counts on stderr."""
    torch.set_num_threads(1)
    folder, _, definition = bundle_of(settings, bundle)
    layout = layout_for(data, hints(settings).without_label(), definition)
    print(f"bundle {folder.name} of {definition.detector}, {len(definition.sensors)} sensors", file=sys.stderr)
    kept: list[Alert] = []
    table = sys.stdout.isatty() and not as_json

    def tell(record: Alert) -> None:
        if table:
            kept.append(record)
        else:
            sys.stdout.write(encode(record).decode() + "\n")

    done = replay(definition, data, layout, tell, scores, known=known_series(settings, definition))
    if table:
        import msgspec
        from rich.console import Console

        from stream.cli.reports.alerts import incidents_table

        Console().print(incidents_table([msgspec.to_builtins(record) for record in kept]))
    counts = ", ".join(f"{name} {count:,}" for name, count in sorted(done.counts.items()) if count)
    print(f"{done.alerts} alert events; {counts}", file=sys.stderr)
    for doubt in _doubts(done, definition):
        print(f"warning: {doubt}", file=sys.stderr)
    if scores is not None:
        print(f"verdicts: {scores}", file=sys.stderr)


def _doubts(done: ReplayResult, definition: Definition) -> Iterator[str]:
    """What makes the alerts worth little, and what to look at."""
    strangers = sorted(done.series - set(definition.scales.names))
    if strangers:
        yield (
            f"{len(strangers)} of {len(done.series)} series were not in training, {strangers[0]!r} for one: scored by "
            "the pooled scale; a file without a column of series is named by its own name"
        )
    lost, received = done.counts["late"] + done.counts["duplicate"], done.counts["received"]
    if lost > MOST_LOST * received:
        yield f"{lost:,} of {received:,} readings are late or duplicate; does `input.series` name the asset?"
