"""State that a partition restores from its snapshots, and the rules for what its replay may publish.

A snapshot is committed with each event of its series, so nothing about the series was published between the snapshot
and C. A replay from the snapshot derives no events either, unless it *deviates*. It deviates where retention has
deleted R, where the bundle that scored up to C is gone, or where frames are of another layout.

Nothing that a deviating replay derives is published. Each series that it derived something for gets back the incident
of its snapshot, which is the one that subscribers know. A series whose frames cannot be restored is replayed as well,
for its clock and its windows.
"""

from collections import Counter
from copy import copy

from msgspec.structs import replace

from stream.counters import Count
from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.series_state import SeriesState, without_history
from stream.events.data_events import HistoryLost
from stream.events.detector_events import BundleActivated
from stream.events.status_event import StatusEvent
from stream.kafka.batch_result import CausedEvent
from stream.kafka.state.resume_point import ResumePoint
from stream.kafka.state.state_topic import Snapshot, layout_of


class RestoredState:
    """Makes states of snapshots, for one start of a partition and the definition that replays."""

    def __init__(self, point: ResumePoint, definition: Definition) -> None:
        self._point = point
        self._definition = definition
        self._layout = layout_of(definition)
        # Snapshot states of series that have an open incident or are not watched: the detector changes its own copies.
        self._published: dict[str, SeriesState] = {}
        # Series whose coverage begins with the replay: another restart would begin with a later one.
        self._renewed: list[str] = []
        # Series whose frames are of another layout.
        self.misfits: list[str] = []
        # Series that may miss readings between their snapshot and the replay.
        self.incomplete: list[str] = []

    @property
    def _is_other_bundle(self) -> bool:
        """True where another bundle scored up to C."""
        return self._point.bundle not in (None, self._definition.stamp)

    def state(self, snapshot: Snapshot) -> SeriesState | None:
        """State to restore for the series: the whole of it, or only its clock and incident where frames do not fit."""
        state = snapshot.state
        if state is None:
            return None
        is_incomplete = snapshot.as_of < self._point.gap_before - 1
        is_unwatched = state.coverage is not None and state.coverage.unwatched
        if state.coverage is None or (is_incomplete and not is_unwatched):
            # The missing readings may have been good: the time until it counts as unwatched starts again.
            state = replace(state, coverage=None)
            self._renewed.append(state.series)
        if state.incident is not None or is_unwatched:
            self._published[state.series] = replace(state, incident=copy(state.incident))
        if snapshot.layout != self._layout:
            self.misfits.append(state.series)
        elif is_incomplete:
            self.incomplete.append(state.series)
        else:
            return state
        return without_history(state, self._definition)

    def finish(
        self, detector: Detector, events: list[CausedEvent], status_events: list[StatusEvent]
    ) -> tuple[list[CausedEvent], list[StatusEvent], list[str]]:
        """Decides at the end of the replay what is published.

        Args:
            events, status_events: derived by the replay.

        Returns:
            Events to publish; status events to publish; series whose snapshots the next commit must carry, because
            a replay would not find the states that are put back here.
        """
        detector.coverage.begin_pending(self._point.watch_time, self._point.stream_time)
        if not (self._point.log_truncated or self._is_other_bundle or self.misfits):
            return events, [*self.status_events(), *status_events], self._renewed
        about = [event.series for event, _ in events] + [event.series for event in status_events if event.series]
        unpublished = list(dict.fromkeys(about))
        for series in unpublished:
            detector.restore_open(series, self._published.get(series))
        return [], self.status_events(), [*unpublished, *self._renewed]

    def counts(self) -> Counter[Count]:
        """Messages lost and series without their frames, for the progress line."""
        incomplete = len(self.incomplete) if self._point.log_truncated else 0
        return Counter({Count.LOST: self._point.lost, Count.HISTORY_LOST: incomplete})

    def status_events(self) -> list[StatusEvent]:
        """Status events about the restore itself."""
        point = self._point
        status_events: list[StatusEvent] = [*point.status_events()]
        if point.log_truncated:
            status_events.append(HistoryLost.of(self.incomplete, point.gap_before, point.committed))
        if self._is_other_bundle:
            old, new = str(point.bundle), self._definition.stamp
            status_events.append(BundleActivated.of(old, new, warm=not self.misfits, offset=point.committed))
        return status_events
