"""The report on feedback: a struct for JSON, and tables for people at a terminal."""

from typing import Self

import msgspec
from rich.text import Text

from stream.events.people.precision import Contradiction, Precision, PrecisionReport
from stream.messages import printable, tell
from stream.terminal import Cell, console, plain_table
from training.revision.suggestions import Effect, Suggestion, SuggestionReport

VERDICTS = ("confirmed", "false", "maintenance", "unjudged")


class FeedbackReport(msgspec.Struct, frozen=True):
    """Precision of all series, odd feedback, and suggestions; see `PrecisionReport` and `SuggestionReport`."""

    series: tuple[Precision, ...]
    all: Precision
    unknown: tuple[str, ...]
    contradicted: tuple[Contradiction, ...]
    proposals: tuple[Suggestion, ...]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, precision: PrecisionReport, suggestions: SuggestionReport) -> Self:
        """Joins the two reports."""
        return cls(**msgspec.structs.asdict(precision), **msgspec.structs.asdict(suggestions))


def show(report: FeedbackReport) -> None:
    """Prints the precision of each series, faults in the feedback, and the suggested changes."""
    headings = ("series", "alerts", *VERDICTS, "precision")
    rows: list[list[Cell]] = [[Text(printable(row.series or ""), "bold"), *_cells(row)] for row in report.series]
    console().print(plain_table(headings, [*rows, ["all", *_cells(report.all)]], right=headings[1:]))
    for one in report.contradicted:
        tell(f"judged in two ways: {one.alert_id}; the last holds: {one.holds}")
    for alert_id in report.unknown:
        tell(f"no such alert: {alert_id}")
    for note in report.notes:
        tell(f"note: {note}")
    for suggestion in report.proposals:
        _show_suggestion(suggestion)
    if report.proposals:
        tell()
        tell("to see the effect: narrows replay --data ROWS --bundle candidate --against production")


def _show_suggestion(suggestion: Suggestion) -> None:
    tell()
    tell(f"proposed for {suggestion.series}: {suggestion.what}")
    tell(f"  of this series: {_effect(suggestion.of_series)}")
    tell(f"  of all series: {_effect(suggestion.of_all)}, {suggestion.of_all.unjudged_gone} unjudged gone")
    tell(f"  {suggestion.command}")


def _effect(effect: Effect) -> str:
    return (
        f"{effect.false_gone} of {effect.false} false gone, "
        f"{effect.confirmed_kept} of {effect.confirmed} confirmed kept"
    )


def _cells(row: Precision) -> list[str]:
    precision = "-" if row.precision is None else f"{row.precision:.0%}"
    return [f"{getattr(row, name):,}" for name in ("alerts", *VERDICTS)] + [precision]
