"""The report on feedback for people at a terminal; takes it as it goes into JSON."""

import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from stream.cli.reports.alerts import printable

Facts = Mapping[str, Any]
VERDICTS = ("confirmed", "false", "maintenance", "unjudged")


def show(report: Facts) -> None:
    """Precision per series, what is odd, and what is proposed."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("series", "alerts", *VERDICTS, "precision"):
        table.add_column(heading, justify="left" if heading == "series" else "right", overflow="fold")
    for row in report["series"]:
        table.add_row(Text(printable(row["series"]), "bold"), *_cells(row))
    table.add_row(Text("all"), *_cells(report["all"]))
    Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(table)
    for one in report["contradicted"]:
        print(f"judged in two ways: {printable(one['alert_id'])}; the last holds: {one['holds']}")
    for alert_id in report["unknown"]:
        print(f"no such alert: {printable(alert_id)}")
    for note in report["notes"]:
        print(f"note: {printable(note)}")
    for proposal in report["proposals"]:
        _show(proposal)
    if report["proposals"]:
        print("\nwhat comes of it: narrows replay --data ROWS --bundle candidate --against production")


def _show(proposal: Facts) -> None:
    own, everywhere = proposal["of_series"], proposal["of_all"]
    print(f"\nproposed for {printable(proposal['series'])}: {printable(proposal['what'])}")
    print(f"  of this series: {_effect(own)}")
    print(f"  of all series: {_effect(everywhere)}, {everywhere['unjudged_gone']} unjudged gone")
    print(f"  {printable(proposal['command'])}")


def _effect(effect: Facts) -> str:
    return (
        f"{effect['false_gone']} of {effect['false']} false gone, "
        f"{effect['confirmed_kept']} of {effect['confirmed']} confirmed kept"
    )


def _cells(row: Facts) -> list[str]:
    precision = "-" if row["precision"] is None else f"{row['precision']:.0%}"
    return [f"{row[name]:,}" for name in ("alerts", *VERDICTS)] + [precision]
