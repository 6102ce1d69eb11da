"""Difference between the alerts of two detectors on the same rows: gone, new, moved, unchanged."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import msgspec

from stream.detect.policy import SEVERITIES
from stream.events.incident_view import IncidentView

Kind = Literal["gone", "new", "moved", "unchanged"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class SideCounts(msgspec.Struct, frozen=True):
    """Alerts of one side: how many, how many of each severity, and the highest score; null: none had a score."""

    alerts: int
    severity: dict[str, int]
    peak_score: float | None


class ChangeCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Changes by kind, with the alerts of either side; `series` is absent where they are of all series."""

    series: str | msgspec.UnsetType = msgspec.UNSET
    gone: int
    new: int
    moved: int
    unchanged: int
    before: SideCounts
    after: SideCounts


class AlertSummary(msgspec.Struct, frozen=True):
    """One alert of a change; `peak_score` is null where no frame had a score."""

    alert_id: str
    started_at: str
    ended_at: str | None
    duration_s: float
    severity: str
    peak_score: float | None
    sensors: tuple[str, ...]

    @classmethod
    def of(cls, alert: IncidentView) -> "AlertSummary":
        """Summary of an alert."""
        return cls(
            alert.alert_id,
            alert.started_at,
            alert.ended_at,
            alert.duration_s,
            alert.severity,
            alert.peak_score if alert.scored else None,
            tuple(share.name for share in alert.sensors),
        )


class ChangeRecord(msgspec.Struct, frozen=True):
    """One change, as `narrows replay --against` writes it."""

    change: Kind
    series: str
    before: tuple[AlertSummary, ...]
    after: tuple[AlertSummary, ...]


@dataclass(frozen=True)
class Change:
    """Alerts of one series that overlap in time, directly or through other alerts, on either side.

    Attributes:
        before, after: alerts of each side in order of time; empty where the alert is new, or gone.
    """

    series: str
    before: tuple[IncidentView, ...]
    after: tuple[IncidentView, ...]

    @property
    def kind(self) -> Kind:
        """Unchanged means the same spans on both sides; the scores may differ."""
        if not self.after:
            return "gone"
        if not self.before:
            return "new"
        same = [alert.span for alert in self.before] == [alert.span for alert in self.after]
        return "unchanged" if same else "moved"

    def record(self) -> ChangeRecord:
        """The change as it is written."""
        before, after = (tuple(map(AlertSummary.of, alerts)) for alerts in (self.before, self.after))
        return ChangeRecord(self.kind, self.series, before, after)


def difference(before: Iterable[IncidentView], after: Iterable[IncidentView]) -> list[Change]:
    """Changes, ordered by the time at which they begin, then by series.

    Args:
        before, after: alerts in their newest state; those of one side and series do not overlap.
    """
    sides = [(alert.series, alert.span, 0, alert) for alert in before]
    sides += [(alert.series, alert.span, 1, alert) for alert in after]
    groups: list[tuple[int, str, tuple[list[IncidentView], list[IncidentView]]]] = []
    reached = 0
    for series, (begin, end), side, alert in sorted(sides, key=lambda one: one[:3]):
        if not groups or groups[-1][1] != series or begin >= reached:
            groups.append((begin, series, ([], [])))
            reached = end
        reached = max(reached, end)
        groups[-1][2][side].append(alert)
    groups.sort(key=lambda group: group[:2])
    return [Change(series, tuple(older), tuple(newer)) for _, series, (older, newer) in groups]


def count_by_series(changes: Iterable[Change]) -> list[ChangeCounts]:
    """Counts of the changes of each series, ordered by its name."""
    by_series: dict[str, list[Change]] = {}
    for change in changes:
        by_series.setdefault(change.series, []).append(change)
    return [msgspec.structs.replace(count(by_series[name]), series=name) for name in sorted(by_series)]


def count(changes: Sequence[Change]) -> ChangeCounts:
    """Counts of changes by kind, and of the alerts of each side."""
    kinds = Counter(change.kind for change in changes)
    return ChangeCounts(
        gone=kinds["gone"],
        new=kinds["new"],
        moved=kinds["moved"],
        unchanged=kinds["unchanged"],
        before=_side([alert for change in changes for alert in change.before]),
        after=_side([alert for change in changes for alert in change.after]),
    )


def _side(alerts: Sequence[IncidentView]) -> SideCounts:
    severities: Counter[str] = Counter(alert.severity for alert in alerts)
    peaks = [alert.peak_score for alert in alerts if alert.scored]
    by_severity = {name: severities[name] for name in SEVERITIES if severities[name]}
    return SideCounts(len(alerts), by_severity, max(peaks, default=None))
