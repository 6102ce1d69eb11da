"""The life of incidents, slow and obvious: one frame at a time."""

import math
import uuid
from collections.abc import Callable

from tests.oracles.naive_records import NaiveEvent, NaiveIncident, NaivePolicy

NAMESPACE = uuid.UUID("6d3c9d0e-5a55-5b0a-9e1c-6e6172726f77")


class NaiveIncidents:
    """Opens, updates and resolves incidents; `events` are all of them, in order."""

    def __init__(self, detector: str, policy: NaivePolicy) -> None:
        self.detector, self.policy = detector, policy
        self.events: list[NaiveEvent] = []

    def step(
        self, series: str, incident: NaiveIncident | None, time: int, score: float,
        is_vetoed: Callable[[], bool], outside: list[int], moved: bool = False,
        restarts: int = 0,
    ) -> NaiveIncident | None:  # fmt: skip
        """The open incident of a series after a frame; `is_vetoed` is called for frames that exceed."""
        p = self.policy
        if incident is not None and time - incident.started_at >= p.max_duration:
            self.publish(series, incident, "resolved", time, "split", time)
            incident = None
        scored = not math.isnan(score)
        if not scored and not outside:
            return incident
        if incident is None:
            return (
                self._opened(series, time, score, outside, restarts)
                if outside or (score > 1 and not is_vetoed())
                else None
            )
        if scored:
            incident.score, incident.peak, incident.scored = score, max(incident.peak, score), True
        new = [f for f in outside if f not in incident.outside]
        incident.outside = incident.outside + new
        if not outside and score < p.close_ratio:
            incident.quiet += 1
            if incident.quiet == 1:
                incident.quiet_since = time
        else:
            incident.quiet = 0
        if incident.quiet >= p.close_after:
            self.publish(series, incident, "resolved", time, "recovered", incident.quiet_since)
            return None
        if moved and not outside:
            self.publish(series, incident, "resolved", time, "new_usual", time)
            return None
        severity = self._severity(incident.peak)
        if new or severity > incident.severity or time - incident.reported_at >= p.update_every:
            incident.severity = severity
            self.publish(series, incident, "updated", time)
        return incident

    def _opened(self, series: str, time: int, score: float, outside: list[int], restarts: int) -> NaiveIncident:
        again = f"\x00{restarts}" if restarts else ""
        ident = str(uuid.uuid5(NAMESPACE, f"{self.detector}\x00{series}\x00{time}{again}"))
        known = 0.0 if math.isnan(score) else score
        incident = NaiveIncident(ident, time, self._severity(known), time, known, known)
        incident.cause = "range" if outside else "model"
        incident.scored, incident.outside = not math.isnan(score), outside
        self.publish(series, incident, "opened", time)
        return incident

    def _severity(self, peak: float) -> int:
        return sum(peak >= edge for edge in self.policy.edges)

    def publish(
        self, series: str, i: NaiveIncident, state: str, time: int, reason: str | None = None, ended: int | None = None
    ) -> None:
        """Adds an event of an incident."""
        i.sequence += 1
        i.reported_at = time
        event = NaiveEvent(
            series, i.alert_id, i.sequence, state, reason, i.started_at, ended, time, i.severity, i.score, i.peak,
            i.cause, i.scored, list(i.outside),
        )  # fmt: skip
        self.events.append(event)
