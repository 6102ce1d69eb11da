"""The report on feedback, for people at a terminal; it takes the report as it goes into JSON."""

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from stream.terminal import Cell, console, plain_table, printable

Facts = Mapping[str, Any]
VERDICTS = ("confirmed", "false", "maintenance", "unjudged")


def show(report: Facts) -> None:
    """Prints the precision of each series, faults in the feedback, and the suggested changes."""
    headings = ("series", "alerts", *VERDICTS, "precision")
    rows: list[list[Cell]] = [[Text(printable(row["series"]), "bold"), *_cells(row)] for row in report["series"]]
    console().print(plain_table(headings, [*rows, ["all", *_cells(report["all"])]], right=headings[1:]))
    for one in report["contradicted"]:
        print(f"judged in two ways: {printable(one['alert_id'])}; the last holds: {one['holds']}")
    for alert_id in report["unknown"]:
        print(f"no such alert: {printable(alert_id)}")
    for note in report["notes"]:
        print(f"note: {printable(note)}")
    for proposal in report["proposals"]:
        _show_proposal(proposal)
    if report["proposals"]:
        print("\nto see the effect: narrows replay --data ROWS --bundle candidate --against production")


def _show_proposal(proposal: Facts) -> None:
    of_series, of_all = proposal["of_series"], proposal["of_all"]
    print(f"\nproposed for {printable(proposal['series'])}: {printable(proposal['what'])}")
    print(f"  of this series: {_effect(of_series)}")
    print(f"  of all series: {_effect(of_all)}, {of_all['unjudged_gone']} unjudged gone")
    print(f"  {printable(proposal['command'])}")


def _effect(effect: Facts) -> str:
    return (
        f"{effect['false_gone']} of {effect['false']} false gone, "
        f"{effect['confirmed_kept']} of {effect['confirmed']} confirmed kept"
    )


def _cells(row: Facts) -> list[str]:
    precision = "-" if row["precision"] is None else f"{row['precision']:.0%}"
    return [f"{row[name]:,}" for name in ("alerts", *VERDICTS)] + [precision]
