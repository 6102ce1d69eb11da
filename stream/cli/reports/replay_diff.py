"""The alerts of two bundles on the same rows, compared for people at a terminal.

One reads it before one points production to the other bundle.
"""

from collections.abc import Callable, Iterable, Sequence

from rich.table import Table
from rich.text import Text

from stream.events.difference import KINDS, Change, ChangeCounts, SideCounts, count, count_by_series
from stream.events.incident_view import IncidentView
from stream.messages import printable
from stream.terminal import Cell, console, duration, plain_table

STYLE = {"gone": "green", "new": "bold red", "moved": "yellow"}


def show(before: str, after: str, changes: Sequence[Change]) -> None:
    """Prints the counts of each series, then every change; unchanged alerts are only counted.

    Args:
        before, after: versions of the two bundles.
    """
    output = console()
    output.print(f"{before} -> {after}", style="bold")
    output.print(_counts(changes))
    changed = [change for change in changes if change.kind != "unchanged"]
    if changed:
        output.print(_changes(changed))


def _counts(changes: Sequence[Change]) -> Table:
    rows: Iterable[tuple[Cell, ...]] = (
        (
            Text(printable(row.series) if isinstance(row.series, str) else "all", "bold"),
            *(str(getattr(row, kind)) for kind in KINDS),
            *(_both(row, cell) for cell in (_alerts, _severity, _peak)),
        )
        for row in (*count_by_series(changes), count(changes))
    )
    return plain_table(("series", *KINDS, "alerts", "severity", "highest score"), rows, right=KINDS)


def _changes(changes: Iterable[Change]) -> Table:
    table = plain_table(("change", "series", "before", "after", "sensors"))
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
    """Writes an alert as in: 2026-03-07 12:12, 4 h, high 6.1."""
    began = alert.started_at[:16].replace("T", " ")
    peak = f"{alert.peak_score:.3g}" if alert.scored else "not scored"
    lasted = "open" if alert.ended_at is None else duration(alert.duration_s)
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
