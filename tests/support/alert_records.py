"""Alerts as they are read back, for tests of feedback and of differences between bundles."""

from collections.abc import Sequence
from typing import Any

from stream.detect.incidents.incident import alert_id
from stream.events.alert import NamedSensor
from stream.events.incident_view import IncidentView, newest
from stream.events.people.feedback import Feedback, Judgements, Verdict
from stream.events.record import rfc3339

MINUTE = 60_000_000_000
START = 1_772_409_600 * 1_000_000_000  # 2026-03-02T00:00:00Z


def incident_view(series: str, first: int, last: int | None, **changes: Any) -> IncidentView:
    """An alert from minute `first` to minute `last`; open if `last` is None."""
    started = START + first * MINUTE
    plain: dict[str, Any] = {
        "alert_id": alert_id("test", series, started),
        "sequence": 0 if last is None else 1,
        "state": "opened" if last is None else "resolved",
        "series": series,
        "started_at": rfc3339(started),
        "duration_s": 0.0 if last is None else (last - first) * 60.0,
        "severity": "low",
        "peak_score": 1.5,
        "model_version": "v1",
        "reason": None if last is None else "recovered",
        "ended_at": None if last is None else rfc3339(START + last * MINUTE),
    }
    return IncidentView(**(plain | changes))


def share(name: str, part: float, observed: float | None, expected: float) -> NamedSensor:
    """Share of a sensor in the error of an alert."""
    if observed is None:
        return NamedSensor(name, part, None, expected, "unknown")
    return NamedSensor(name, part, observed, expected, "high" if observed > expected else "low")


def judged(alerts: Sequence[IncidentView], verdicts: Sequence[Verdict | None]) -> Judgements:
    """Judgements of alerts, each with its verdict; None: not judged."""
    entries = [Feedback(alert.alert_id, v) for alert, v in zip(alerts, verdicts, strict=True) if v is not None]
    return Judgements.of(newest(alerts), entries)
