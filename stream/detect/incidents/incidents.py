"""Incidents: runs of exceeding frames of one series, published as opened, updated, resolved.

`EXCEEDS` is the only place of the boundary: an incident opens at score > 1, unless the rules veto it. It also opens
where a value is outside its valid range, whatever the score. A veto stops openings only: an open incident goes on by
score and ranges.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from stream.detect.incidents.incident import End, Incident, IncidentEvent, Reason, SensorShare, State, alert_id
from stream.detect.incidents.scored_frames import ScoredFrame, ScoredFrames, SeriesRows
from stream.detect.policy import SEVERITIES, Rules
from stream.detect.slots import Segments, grown

EXCEEDS = 1.0
NO_ENDS: Mapping[int, Sequence[End]] = {}


Shares = Callable[[int], tuple[SensorShare, ...]]


class Incidents:
    """The open incidents of one partition; `restarts` gives how often the clock of a slot has started anew."""

    def __init__(self, detector: str, rules: Rules, restarts: Callable[[int], int] = lambda slot: 0) -> None:
        self._detector, self._rules, self._restarts = detector, rules, restarts
        self._open: dict[int, Incident] = {}
        # Invariant: is_open[s] == (s in _open); kept so that a batch without trouble costs one comparison.
        self._is_open = np.zeros(0, np.bool_)

    def __len__(self) -> int:
        return len(self._open)

    def resize(self, capacity: int) -> None:
        """Makes room for `capacity` slots."""
        self._is_open = grown(self._is_open, capacity, False)

    def clear(self, slot: int) -> None:
        """Empties a slot."""
        self._is_open[slot] = False
        self._open.pop(slot, None)

    def get(self, slot: int) -> Incident | None:
        """The open incident of a slot."""
        return self._open.get(slot)

    def restore(self, slot: int, incident: Incident | None) -> None:
        """Sets the open incident of a slot."""
        self.clear(slot)
        if incident is not None:
            self._open[slot] = incident
            self._is_open[slot] = True

    def push(
        self,
        scored: ScoredFrames,
        name: Callable[[int], str],
        sensors: Shares,
        outside: Shares = lambda row: (),
        ends: Mapping[int, Sequence[End]] = NO_ENDS,
    ) -> list[IncidentEvent]:
        """Events of a batch, in the order of `scored`.

        Args:
            name: gives the series of a slot.
            sensors: gives the shares of the sensors in row i of `scored`; called only for peaks.
            outside: gives the sensors of row i outside their valid range; called only where there are some.
            ends: where incidents end because nothing watches their series, by slot and in order.
        """
        opens = ((scored.score > EXCEEDS) & ~scored.vetoed) | scored.outside
        matters = opens | self._is_open[scored.series]
        if not matters.any():
            return self.end(ends, name)
        events: list[IncidentEvent] = []
        segments = Segments(scored.series)
        for group in np.unique(segments.of_row[matters]):
            start, end = int(segments.start[group]), int(segments.end[group])
            rows = SeriesRows(scored, opens, start + int(np.argmax(matters[start:end])), end)
            events += self._walk(rows, name(rows.slot), sensors, outside, list(ends.get(rows.slot, ())))
        walked = set(scored.series[matters].tolist())
        return events + self.end({slot: of for slot, of in ends.items() if slot not in walked}, name)

    def end(self, ends: Mapping[int, Sequence[End]], name: Callable[[int], str]) -> list[IncidentEvent]:
        """Ends the open incidents of series that nothing watches and that have no frames."""
        events: list[IncidentEvent] = []
        for slot, of in ends.items():
            incident = self._open.get(slot)
            if incident is not None:
                events.append(self._unwatched(name(slot), incident, of[0]))
                self.clear(slot)
        return events

    def _unwatched(self, series: str, incident: Incident, end: End) -> IncidentEvent:
        at = max(end.at, incident.reported_at)
        return self._event(series, incident, "resolved", at, end.row, "unwatched", at)

    def _walk(
        self, rows: SeriesRows, series: str, sensors: Shares, outside: Shares, ends: list[End]
    ) -> list[IncidentEvent]:
        """Events of one series, frame by frame; updates its open incident. `ends`: in order."""
        slot = rows.slot
        incident = self._open.get(slot)
        events: list[IncidentEvent] = []
        for i in range(rows.start, rows.end):
            frame = rows.frame(i)
            incident = self._ended(series, incident, ends, frame, events)
            if incident is not None and frame.time - incident.started_at >= self._rules.max_duration_ns:
                events.append(self._event(series, incident, "resolved", frame.time, frame.row, "split", frame.time))
                incident = None
            if not (frame.scored or frame.outside):
                continue
            beyond = outside(i) if frame.outside else ()
            if incident is None:
                if frame.opens:
                    ident = alert_id(self._detector, series, frame.time, self._restarts(slot))
                    incident = self._opened(ident, frame, sensors(i) if frame.scored else (), beyond)
                    events.append(self._event(series, incident, "opened", frame.time, frame.row))
                continue
            if frame.scored:
                _rescore(incident, frame, sensors(i) if frame.score > incident.peak_score else incident.sensors)
            self._count_quiet(incident, frame)
            has_new_sensors = _note_outside(incident, beyond)
            if incident.quiet >= self._rules.close_after:
                ended = incident.quiet_since
                events.append(self._event(series, incident, "resolved", frame.time, frame.row, "recovered", ended))
                incident = None
            elif frame.moved and not frame.outside:
                events.append(self._event(series, incident, "resolved", frame.time, frame.row, "new_usual", frame.time))
                incident = None
            elif self._needs_update(incident, frame.time) or has_new_sensors:
                events.append(self._event(series, incident, "updated", frame.time, frame.row))
        self.restore(slot, self._ended(series, incident, ends, None, events))
        return events

    def _ended(
        self,
        series: str,
        incident: Incident | None,
        ends: list[End],
        frame: ScoredFrame | None,
        events: list[IncidentEvent],
    ) -> Incident | None:
        """The open incident after the `ends` before `frame`, which are removed; None: all that are left."""
        while ends and (frame is None or (ends[0].row, ends[0].time) <= (frame.row, frame.time)):
            end = ends.pop(0)
            if incident is not None:
                events.append(self._unwatched(series, incident, end))
                incident = None
        return incident

    def close(self, slot: int, series: str, last_time: int, reason: Reason) -> list[IncidentEvent]:
        """Closes the incident of a series whose frames end; its end is the time of the last one."""
        incident = self._open.get(slot)
        if incident is None:
            return []
        self.clear(slot)
        return [self._event(series, incident, "resolved", last_time, -1, reason, last_time)]

    def _opened(
        self, ident: str, frame: ScoredFrame, shares: tuple[SensorShare, ...], beyond: tuple[SensorShare, ...]
    ) -> Incident:
        score, level, disagreement = (frame.score, frame.level, frame.disagreement) if frame.scored else (0.0, 0.0, 0.0)
        return Incident(
            alert_id=ident,
            started_at=frame.time,
            sequence=-1,
            severity=self._severity(score),
            reported_at=frame.time,
            score=score,
            peak_score=score,
            level=level,
            threshold=frame.threshold,
            disagreement=disagreement,
            imputed=frame.imputed,
            sensors=shares,
            cause="range" if beyond else "model",
            scored=frame.scored,
            outside=beyond,
            view=frame.view if frame.scored else None,
        )

    def _count_quiet(self, incident: Incident, frame: ScoredFrame) -> None:
        if frame.outside or frame.score >= self._rules.close_ratio:
            incident.quiet = 0
            return
        incident.quiet += 1
        if incident.quiet == 1:
            incident.quiet_since = frame.time

    def _needs_update(self, incident: Incident, time: int) -> bool:
        # Another bundle may have higher edges: a severity never falls.
        severity = max(incident.severity, self._severity(incident.peak_score))
        if severity == incident.severity and time - incident.reported_at < self._rules.update_every_ns:
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
        incident.reported_at = time
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
            sensors=self._named(incident),
            row=row,
            cause=incident.cause,
            scored=incident.scored,
            view=incident.view,
        )

    def _named(self, incident: Incident) -> tuple[SensorShare, ...]:
        """Sensors outside their range, which are certain, then those with the largest shares at the peak."""
        names = {share.name for share in incident.outside}
        others = tuple(share for share in incident.sensors if share.name not in names)
        return (incident.outside + others)[: self._rules.top_sensors]


def _rescore(incident: Incident, frame: ScoredFrame, shares: tuple[SensorShare, ...]) -> None:
    """Updates an incident by a scored frame; `shares` are those of the peak."""
    incident.scored = True
    incident.score, incident.level, incident.threshold = frame.score, frame.level, frame.threshold
    incident.disagreement, incident.imputed = frame.disagreement, frame.imputed
    if frame.score > incident.peak_score:
        incident.peak_score, incident.view = frame.score, frame.view
    incident.sensors = shares


def _note_outside(incident: Incident, beyond: tuple[SensorShare, ...]) -> bool:
    """Adds sensors that leave their range for the first time in the incident; True if there are any."""
    known = {share.name for share in incident.outside}
    added = tuple(share for share in beyond if share.name not in known)
    incident.outside += added
    return bool(added)
