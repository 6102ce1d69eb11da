"""The output of `narrows demo`: injected faults, alerts as they open, injected versus found, the next commands."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.text import Text

from stream.cli.reports.alerts import alert_line, found_table, score_plot
from stream.intake.columns import Float64s, Int64s
from stream.serve.logs import configure
from stream.terminal import console

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

    def show_faults(self, faults: Iterable[Mapping[str, Any]]) -> None:
        """Prints the faults, before the stream starts."""
        self._console.print("\ninjected into the stream that follows", style="bold")
        for fault in faults:
            line = Text(f"  {fault['started_at']}  {fault['series']}  {fault['kind']}: {fault['detail']}")
            self._console.print(line if fault["expected"] == "alert" else line.append("  (must not alert)", "dim"))
        self._console.print("\nalerts, as a subscriber of the topic reads them", style="bold")

    def show_alert(self, event: Mapping[str, Any]) -> None:
        """Prints an alert event on one line."""
        if self._first_alert is None:
            self._first_alert = time.monotonic() - self._started
        self._console.print(alert_line(event), no_wrap=True, overflow="ellipsis")

    def show_result(self, found: Mapping[str, Any], series: str, times: Int64s, scores: Float64s, image: Path) -> None:
        """Prints injected versus found, the scores of one series, and the next commands.

        Args:
            found: as `found_table` takes it.
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
