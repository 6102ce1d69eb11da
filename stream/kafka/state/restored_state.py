"""What a partition takes over from its last life, and what its replay may tell.

A snapshot is written with each event of its series, in one transaction: between the snapshot and C nothing of the
series was told. Hence a replay from there derives nothing. One that *deviates* may derive anything: retention has
eaten R, or the bundle that scored up to C is gone for good, or frames are of another layout. None of that is told:
each series that it was derived for has at C the incident of its snapshot, which is the one that subscribers know, and
is judged from C on. A series whose frames cannot be taken over is replayed all the same, for its clock and windows.
"""

from collections import Counter
from copy import copy

from msgspec.structs import replace

from stream.counters import Count
from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.incidents.incident import IncidentEvent
from stream.detect.series_state import SeriesState, bare
from stream.events.data_events import HistoryLost
from stream.events.detector_events import BundleActivated
from stream.events.status_event import StatusEvent
from stream.kafka.state.resume_point import ResumePoint
from stream.kafka.state.state_topic import Snapshot, layout_of

# An event, and the offset of the reading that caused it.
Derived = tuple[IncidentEvent, int]


class RestoredState:
    """From snapshots to states, at a place, by the definition that replays."""

    def __init__(self, place: ResumePoint, definition: Definition) -> None:
        self._place = place
        self._definition = definition
        self._layout = layout_of(definition)
        # States of series that have something open, as their snapshots have them: the detector changes its own.
        self._told: dict[str, SeriesState] = {}
        # Series whose frames are of another layout.
        self.unfit: list[str] = []
        # Series that readings may be missing of, after their snapshot and before the replay.
        self.short: list[str] = []

    @property
    def _is_heir(self) -> bool:
        """Whether another bundle scored up to C."""
        return self._place.bundle not in (None, self._definition.version)

    def state(self, snapshot: Snapshot) -> SeriesState | None:
        """What is restored of the series: all of it, or its clock and incident."""
        state = snapshot.state
        if state is None:
            return None
        is_short = snapshot.as_of < self._place.gap_before - 1
        if is_short and not state.is_blind:
            # Whether it saw in between nobody knows: the time for which it must not see starts anew.
            state = replace(state, degraded_since=None)
        if state.incident is not None or state.degraded_since is not None:
            self._told[state.series] = replace(state, incident=copy(state.incident))
        if snapshot.layout != self._layout:
            self.unfit.append(state.series)
        elif is_short:
            self.short.append(state.series)
        else:
            return state
        return bare(state, self._definition)

    def finish(
        self, detector: Detector, derived: list[Derived], noted: list[StatusEvent]
    ) -> tuple[list[Derived], list[StatusEvent], list[str]]:
        """At the end of the replay: what is to be told of the events and notices that it derived, and of how it began;
        the series whose snapshots must go with the next commit, as no replay finds what is put back here."""
        if not (self._place.log_truncated or self._is_heir or self.unfit):
            return derived, [*self.notices(), *noted], []
        about = [event.series for event, _ in derived] + [notice.series for notice in noted if notice.series]
        untold = list(dict.fromkeys(about))
        for series in untold:
            detector.put_back(series, self._told.get(series))
        return [], self.notices(), untold

    def counts(self) -> Counter[Count]:
        """What the progress line tells of it: readings never scored, series that have lost their frames."""
        short = len(self.short) if self._place.log_truncated else 0
        return Counter({Count.LOST: self._place.lost, Count.HISTORY_LOST: short})

    def notices(self) -> list[StatusEvent]:
        """What subscribers must know of it."""
        place = self._place
        notices: list[StatusEvent] = [*place.notices()]
        if place.log_truncated:
            notices.append(HistoryLost.of(self.short, place.gap_before, place.committed))
        if self._is_heir:
            old, new = str(place.bundle), self._definition.version
            notices.append(BundleActivated.of(old, new, warm=not self.unfit, offset=place.committed))
        return notices
