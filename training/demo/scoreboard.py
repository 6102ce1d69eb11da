"""Injected versus found: the faults of a generated fleet beside the alerts that a detector published."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from stream.events.record import rfc3339
from training.demo.fleet import Fault


@dataclass(frozen=True, slots=True)
class Alert:
    """One incident: first exceeding frame, first quiet frame (None: still open), ns UTC."""

    series: str
    started_ns: int
    ended_ns: int | None


class FaultReport(msgspec.Struct, frozen=True):
    """One fault and its outcome. Times are RFC 3339.

    Attributes:
        as_expected: there is an alert if and only if one is expected.
        alerts: number of alerts on its series that started within the fault or its grace.
        delay_s: time from the fault's start to the first alert; null where there is none.
    """

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
    """Faults that should alert and did (`found` of `expected`), every fault, and the alerts that belong to none."""

    expected: int
    found: int
    grace_s: float
    faults: list[FaultReport]
    false_alerts: list[FalseAlertReport]


def compare(faults: Sequence[Fault], alerts: Iterable[Alert], grace_ns: int) -> ScoreboardReport:
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

    reports = [_report(fault, [alert for alert in ordered if belongs(alert, fault)]) for fault in faults]
    wanted = [fault for fault in faults if fault.expected == "alert"]
    false = [
        FalseAlertReport(one.series, rfc3339(one.started_ns), None if one.ended_ns is None else rfc3339(one.ended_ns))
        for one in ordered
        if not any(belongs(one, fault) for fault in wanted)
    ]
    found = sum(one.expected == "alert" and one.as_expected for one in reports)
    return ScoreboardReport(len(wanted), found, grace_ns / 1e9, reports, false)


def _report(fault: Fault, alerts: Sequence[Alert]) -> FaultReport:
    return FaultReport(
        series=fault.series,
        kind=fault.kind,
        detail=fault.detail,
        started_at=rfc3339(fault.start_ns),
        ended_at=rfc3339(fault.end_ns),
        expected=fault.expected,
        as_expected=bool(alerts) == (fault.expected == "alert"),
        alerts=len(alerts),
        delay_s=(alerts[0].started_ns - fault.start_ns) / 1e9 if alerts else None,
    )
