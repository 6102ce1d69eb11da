"""What two detectors make of the same rows: which alerts are gone, which are new, which have moved."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from stream.detect.policy import SEVERITIES
from stream.events.incident_view import IncidentView

Kind = Literal["gone", "new", "moved", "unchanged"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Change:
    """Alerts of one series that overlap in time, directly or by way of others, on either side.

    Attributes:
        before: empty where it is new. after: empty where it is gone. Each in order of time.
    """

    series: str
    before: tuple[IncidentView, ...]
    after: tuple[IncidentView, ...]

    @property
    def kind(self) -> Kind:
        """Unchanged: one alert each, and the same span; how high it rose may differ."""
        if not self.after:
            return "gone"
        if not self.before:
            return "new"
        same = [alert.span for alert in self.before] == [alert.span for alert in self.after]
        return "unchanged" if same else "moved"


def difference(before: Iterable[IncidentView], after: Iterable[IncidentView]) -> list[Change]:
    """The changes, by the time at which they begin, then by series.

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


def by_series(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """Counts of each series by kind of change, and its alerts on either side; as JSON can hold it."""
    grouped: dict[str, list[Change]] = {}
    for change in changes:
        grouped.setdefault(change.series, []).append(change)
    return [{"series": name, **counted(grouped[name])} for name in sorted(grouped)]


def counted(changes: Sequence[Change]) -> dict[str, Any]:
    """Changes by kind; of each side how many alerts there are, by severity, and the highest score."""
    kinds = Counter(change.kind for change in changes)
    return {
        **{kind: kinds[kind] for kind in KINDS},
        "before": _side([alert for change in changes for alert in change.before]),
        "after": _side([alert for change in changes for alert in change.after]),
    }


def _side(alerts: Sequence[IncidentView]) -> dict[str, Any]:
    severities: Counter[str] = Counter(alert.severity for alert in alerts)
    peaks = [alert.peak_score for alert in alerts if alert.scored]
    return {
        "alerts": len(alerts),
        "severity": {name: severities[name] for name in SEVERITIES if severities[name]},
        "peak_score": max(peaks, default=None),
    }


def as_data(change: Change) -> dict[str, Any]:
    """One change as JSON can hold it."""
    sides: Mapping[str, tuple[IncidentView, ...]] = {"before": change.before, "after": change.after}
    return {
        "change": change.kind,
        "series": change.series,
        **{side: [_alert(alert) for alert in alerts] for side, alerts in sides.items()},
    }


def _alert(alert: IncidentView) -> dict[str, Any]:
    return {
        "alert_id": alert.alert_id,
        "started_at": alert.started_at,
        "ended_at": alert.ended_at,
        "duration_s": alert.duration_s,
        "severity": alert.severity,
        "peak_score": alert.peak_score if alert.scored else None,
        "sensors": [share.name for share in alert.sensors],
    }
