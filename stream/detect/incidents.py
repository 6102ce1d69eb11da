"""Incidents: runs of exceeding frames of one series, told as opened, updated, resolved (DESIGN: 4 (8)).

The boundary is said once, in `EXCEEDS`: an incident opens at score > 1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from uuid import UUID, uuid5

import msgspec
import numpy as np

from stream.detect.policy import SEVERITIES, Rules
from stream.detect.slots import Segments, grown
from stream.intake.columns import Bools, Float64s, Int32s, Int64s

EXCEEDS = 1.0
NAMESPACE = UUID("6d3c9d0e-5a55-5b0a-9e1c-6e6172726f77")

State = Literal["opened", "updated", "resolved"]
Reason = Literal["recovered", "silent", "split", "amended"]


class SensorShare(msgspec.Struct, frozen=True):
    """One sensor's part in the peak: `share` of the error, what was `observed` and `expected` in its own units."""

    name: str
    share: float
    observed: float | None
    expected: float
    direction: Literal["high", "low", "unknown"]


class Incident(msgspec.Struct):
    """An open incident; all of it is state that a restart needs.

    `score` to `imputed` are those of the last scored frame, `sensors` those of the frame with the peak score.
    Invariant: quiet > 0 exactly where the last scored frame was below close_ratio; quiet_since is then set.
    """

    alert_id: str
    started_at: int
    sequence: int
    severity: int
    told_at: int
    score: float
    peak_score: float
    level: float
    threshold: float
    disagreement: float
    imputed: int
    sensors: tuple[SensorShare, ...]
    quiet: int = 0
    quiet_since: int = 0


@dataclass(frozen=True, slots=True)
class IncidentEvent:
    """What a subscriber is told; everything in it is a function of the readings and the bundle.

    Times are ns. `row` is the reading of the batch that caused it, `time` the frame it was seen at.
    """

    series: str
    alert_id: str
    sequence: int
    state: State
    reason: Reason | None
    started_at: int
    ended_at: int | None
    time: int
    severity: str
    score: float
    peak_score: float
    level: float
    threshold: float
    disagreement: float
    imputed: int
    sensors: tuple[SensorShare, ...]
    row: int


@dataclass(frozen=True, slots=True)
class Judged:
    """n frames with their levels, sorted by series, then time; NaN level where a frame was not scored."""

    series: Int32s
    time: Int64s
    level: Float64s
    score: Float64s
    disagreement: Float64s
    imputed: Int32s
    row: Int64s


def alert_id(detector: str, series: str, started_at: int) -> str:
    """The same in replay, mirror and broker: UUIDv5 of detector, series and time of the opening frame."""
    return str(uuid5(NAMESPACE, f"{detector}\x00{series}\x00{started_at}"))


