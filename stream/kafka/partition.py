"""One partition of the input topic: its detector, where we are in it, and what its last commit covers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Literal

import numpy as np
import structlog

from stream.counters import DEAD_PREFIX, Count
from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.frames.clock import NEVER
from stream.detect.incidents.incidents import IncidentEvent
from stream.detect.outcome import Outcome
from stream.detect.series_state import bare
from stream.events.data_events import SeriesInTwoPartitions, SeriesRetired, blindness_event
from stream.events.detector_events import BundleActivated
from stream.events.status_event import StatusEvent
from stream.intake.columns import Dead, Decoded, Int64s, Readings
from stream.intake.decode import Decoder
from stream.kafka import failpoints
from stream.kafka.records import Records
from stream.kafka.state.admission import Admission
from stream.kafka.state.owners import Owners
from stream.kafka.state.restored_state import RestoredState
from stream.kafka.state.resume_point import ResumePoint
from stream.kafka.state.snapshot_schedule import ReplayStart, SnapshotSchedule
from stream.kafka.state.state_topic import FORMAT, CommitMetadata, Snapshot, encode_snapshot, layout_of

log = structlog.get_logger()


class Phase(Enum):
    """Where a partition is on its way to being served."""

    ASK = auto()  # for its committed offset
    READ = auto()  # its snapshots
    SERVE = auto()  # replays readings below `live_from`, then lives


@dataclass(frozen=True, slots=True)
class Told:
    """What a batch gives to publish: events with the offset that caused each, dead letters, the outcome itself;
    the series it had readings of, and all that was in it."""

    events: list[tuple[IncidentEvent, int]] = field(default_factory=list)
    dead: tuple[Dead, ...] = ()
    outcome: Outcome | None = None
    series: tuple[str, ...] = ()
    decoded: Decoded | None = None


class Partition:
    """State of one partition from assignment to revocation; a roll-back makes a new one.

    Args:
        owners: which series the other partitions of this process have.
        retire_after_ns, blind_after_ns: see `Detector`.
    """

    def __init__(
        self,
        number: int,
        definition: Definition,
        decoder: Decoder,
        owners: Owners,
        retire_after_ns: int | None = None,
        blind_after_ns: int | None = None,
    ) -> None:
        self.number = number
        self.phase = Phase.ASK
        self._retire_after_ns, self._blind_after_ns = retire_after_ns, blind_after_ns
        self._admission = Admission(self, owners)
        self.use(definition, decoder)
        # Set by the client while records of this partition are being fetched.
        self.fetching = False
        self.rolled_back = False
        # Offset of the end of the partition, when it was last seen.
        self.end = -1
        # Next offset to process; records below it are dropped. Equals what a commit would commit.
        self.position = -1
        self.live_from = -1
        self.snapshot_end = self._state_start = 0
        self._topic_id = ""
        self._gap_before = 0
        self._taken: RestoredState | None = None
        self.stream_time = NEVER
        self._schedule = SnapshotSchedule()
        # Series with a snapshot that says "retired", and its as_of; deleted once no replay begins before it.
        self._retired: dict[str, int] = {}
        # Events of a replay that no commit has published; what is to be said in the next one.
        self._held: list[tuple[IncidentEvent, int]] = []
        self.notices: list[StatusEvent] = []
        # Something live was processed, or a silence told, since the last commit.
        self._uncommitted = False
        self.uncommitted_counts: Counter[Count] = Counter()

    def use(self, definition: Definition, decoder: Decoder) -> None:
        """Scores with `definition` from here on, without any series: for a partition that holds none yet."""
        self.definition = definition
        self._decoder = decoder
        self._layout = layout_of(definition)
        self.detector = Detector(definition, self._retire_after_ns, self._blind_after_ns)

    @property
    def is_live(self) -> bool:
        return self.phase is Phase.SERVE and self.position >= self.live_from

    @property
    def at_end(self) -> bool:
        """Whether nothing was taken since the end of the partition was last seen. More may be on its way to us."""
        return self.end >= self.position

    @property
    def others(self) -> frozenset[str]:
        """Names in the messages that are no sensors of the bundle: see `Decoder`."""
        return self._decoder.others

    @property
    def needs_commit(self) -> bool:
        return self._uncommitted

    def begin(self, place: ResumePoint, state_end: int) -> None:
        """Serving starts; the snapshots it starts from stand below `state_end`."""
        self.phase = Phase.SERVE
        self.position, self.live_from = place.replay_from, place.committed
        self._state_start, self.snapshot_end = place.state_start, state_end
        self._topic_id, self.stream_time, self._gap_before = place.topic_id, place.stream_time, place.gap_before
        self._taken = self._taken or RestoredState(place, self.definition)
        self.uncommitted_counts.update(self._taken.counts())
        if self.is_live:
            self._come_alive()

    def restore(self, snapshots: Sequence[Snapshot], place: ResumePoint) -> RestoredState:
        """Takes over snapshots not newer than C, some of them or the last."""
        taken = self._taken = self._taken or RestoredState(place, self.definition)
        for snapshot in snapshots:
            self._admission.restore(snapshot, snapshot.as_of)
            if snapshot.fate == "retired":
                self._retired[snapshot.series] = snapshot.as_of
        self.detector.restore(state for state in map(taken.state, snapshots) if state is not None)
        return taken

    def take(self, records: Records) -> Told:
        """Processes records in order: those below C are replayed in silence, the others are told.

        Each event was published with a snapshot of its series, so a replay from there derives none. Where it does
        (another processor, a score within rounding of 1), they are held and come with the first live batch; those of
        a replay that deviates are dropped, see `RestoredState`.
        """
        _, fresh = records.cut(self.position)
        replayed, live = fresh.cut(self.live_from)
        if len(replayed):
            self._held += self._process(replayed, live=False).events
            failpoints.at("replaying")
            if self.is_live:
                self._come_alive()
        if not len(live):
            return Told()
        told = self._process(live, live=True)
        failpoints.at("processed")
        self._uncommitted = True
        self._schedule.count_messages(len(live))
        return self._with_held(told)

    def pending(self) -> Told | None:
        """Events that no batch of this partition will bring: of series that were taken from it."""
        return self._with_held(Told()) if self._held and self.is_live and self._uncommitted else None

    def silence(self, series: str) -> Told:
        """The series has sent nothing for long; what that closes is told and snapshotted at the next commit."""
        outcome = self.detector.silence(series)
        self._note_sights(outcome)
        self._uncommitted = True
        self._schedule.require(series)
        self.uncommitted_counts.update(_counts(outcome))
        return self._with_held(Told([(event, self.position - 1) for event in outcome.events], (), outcome))

    def has_open(self, series: str) -> bool:
        """Whether the series has an open tick or incident, which silence would close."""
        return self.detector.has_open(series)

    def last_heard(self, series: str) -> int:
        """Newest event time of the series, ns; NEVER where it is not here."""
        return int(self.detector.last_heard([series])[0])

    def hand_over(self, series: str) -> None:
        """The series has moved to another partition: its incident is closed, then it leaves memory."""
        self._close(series)
        self._retire([series], "moved to another partition")

    def reclaim(self, series: str) -> None:
        """The series was refused and is ours from now on: no snapshot may say otherwise."""
        self._schedule.require(series)

    def refuse(self, series: str, holder: int) -> None:
        """Another partition has the series: what is open here is closed, its readings here are dead letters."""
        self._close(series)
        self._schedule.require(series)
        self._uncommitted = True
        self.notices.append(SeriesInTwoPartitions.of(series, holder, self.number, self.position))

    def release(self) -> None:
        """The partition is no longer ours."""
        self._admission.release(self.detector.slots.names())

    def swap(self, definition: Definition, decoder: Decoder) -> None:
        """Scores with another bundle from here on: warm where frames fit, else only clocks and incidents are kept.

        Invariant: everything before is committed, with nothing left to replay: a restore begins with the new bundle.
        """
        old, layout = self.definition.version, self._layout
        states = [self.detector.snapshot(series) for series in self.detector.slots.names()]
        self.use(definition, decoder)
        warm = layout == self._layout
        self.detector.restore(state if warm else bare(state, definition) for state in states)
        self._uncommitted = True
        for state in () if warm else states:
            # No snapshot of the old layout may outlive this commit: a restart would take it for frames that are gone.
            self._schedule.require(state.series)
        self.notices.append(BundleActivated.of(old, definition.version, warm=warm, offset=self.position))

    def retire_expired(self) -> None:
        """Lets go of the series that the stream has long left behind."""
        expired = self.detector.expired(self.stream_time)
        if expired:
            self._retire(expired, "silent for longer than `serve.retire_after`")

    def due_snapshots(self, max_replay: int) -> list[tuple[str, bytes | None]]:
        """What this commit writes to the state topic: (series, snapshot, or None to delete the one there is)."""
        due: list[tuple[str, bytes | None]] = [
            (series, self._snapshot(series)) for series in self._schedule.due(self.position, max_replay)
        ]
        for series, as_of in list(self._retired.items()):
            if as_of >= self.replay_from:
                break
            del self._retired[series]
            if self._fate(series) == "retired":
                due.append((series, None))
        return due

    def require_all_snapshots(self) -> None:
        """The next commit, which there is, leaves nothing to replay."""
        self._uncommitted = True
        self._schedule.require_all()

    @property
    def replay_from(self) -> int:
        """R: the oldest offset that no snapshot covers."""
        oldest = self._schedule.oldest
        return self.position if oldest is None else oldest.offset

    def metadata(self, owner: str) -> CommitMetadata:
        oldest = self._schedule.oldest
        return CommitMetadata(
            format=FORMAT,
            replay_from=self.replay_from,
            state_start=self._state_start,
            state_end=self.snapshot_end,
            stream_time=self.stream_time if oldest is None else oldest.stream_time,
            topic_id=self._topic_id,
            instance=owner,
            bundle=self.definition.version,
            gap_before=self._gap_before,
        )

    def take_notices(self) -> list[StatusEvent]:
        """Status events for this commit."""
        notices, self.notices = self.notices, []
        return notices

    def mark_committed(self) -> Counter[Count]:
        """The transaction with this partition's progress is committed; returns what it counted."""
        self._uncommitted = False
        counts, self.uncommitted_counts = self.uncommitted_counts, Counter()
        return counts

    def _with_held(self, told: Told) -> Told:
        events, self._held = self._held + told.events, []
        for event, _ in events:
            self._schedule.require(event.series)
        return replace(told, events=events)

    def _process(self, records: Records, *, live: bool) -> Told:
        decoded = self._decoder.decode(records.values, records.keys, records.offsets, records.timestamps_ms)
        before, after = self._stream_times(decoded.readings)
        if live:
            self._admission.claim(decoded.readings)
        admitted = self._admission.admit(decoded.readings, self.live_from)
        readings = admitted.of(decoded.readings)
        outcome = self.detector.push(readings, admitted.rows(after))
        self.position = records.offsets[-1] + 1
        self._touch(readings, admitted.rows(before))
        self._note_sights(outcome, readings.position)
        events = [(event, int(readings.position[event.row])) for event in outcome.events]
        if not live:
            return Told(events)
        refused = self._admission.letters(decoded.readings, records)
        self.uncommitted_counts.update(_counts(outcome))
        self.uncommitted_counts.update(_decoded_counts(decoded, decoded.dead + refused))
        return Told(events, decoded.dead + refused, outcome, readings.names, decoded)

    def _note_sights(self, outcome: Outcome, position: Int64s | None = None) -> None:
        """Says who has gone blind or sees again, once: with a snapshot, so that a replay from there derives none.

        Where a replay does (`blind_after` has become shorter), it comes with the first live commit.
        """
        for sight in outcome.sights:
            offset = self.position - 1 if position is None else int(position[sight.row])
            self.notices.append(blindness_event(sight, offset))
            self._schedule.require(sight.series)

    def _stream_times(self, readings: Readings) -> tuple[Int64s, Int64s]:
        """int64 (n,) each: stream time before the message of each reading, and at the reading, itself included."""
        if not len(readings):
            return readings.time, readings.time
        after = np.maximum(np.maximum.accumulate(readings.time), self.stream_time)
        first = np.searchsorted(readings.position, readings.position)
        before = np.where(first == 0, self.stream_time, after[np.maximum(first - 1, 0)])
        self.stream_time = int(after[-1])
        return before, after

    def _touch(self, readings: Readings, before: Int64s) -> None:
        codes, first = np.unique(readings.series, return_index=True)
        order = np.argsort(first)
        for code, row in zip(codes[order].tolist(), first[order].tolist(), strict=True):
            self._schedule.touch(readings.names[code], ReplayStart(int(readings.position[row]), int(before[row])))

    def _come_alive(self) -> None:
        """The state is that of the last commit: from here on things are told, and the series are ours."""
        taken, self._taken = self._taken, None
        assert taken is not None
        self._held, self.notices, rewritten = taken.finish(self.detector, self._held, self.notices)
        for series in rewritten:
            self._schedule.require(series)
        self._uncommitted = bool(self.notices)
        self._admission.claim_all()
        log.info("partition.live", partition=self.number, offset=self.live_from, series=len(self.detector.slots))

    def _close(self, series: str) -> None:
        """Ends what is open of a series and takes it out of memory."""
        outcome = self.detector.silence(series)
        self._note_sights(outcome)
        self.uncommitted_counts.update(_counts(outcome))
        self._held += [(event, self.position - 1) for event in outcome.events]
        if self.detector.slots.find(series) is not None:
            self.detector.forget(series)

    def _retire(self, names: Sequence[str], why: str) -> None:
        for series in names:
            if self.detector.slots.find(series) is not None:
                self.detector.forget(series)
            self._schedule.require(series)
            self._retired.pop(series, None)
            self._retired[series] = self.position - 1
        self._admission.release(names)
        self._uncommitted = True
        self.notices.append(SeriesRetired.of(names, why, self.position))

    def _fate(self, series: str) -> Literal["kept", "retired", "refused"]:
        if self.detector.slots.find(series) is not None:
            return "kept"
        return "retired" if self._admission.refused_for(series) is None else "refused"

    def _snapshot(self, series: str) -> bytes:
        fate = self._fate(series)
        state = self.detector.snapshot(series) if fate == "kept" else None
        holder = self._admission.refused_for(series)
        return encode_snapshot(Snapshot(FORMAT, self._layout, self.position - 1, series, fate, state, holder))


def _counts(outcome: Outcome) -> Counter[Count]:
    """What the progress line tells of an outcome: readings, frames, incident events."""
    counts = outcome.counts()
    counts.update(Count(f"incidents.{event.state}") for event in outcome.events)
    counts[Count.INCIDENTS_EXCEEDING] += sum(e.state == "opened" and e.cause == "model" for e in outcome.events)
    return counts


def _decoded_counts(decoded: Decoded, dead: Sequence[Dead]) -> Counter[Count]:
    """Messages that did not become readings of ours, and all that came."""
    counts = Counter({Count.RECEIVED: decoded.received, Count.IGNORED: decoded.ignored, Count.DEAD: len(dead)})
    counts.update(Count(f"{DEAD_PREFIX}{one.reason}") for one in dead)
    return counts
