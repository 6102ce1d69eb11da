"""What `narrows demo` shows: the faults to come, alerts as they open, injected versus found, what to do next."""

import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from stream.cli.reports.alerts import alert_line, found_table, score_plot
from stream.intake.columns import Float64s, Int64s
from stream.serve.logs import configure

NEXT = """\
next, with your own file:
  narrows init --from-file readings.parquet     guesses the configuration, each guess with its reason
  narrows train --data readings.parquet         makes a bundle: model and thresholds
  narrows replay --data newer.parquet           alerts without Kafka
  narrows run                                   alerts from your topic"""


class Screen:
    """Prints to stdout; quiet where the caller prints JSON instead."""

    def __init__(self, quiet: bool) -> None:
        configure("console", level="warning")
        self._console = Console(quiet=quiet, highlight=False, width=None if sys.stdout.isatty() else 120)
        self._started = time.monotonic()
        self._first_alert: float | None = None

    def injected(self, faults: Iterable[Mapping[str, Any]]) -> None:
        """The faults, before the stream starts."""
        self._console.print("\n[bold]injected into the stream that follows[/bold]")
        for fault in faults:
            expected = "" if fault["expected"] == "alert" else "  [dim](must not alert)[/dim]"
            self._console.print(
                f"  {fault['started_at']}  {fault['series']}  {fault['kind']}: {fault['detail']}{expected}"
            )
        self._console.print("\n[bold]alerts, as a subscriber of the topic reads them[/bold]")

    def tell(self, event: Mapping[str, Any]) -> None:
        if self._first_alert is None:
            self._first_alert = time.monotonic() - self._started
        self._console.print(alert_line(event), no_wrap=True, overflow="ellipsis")

    def conclude(self, found: Mapping[str, Any], series: str, times: Int64s, scores: Float64s, picture: Path) -> None:
        self._console.print()
        self._console.print(found_table(found))
        self._console.print(f"\n[bold]score of {series}[/bold] (1 is the threshold)")
        self._console.print(score_plot(times, scores))
        self._console.print(f"\npicture: {picture}\n")
        self._console.print(NEXT)
        first = "none" if self._first_alert is None else f"after {self._first_alert:.1f} s"
        self._console.print(f"\nfirst alert {first}, done after {time.monotonic() - self._started:.1f} s", style="dim")
