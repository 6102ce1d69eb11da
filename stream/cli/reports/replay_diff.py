"""Two bundles' alerts on the same rows, for people at a terminal: what one reads before production is moved."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from stream.cli.reports.alerts import printable, span
from stream.events.difference import KINDS, Change, ChangeCounts, SideCounts, count, count_by_series
from stream.events.incident_view import IncidentView

STYLE = {"gone": "green", "new": "bold red", "moved": "yellow"}


def show(sides: Mapping[str, Any], changes: Sequence[Change]) -> None:
    """Counts of each series, then every change; what is unchanged is only counted."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    console.print(Text(f"{sides['before']['version']} -> {sides['after']['version']}", "bold"))
    console.print(_counts(changes))
    if any(change.kind != "unchanged" for change in changes):
        console.print(_changes(change for change in changes if change.kind != "unchanged"))


def _counts(changes: Sequence[Change]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("series", *KINDS, "alerts", "severity", "highest score"):
        table.add_column(heading, justify="right" if heading in KINDS else "left", overflow="fold")
    for row in (*count_by_series(changes), count(changes)):
        table.add_row(
            Text(printable(row.series) if isinstance(row.series, str) else "all", "bold"),
            *(str(getattr(row, kind)) for kind in KINDS),
            *(_both(row, cell) for cell in (_alerts, _severity, _peak)),
        )
    return table


def _changes(changes: Iterable[Change]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("change", "series", "before", "after", "sensors"):
        table.add_column(heading, overflow="fold")
    for change in changes:
        sensors = dict.fromkeys(share.name for alert in (*change.after, *change.before) for share in alert.sensors[:2])
        table.add_row(
            Text(change.kind, STYLE[change.kind]),
            Text(printable(change.series), "bold"),
            *(Text("\n".join(map(_alert, alerts)) or "-") for alerts in (change.before, change.after)),
            Text(printable(", ".join(list(sensors)[:3]))),
        )
    return table


def _alert(alert: IncidentView) -> str:
    """2026-03-07 12:12, 4 h, high 6.1."""
    began = alert.started_at[:16].replace("T", " ")
    peak = f"{alert.peak_score:.3g}" if alert.scored else "not scored"
    lasted = "open" if alert.ended_at is None else span(alert.duration_s)
    return f"{began}, {lasted}, {alert.severity} {peak}"


def _both(row: ChangeCounts, cell: Callable[[SideCounts], str]) -> str:
    before, after = cell(row.before), cell(row.after)
    return f"{before}" if before == after else f"{before} -> {after}"


def _alerts(side: SideCounts) -> str:
    return str(side.alerts)


def _severity(side: SideCounts) -> str:
    return ", ".join(f"{alerts} {name}" for name, alerts in side.severity.items()) or "-"


def _peak(side: SideCounts) -> str:
    return "-" if side.peak_score is None else f"{side.peak_score:.3g}"
