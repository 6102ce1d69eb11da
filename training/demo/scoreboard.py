"""Injected versus found: the faults of a generated fleet beside the alerts that a detector published."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.demo.fleet import Fault


@dataclass(frozen=True, slots=True)
class Alert:
    """One incident: first exceeding frame, first quiet frame (None: still open), ns UTC."""

    series: str
    started_ns: int
    ended_ns: int | None


@dataclass(frozen=True, slots=True)
class FaultOutcome:
    """One fault with its alerts.

    Attributes:
        alerts: alerts on its series that started within the fault or its grace, by start time.
        delay_ns: time from the fault's start to the first alert; None where there is none.
        as_expected: there is an alert if and only if one is expected.
    """

    fault: Fault
    alerts: tuple[Alert, ...]
    delay_ns: int | None
    as_expected: bool


@dataclass(frozen=True, slots=True)
class Scoreboard:
    """Every fault with its outcome, and the alerts that belong to no fault that should alert."""

    outcomes: tuple[FaultOutcome, ...]
    false_alerts: tuple[Alert, ...]
    grace_ns: int

    @property
    def expected(self) -> int:
        """Number of faults that should alert."""
        return sum(outcome.fault.expected == "alert" for outcome in self.outcomes)

    @property
    def found(self) -> int:
        """Number of faults that should alert and did."""
        return sum(outcome.fault.expected == "alert" and outcome.as_expected for outcome in self.outcomes)

    def as_dict(self) -> dict[str, Any]:
        """The scoreboard as JSON: times in RFC 3339, durations in seconds."""
        return {
            "expected": self.expected,
            "found": self.found,
            "grace_s": self.grace_ns / 1e9,
            "faults": [_row(outcome) for outcome in self.outcomes],
            "false_alerts": [
                {"series": alert.series, "started_at": _stamp(alert.started_ns), "ended_at": _stamp(alert.ended_ns)}
                for alert in self.false_alerts
            ],
        }


def compare(faults: Sequence[Fault], alerts: Iterable[Alert], grace_ns: int) -> Scoreboard:
    """Assigns alerts to faults.

    An alert belongs to a fault of its series if it *started* within start_ns <= t < end_ns + grace_ns. An earlier one
    cannot have been caused by the fault. An alert is false if it belongs to no fault that should alert. So an alert on
    the spike, which should raise none, is false.

    Args:
        grace_ns: time for which a fault stays in the windows after its end, (W + M - 1) intervals.
    """
    ordered = sorted(alerts, key=lambda alert: (alert.started_ns, alert.series))

    def belongs(alert: Alert, fault: Fault) -> bool:
        return alert.series == fault.series and fault.start_ns <= alert.started_ns < fault.end_ns + grace_ns

    outcomes = tuple(_outcome(fault, tuple(alert for alert in ordered if belongs(alert, fault))) for fault in faults)
    wanted = [fault for fault in faults if fault.expected == "alert"]
    false = tuple(alert for alert in ordered if not any(belongs(alert, fault) for fault in wanted))
    return Scoreboard(outcomes, false, grace_ns)


def _outcome(fault: Fault, alerts: tuple[Alert, ...]) -> FaultOutcome:
    delay = alerts[0].started_ns - fault.start_ns if alerts else None
    return FaultOutcome(fault, alerts, delay, bool(alerts) == (fault.expected == "alert"))


def _row(outcome: FaultOutcome) -> dict[str, Any]:
    fault, delay = outcome.fault, outcome.delay_ns
    return {
        "series": fault.series,
        "kind": fault.kind,
        "detail": fault.detail,
        "started_at": _stamp(fault.start_ns),
        "ended_at": _stamp(fault.end_ns),
        "expected": fault.expected,
        "as_expected": outcome.as_expected,
        "alerts": len(outcome.alerts),
        "delay_s": None if delay is None else delay / 1e9,
    }


def _stamp(ns: int | None) -> str | None:
    return None if ns is None else f"{np.datetime_as_string(np.datetime64(ns, 'ns'), unit='s')}Z"
