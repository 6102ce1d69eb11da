"""One partition of the input topic: its detector, its position, and what its last commit covers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import structlog

from stream.counters import Count
from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.outcome import Outcome
from stream.detect.series_state import without_history
from stream.detect.stream_clock import StreamClock
from stream.events.data_events import SeriesInTwoPartitions, series_event
from stream.events.detector_events import changes
from stream.events.status_event import StatusEvent
from stream.intake.columns import Int64s
from stream.intake.decode import Decoder
from stream.kafka import failpoints
from stream.kafka.batch_result import BatchResult, CausedEvent, decoded_counts, outcome_counts
from stream.kafka.records import Records
from stream.kafka.state.admission import Admission
from stream.kafka.state.discards import dead_late
from stream.kafka.state.owners import Owners
from stream.kafka.state.restored_state import RestoredState
from stream.kafka.state.resume_point import Phase, ResumePoint
from stream.kafka.state.retirement import Retirement
from stream.kafka.state.snapshot_schedule import SnapshotSchedule, times_around
from stream.kafka.state.state_topic import FORMAT, CommitMetadata, Snapshot, StateRecord, encode_snapshot, layout_of

log = structlog.get_logger()


class Partition:
    """State of one partition from assignment to revocation; a roll-back makes a new one.

    C is the committed offset, and R the offset at which a replay starts: see `CommitMetadata`.

    Args:
        owners: owner of each series, shared by the partitions of this process.
        retire_after_ns, unwatched_after_ns: the settings, ns; see `Retirement` and `unwatched_limit`.
    """

    def __init__(
        self,
        number: int,
        definition: Definition,
        decoder: Decoder,
        owners: Owners,
        retire_after_ns: int | None = None,
        unwatched_after_ns: int | None = None,
    ) -> None:
        self.number = number
        self.phase = Phase.ASK
        self._retire_after_ns, self._unwatched_after_ns = retire_after_ns, unwatched_after_ns
        self.clock = StreamClock()
        self._schedule = SnapshotSchedule()
        self._admission = Admission(self, owners, self._schedule)
        self._retirement = Retirement(self._schedule, self._admission)
        self.use(definition, decoder)
        # Set by `Assignment`.
        self.fetching = self.rolled_back = False
        # Offset of the end of the partition, when the client last reported it.
        self.end = -1
        # Next offset to process; records below it are dropped. Equals the offset that a commit would commit.
        self.position = -1
        self.live_from = -1
        # Offset in the state topic after the last snapshot that is known to be written.
        self.snapshot_end = 0
        self._point: ResumePoint | None = None
        # State from the snapshots, until the partition is live.
        self._restored: RestoredState | None = None
        # Events of a replay, or of series that moved away, which the next result carries.
        self._unpublished: list[CausedEvent] = []
        self.status_events: list[StatusEvent] = []
        # Names of open reports about the process, which a commit carries.
        self.reports: set[str] = set()
        self.beats = (0, 0)  # see `CommitMetadata`
        # Progress since the last commit: a live message was processed, for example.
        self.needs_commit = False
        self.uncommitted_counts: Counter[Count] = Counter()

    def use(self, definition: Definition, decoder: Decoder) -> None:
        """Scores with `definition` from here on, with an empty memory: for a partition that holds no series yet."""
        self.definition = definition
        self.decoder = decoder
        self._layout = layout_of(definition)
        limit = self.clock.limit_by(definition.policy, self._unwatched_after_ns)
        self.detector = Detector(definition, self._retire_after_ns, limit)
        self.detector.coverage.now = self.clock.watch_time

    @property
    def is_live(self) -> bool:
        """True once the replay has reached the committed offset."""
        return self.phase is Phase.SERVE and self.position >= self.live_from

    @property
    def at_end(self) -> bool:
        """True where nothing was processed since the client last reached the end; more may be on its way."""
        return self.end >= self.position

    @property
    def replay_from(self) -> int:
        """R: the oldest offset that no snapshot covers."""
        return self._schedule.replay_start(self.position, self.clock).offset

    def restore(self, snapshots: Sequence[Snapshot], point: ResumePoint) -> RestoredState:
        """Restores some of the snapshots that are not newer than C; called until all are restored."""
        restored = self._restored = self._restored or RestoredState(point, self.definition)
        for snapshot in snapshots:
            self._admission.restore(snapshot)
            self._retirement.restore(snapshot)
        self.detector.restore(state for state in map(restored.state, snapshots) if state is not None)
        return restored

    def begin(self, point: ResumePoint, state_end: int) -> None:
        """Begins to serve from `point`; the restored snapshots stand below offset `state_end` of the state topic."""
        self.phase = Phase.SERVE
        self.position, self.live_from = point.replay_from, point.committed
        self._point, self.snapshot_end = point, state_end
        self.clock.restore(point.stream_time, point.watch_time)
        self.detector.coverage.now = self.clock.watch_time
        self.reports, self.beats = set(point.reports), point.beats
        self._restored = self._restored or RestoredState(point, self.definition)
        self.uncommitted_counts.update(self._restored.counts())
        if self.is_live:
            self._become_live()

    def process(self, records: Records) -> BatchResult:
        """Processes records in order: those below C are replayed, the others give the result.

        Every published event was committed with a snapshot of its series, so a replay from there derives no event.
        Another processor may still derive one, from a score within rounding of 1. Such events are published with the
        first live batch; `RestoredState` drops those of a replay that deviates.
        """
        _, fresh = records.split(self.position)
        replayed, live = fresh.split(self.live_from)
        if len(replayed):
            self._unpublished += self._detect(replayed, live=False).events
            failpoints.at("replaying")
            if self.is_live:
                self._become_live()
        if not len(live):
            return BatchResult()
        result = self._detect(live, live=True)
        failpoints.at("processed")
        self.needs_commit = True
        self._schedule.count_messages(len(live))
        return self._with_unpublished(result)

    def pending(self) -> BatchResult | None:
        """Events of series that moved to another partition, which no batch of this partition will carry."""
        if not (self._unpublished and self.is_live and self.needs_commit):
            return None
        return self._with_unpublished(BatchResult())

    def silence(self, series: str) -> BatchResult:
        """Closes the open tick and incident of a series that has sent nothing for long."""
        result = self._close(series)
        self.needs_commit = True
        self._schedule.require(series)
        return self._with_unpublished(result)

    def last_heard(self, series: str) -> int:
        """Newest event time of the series, ns; NEVER where it is not in memory."""
        return int(self.detector.last_heard([series])[0])

    def hand_over(self, series: str) -> None:
        """Closes what is open of a series that has moved to another partition, and retires it here."""
        self._unpublished += self._close(series).events
        self._retire([series], "moved to another partition")

    def refuse(self, series: str, holder: int) -> None:
        """Closes what is open of a series that partition `holder` has; its readings here become dead letters."""
        self._unpublished += self._close(series).events
        if self.detector.slots.find(series) is not None:
            self.detector.forget(series)
        self._schedule.require(series)
        self.needs_commit = True
        self.status_events.append(SeriesInTwoPartitions.of(series, holder, self.number, self.position))

    def release(self) -> None:
        """Gives up the ownership of all series: the partition is no longer ours."""
        self._admission.release(self.detector.slots.names())

    def swap(self, definition: Definition, decoder: Decoder) -> None:
        """Scores with another bundle from here on: frames are kept where they fit, clocks and incidents always.

        Invariant: everything before is committed, with nothing left to replay: a restore begins with the new bundle.
        """
        old, layout, learned = self.definition, self._layout, self.detector.usual.key
        states = [self.detector.snapshot(series) for series in self.detector.slots.names()]
        self.use(definition, decoder)
        warm = layout == self._layout
        self.detector.restore(state if warm else without_history(state, definition) for state in states)
        self.needs_commit = True
        for state in () if warm and learned == self.detector.usual.key else states:
            # A snapshot of the old layout must not outlive this commit: a restart would look for frames that are gone,
            # or learn thresholds from earlier levels than these.
            self._schedule.require(state.series)
        self.status_events += changes(old, definition, warm=warm, offset=self.position)

    def retire_expired(self) -> None:
        """Retires the series without a reading for `retire_after_ns` of stream time."""
        expired = self.detector.expired(self.clock.stream_time)
        if expired:
            self._retire(expired, "silent for longer than `serve.retire_after`")

    def due_snapshots(self, max_replay: int) -> list[StateRecord]:
        """Records that this commit writes to the state topic."""
        due = self._schedule.due(self.position, max_replay)
        snapshots: list[StateRecord] = [(series, self._snapshot(series)) for series in due]
        return snapshots + [(series, None) for series in self._retirement.deletable(self.replay_from)]

    def require_all_snapshots(self) -> None:
        """Makes the next commit leave nothing to replay."""
        self.needs_commit = True
        self._schedule.require_all()

    def metadata(self, instance: str) -> CommitMetadata:
        """The metadata of a commit of this partition by `instance`."""
        assert self._point is not None, "only a partition that is served commits"
        start, reports = self._schedule.replay_start(self.position, self.clock), tuple(sorted(self.reports))
        return self._point.metadata(start, self.snapshot_end, instance, self.definition.stamp, reports, self.beats)

    def pop_status_events(self) -> list[StatusEvent]:
        """Removes and returns the status events for this commit."""
        status_events, self.status_events = self.status_events, []
        return status_events

    def mark_committed(self) -> Counter[Count]:
        """Notes that all progress is committed; returns what it counted."""
        self.needs_commit = False
        counts, self.uncommitted_counts = self.uncommitted_counts, Counter()
        return counts

    def _detect(self, records: Records, *, live: bool) -> BatchResult:
        decoded = self.decoder.decode(records.values, records.keys, records.offsets, records.timestamps_ms)
        before, after = times_around(decoded.readings, self.clock)
        if live:
            self._admission.claim(decoded.readings)
        admitted = self._admission.admit(decoded.readings, self.live_from)
        readings = admitted.of(decoded.readings)
        outcome = self.detector.push(readings, *map(admitted.rows, after))
        self.position = records.offsets[-1] + 1
        self._schedule.touch_all(readings, *map(admitted.rows, before))
        self._note_changes(outcome, readings.position)
        events = [(event, int(readings.position[event.row])) for event in outcome.events]
        if not live:
            return BatchResult(events)
        late = dead_late(readings, outcome, records) if self.decoder.late_is_dead else ()
        dead = decoded.dead + self._admission.dead_letters(decoded.readings, records) + late
        self.uncommitted_counts.update(outcome_counts(outcome))
        self.uncommitted_counts.update(decoded_counts(decoded, dead))
        self.uncommitted_counts[Count.LATE] -= len(late)
        return BatchResult(events, dead, outcome, readings.names, decoded)

    def _with_unpublished(self, result: BatchResult) -> BatchResult:
        """Adds the events that wait; each requires a snapshot of its series in the same commit."""
        events, self._unpublished = self._unpublished + result.events, []
        for event, _ in events:
            self._schedule.require(event.series)
        return replace(result, events=events)

    def _note_changes(self, outcome: Outcome, position: Int64s | None = None) -> None:
        """Reports series that have changed; a snapshot keeps a replay from repeating it."""
        for event in outcome.series_events:
            offset = self.position - 1 if position is None else int(position[event.row])
            self.status_events.append(series_event(event, offset))
            self._schedule.require(event.series)

    def _become_live(self) -> None:
        """The state is now that of the last commit: events are published from here on, and the series are ours."""
        restored, self._restored = self._restored, None
        assert restored is not None
        outcome = restored.finish(self.detector, self._unpublished, self.status_events)
        self._unpublished, self.status_events, rewritten = outcome
        for series in rewritten:
            self._schedule.require(series)
        self.needs_commit = bool(self.status_events)
        self._admission.claim_all()
        log.info("partition.live", partition=self.number, offset=self.live_from, series=len(self.detector.slots))

    def _close(self, series: str) -> BatchResult:
        """Closes the open tick and incident of the series."""
        outcome = self.detector.silence(series)
        self._note_changes(outcome)
        self.uncommitted_counts.update(outcome_counts(outcome))
        return BatchResult([(event, self.position - 1) for event in outcome.events], (), outcome)

    def _retire(self, names: Sequence[str], reason: str) -> None:
        self.status_events.append(self._retirement.retire(names, self.detector, self.position, reason))
        self.needs_commit = True

    def _snapshot(self, series: str) -> bytes:
        fate = self._admission.fate(series)
        state = self.detector.snapshot(series) if fate == "kept" else None
        holder = self._admission.refused_for(series)
        return encode_snapshot(Snapshot(FORMAT, self._layout, self.position - 1, series, fate, state, holder))
