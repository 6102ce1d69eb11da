"""The output of `narrows demo`: injected versus found."""

from stream.cli.reports.demo import found_table
from tests.stream.cli.reports.test_alerts import printed
from training.demo.scoreboard import FalseAlertReport, FaultReport, ScoreboardReport


def test_the_comparison_names_found_missed_passed_and_false() -> None:
    def fault(series: str, expected: str, as_expected: bool, delay_s: float | None) -> FaultReport:
        return FaultReport(
            series, "leak", "flow rises", "2026-03-07T02:24:00Z", "2026-03-07T03:24:00Z", expected, as_expected,
            alerts=0 if delay_s is None else 1, delay_s=delay_s,
        )  # fmt: skip

    faults = [
        fault("a", "alert", True, 720.0), fault("b", "alert", False, None),
        fault("c", "none", True, None), fault("d", "none", False, 60.0),
    ]  # fmt: skip
    false = [FalseAlertReport("d", "2026-03-07T02:25:00Z", None)]
    shown = printed(found_table(ScoreboardReport(2, 1, 0.0, faults, false)))
    for words in ("found after 12 min", "missed", "no alert, as it should be", "alerted, and should not have"):
        assert words in shown
    assert "1 of 2 faults found; false alerts: 1 (d 02:25)" in shown
