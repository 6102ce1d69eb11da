"""Injected versus found: the faults of a generated fleet beside the alerts that a detector published."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
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

    def report(self) -> "ScoreboardReport":
        """The scoreboard for people and JSON."""
        false = [
            FalseAlertReport(alert.series, _stamp(alert.started_ns), _optional_stamp(alert.ended_ns))
            for alert in self.false_alerts
        ]
        faults = [_fault_report(outcome) for outcome in self.outcomes]
        return ScoreboardReport(self.expected, self.found, self.grace_ns / 1e9, faults, false)


class FaultReport(msgspec.Struct, frozen=True):
    """One fault and its outcome. Times are RFC 3339; `delay_s` is null where there is no alert."""

    series: str
    kind: str
    detail: str
    started_at: str
    ended_at: str
    expected: str
    as_expected: bool
    alerts: int
    delay_s: float | None


class FalseAlertReport(msgspec.Struct, frozen=True):
    """One false alert; `ended_at` is null while it is open."""

    series: str
    started_at: str
    ended_at: str | None


class ScoreboardReport(msgspec.Struct, frozen=True):
    """Faults that should alert and did (`found` of `expected`), every fault, and the false alerts."""

    expected: int
    found: int
    grace_s: float
    faults: list[FaultReport]
    false_alerts: list[FalseAlertReport]


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


def _fault_report(outcome: FaultOutcome) -> FaultReport:
    fault, delay = outcome.fault, outcome.delay_ns
    return FaultReport(
        series=fault.series,
        kind=fault.kind,
        detail=fault.detail,
        started_at=_stamp(fault.start_ns),
        ended_at=_stamp(fault.end_ns),
        expected=fault.expected,
        as_expected=outcome.as_expected,
        alerts=len(outcome.alerts),
        delay_s=None if delay is None else delay / 1e9,
    )


def _stamp(ns: int) -> str:
    return f"{np.datetime_as_string(np.datetime64(ns, 'ns'), unit='s')}Z"


def _optional_stamp(ns: int | None) -> str | None:
    return None if ns is None else _stamp(ns)
