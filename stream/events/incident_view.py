"""Incidents as they are read back from alert events, and the time that each took."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from stream.detect.incidents.incident import Cause, Reason, SensorShare, State
from stream.errors import DataError
from stream.intake.timestamps import LAST_NS, iso_to_ns

# These end an incident at a frame that is no part of it.
ENDED_BEFORE: tuple[Reason, ...] = ("recovered", "split")


class IncidentView(msgspec.Struct, frozen=True):
    """What is needed of an alert event; other fields of its JSON are not looked at. See `stream.events.Alert`."""

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
    sensors: tuple[SensorShare, ...] = ()
    cause: Cause = "model"
    scored: bool = True

    @property
    def span(self) -> tuple[int, int]:
        """From its first frame, ns, to where it is over, exclusive: the end of time where it is still open."""
        start = to_ns(self.started_at)
        if self.ended_at is None:
            return start, LAST_NS
        end = to_ns(self.ended_at)
        return start, max(end, start) + (0 if self.reason in ENDED_BEFORE and end > start else 1)


def newest(events: Iterable[IncidentView]) -> dict[str, IncidentView]:
    """Each incident, by id, in the newest state that was told."""
    found: dict[str, IncidentView] = {}
    for event in events:
        known = found.get(event.alert_id)
        if known is None or event.sequence >= known.sequence:
            found[event.alert_id] = event
    return found


def to_ns(text: str) -> int:
    """ns of an RFC 3339 time.

    Raises:
        DataError: it is none.
    """
    times, good = iso_to_ns([text])
    if not good[0]:
        raise DataError(f"{text!r} is no time; expected one such as 2026-03-07T12:00:00Z")
    return int(times[0])
