"""The output of `narrows demo`: injected faults, alerts as they open, injected versus found, the next commands."""

import time
from collections.abc import Iterable
from pathlib import Path

from rich.table import Table
from rich.text import Text

from stream.cli.reports.alerts import alert_line, parse_time, score_plot
from stream.events.alert import Alert
from stream.intake.columns import Float64s, Int64s
from stream.messages import printable
from stream.serve.logs import configure
from stream.terminal import console, duration, framed_table
from training.demo.scoreboard import FaultReport, ScoreboardReport

NEXT_COMMANDS = """\
next, with your own file:
  narrows init --from-file readings.parquet     guesses the configuration, each guess with its reason
  narrows train --data readings.parquet         makes a bundle: model and thresholds
  narrows replay --data newer.parquet           alerts without Kafka
  narrows run                                   alerts from your topic"""


class DemoOutput:
    """Prints the demo on stdout, or nothing where `quiet`; the time since it was made counts as the demo's."""

    def __init__(self, quiet: bool) -> None:
        configure("console", level="warning")
        self._console = console(width=120, quiet=quiet)
        self._started = time.monotonic()
        self._first_alert: float | None = None

    def show_faults(self, faults: Iterable[FaultReport]) -> None:
        """Prints the faults, before the stream starts."""
        self._console.print("\ninjected into the stream that follows", style="bold")
        for fault in faults:
            line = Text(f"  {fault.started_at}  {fault.series}  {fault.kind}: {fault.detail}")
            self._console.print(line if fault.expected == "alert" else line.append("  (must not alert)", "dim"))
        self._console.print("\nalerts, as a subscriber of the topic reads them", style="bold")

    def show_alert(self, event: Alert) -> None:
        """Prints an alert event on one line."""
        if self._first_alert is None:
            self._first_alert = time.monotonic() - self._started
        self._console.print(alert_line(event), no_wrap=True, overflow="ellipsis")

    def show_result(self, found: ScoreboardReport, series: str, times: Int64s, scores: Float64s, image: Path) -> None:
        """Prints injected versus found, the scores of one series, and the next commands.

        Args:
            times, scores: as `score_plot` takes them, of `series`.
            image: the file that holds the picture of it.
        """
        self._console.print()
        self._console.print(found_table(found))
        self._console.print(Text.assemble((f"\nscore of {series}", "bold"), " (1 is the threshold)"))
        self._console.print(score_plot(times, scores))
        self._console.print(f"\npicture: {image}\n")
        self._console.print(NEXT_COMMANDS)
        first = "none" if self._first_alert is None else f"after {self._first_alert:.1f} s"
        self._console.print(f"\nfirst alert {first}, done after {time.monotonic() - self._started:.1f} s", style="dim")


def found_table(found: ScoreboardReport) -> Table:
    """Makes the table of injected versus found faults."""
    false = found.false_alerts
    listed = ", ".join(f"{printable(alert.series)} {parse_time(alert.started_at):%H:%M}" for alert in false)
    caption = f"{found.found} of {found.expected} faults found; false alerts: {len(false)}"
    table = framed_table("injected versus found", ("series", "fault", "what happens", "from", "outcome"), right=())
    table.caption_justify = "left"
    table.caption = Text(f"{caption} ({listed})" if listed else caption)
    for fault in found.faults:
        table.add_row(
            Text(printable(fault.series), "bold"),
            Text(fault.kind),
            Text(fault.detail),
            Text(f"{parse_time(fault.started_at):%H:%M}"),
            Text(_outcome(fault), "green" if fault.as_expected else "bold red"),
        )
    return table


def _outcome(fault: FaultReport) -> str:
    if fault.expected == "none":
        return "no alert, as it should be" if fault.as_expected else "alerted, and should not have"
    return "missed" if fault.delay_s is None else f"found after {duration(fault.delay_s)}"