class Incidents:
    """The open incidents of one partition."""

    def __init__(self, detector: str, rules: Rules) -> None:
        self._detector = detector
        self._rules = rules
        self._open: dict[int, Incident] = {}
        # Invariant: is_open[s] == (s in _open); kept so that a batch without trouble costs one comparison.
        self._is_open = np.zeros(0, np.bool_)

    def __len__(self) -> int:
        return len(self._open)

    def resize(self, capacity: int) -> None:
        self._is_open = grown(self._is_open, capacity, False)

    def clear(self, slot: int) -> None:
        self._is_open[slot] = False
        self._open.pop(slot, None)

    def get(self, slot: int) -> Incident | None:
        return self._open.get(slot)

    def restore(self, slot: int, incident: Incident | None) -> None:
        self.clear(slot)
        if incident is not None:
            self._open[slot] = incident
            self._is_open[slot] = True

    def push(
        self, judged: Judged, name: Callable[[int], str], sensors: Callable[[int], tuple[SensorShare, ...]]
    ) -> list[IncidentEvent]:
        """Events of a batch, in the order of `judged`.

        Args:
            name: series name of a slot.
            sensors: what row i of `judged` looks like, sensor by sensor; asked only for peaks.
        """
        matters = (judged.score > EXCEEDS) | self._is_open[judged.series]
        if not matters.any():
            return []
        events: list[IncidentEvent] = []
        segments = Segments(judged.series)
        for group in np.unique(segments.of_row[matters]):
            start, end = int(segments.start[group]), int(segments.end[group])
            events += self._walk(_Rows(judged, start, end, matters), name, sensors)
        return events

    def _walk(
        self, rows: "_Rows", name: Callable[[int], str], sensors: Callable[[int], tuple[SensorShare, ...]]
    ) -> list[IncidentEvent]:
        slot, series = rows.slot, name(rows.slot)
        incident = self._open.get(slot)
        events = []
        for i in range(rows.start, rows.end):
            frame = rows.frame(i)
            if incident is not None and frame.time - incident.started_at >= self._rules.max_duration_ns:
                events.append(self._event(series, incident, "resolved", frame.time, frame.row, "split", frame.time))
                incident = None
            if np.isnan(frame.score):
                continue
            if incident is None:
                if frame.score > EXCEEDS:
                    incident = self._opened(series, frame, sensors(i))
                    events.append(self._event(series, incident, "opened", frame.time, frame.row))
                continue
            shares = sensors(i) if frame.score > incident.peak_score else incident.sensors
            self._note(incident, frame, shares)
            if incident.quiet >= self._rules.close_after:
                ended = incident.quiet_since
                events.append(self._event(series, incident, "resolved", frame.time, frame.row, "recovered", ended))
                incident = None
            elif self._worth_telling(incident, frame.time):
                events.append(self._event(series, incident, "updated", frame.time, frame.row))
        self.restore(slot, incident)
        return events

    def silence(self, slot: int, series: str, last_time: int) -> list[IncidentEvent]:
        """Closes the incident of a series that has stopped sending; it ended at its last frame."""
        incident = self._open.get(slot)
        if incident is None:
            return []
        self.clear(slot)
        return [self._event(series, incident, "resolved", last_time, -1, "silent", last_time)]

    def _opened(self, series: str, frame: "_Frame", shares: tuple[SensorShare, ...]) -> Incident:
        return Incident(
            alert_id=alert_id(self._detector, series, frame.time),
            started_at=frame.time,
            sequence=-1,
            severity=self._severity(frame.score),
            told_at=frame.time,
            score=frame.score,
            peak_score=frame.score,
            level=frame.level,
            threshold=frame.level / frame.score,
            disagreement=frame.disagreement,
            imputed=frame.imputed,
            sensors=shares,
        )

    def _note(self, incident: Incident, frame: "_Frame", shares: tuple[SensorShare, ...]) -> None:
        incident.score, incident.level = frame.score, frame.level
        incident.threshold = frame.level / frame.score if frame.score > 0 else incident.threshold
        incident.disagreement, incident.imputed = frame.disagreement, frame.imputed
        incident.peak_score, incident.sensors = max(incident.peak_score, frame.score), shares
        if frame.score >= self._rules.close_ratio:
            incident.quiet = 0
            return
        incident.quiet += 1
        if incident.quiet == 1:
            incident.quiet_since = frame.time

    def _worth_telling(self, incident: Incident, time: int) -> bool:
        severity = self._severity(incident.peak_score)
        if severity == incident.severity and time - incident.told_at < self._rules.update_every_ns:
            return False
        incident.severity = severity
        return True

    def _severity(self, peak: float) -> int:
        return int(np.searchsorted(self._rules.severity_edges, peak, side="right"))

    def _event(
        self,
        series: str,
        incident: Incident,
        state: State,
        time: int,
        row: int,
        reason: Reason | None = None,
        ended_at: int | None = None,
    ) -> IncidentEvent:
        incident.sequence += 1
        incident.told_at = time
        return IncidentEvent(
            series=series,
            alert_id=incident.alert_id,
            sequence=incident.sequence,
            state=state,
            reason=reason,
            started_at=incident.started_at,
            ended_at=ended_at,
            time=time,
            severity=SEVERITIES[incident.severity],
            score=incident.score,
            peak_score=incident.peak_score,
            level=incident.level,
            threshold=incident.threshold,
            disagreement=incident.disagreement,
            imputed=incident.imputed,
            sensors=incident.sensors,
            row=row,
        )


@dataclass(frozen=True, slots=True)
class _Frame:
    time: int
    row: int
    score: float
    level: float
    disagreement: float
    imputed: int


class _Rows:
    """One series' rows of a batch, from the first that matters, as plain numbers."""

    def __init__(self, judged: Judged, start: int, end: int, matters: Bools) -> None:
        self.slot = int(judged.series[start])
        self.start = start + int(np.argmax(matters[start:end]))
        self.end = end
        self._judged = judged

    def frame(self, i: int) -> _Frame:
        j = self._judged
        return _Frame(
            time=int(j.time[i]),
            row=int(j.row[i]),
            score=float(j.score[i]),
            level=float(j.level[i]),
            disagreement=float(j.disagreement[i]),
            imputed=int(j.imputed[i]),
        )
