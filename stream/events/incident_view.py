"""Incidents that are read back from alert events."""

from collections.abc import Iterable
from typing import Literal, TypeVar

import msgspec

from stream.detect.incidents.incident import Cause, Reason, State
from stream.errors import DataError
from stream.events.alert import Alert, NamedSensor
from stream.intake.timestamps import LAST_NS, iso_to_ns

# After these reasons, `ended_at` is a frame that is not part of the incident.
ENDED_BEFORE: tuple[Reason, ...] = ("recovered", "split")


class IncidentView(msgspec.Struct, frozen=True):
    """Fields of an alert event that readers use, see `stream.events.alert.Alert`; other fields are ignored."""

    alert_id: str
    sequence: int
    state: State
    series: str
    started_at: str
    duration_s: float
    severity: Literal["low", "medium", "high", "critical"]
    peak_score: float
    model_version: str
    reason: Reason | None = None
    ended_at: str | None = None
    sensors: tuple[NamedSensor, ...] = ()
    cause: Cause = "model"
    scored: bool = True

    @property
    def span(self) -> tuple[int, int]:
        """Time of the incident, ns: start <= time < end; the end of time while it is open."""
        start = to_ns(self.started_at)
        if self.ended_at is None:
            return start, LAST_NS
        end = to_ns(self.ended_at)
        return start, max(end, start) + (0 if self.reason in ENDED_BEFORE and end > start else 1)


Event = TypeVar("Event", IncidentView, Alert)


def newest(events: Iterable[Event]) -> dict[str, Event]:
    """Incidents by id, each in its newest state."""
    incidents: dict[str, Event] = {}
    for event in events:
        known = incidents.get(event.alert_id)
        if known is None or event.sequence >= known.sequence:
            incidents[event.alert_id] = event
    return incidents


def to_ns(text: str) -> int:
    """Time in ns since 1970, of an RFC 3339 text.

    Raises:
        DataError: the text is no such time.
    """
    times, good = iso_to_ns([text])
    if not good[0]:
        raise DataError(f"{text!r} is no time, expected one such as 2026-03-07T12:00:00Z")
    return int(times[0])
