"""One partition of the input topic: its detector, where we are in it, and what its last commit covers."""

import hashlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

import numpy as np
import structlog
from confluent_kafka import Message

from stream.detect.definition import Definition
from stream.detect.detector import Detector, Outcome
from stream.detect.incidents import IncidentEvent
from stream.detect.ticks import NEVER
from stream.intake.columns import Dead, Decoded, Readings
from stream.intake.decode import Decoder
from stream.kafka import fault_points
from stream.kafka.state_topic import FORMAT, CommitMetadata, Snapshot, encode_snapshot

log = structlog.get_logger()


class Phase(Enum):
    """Where a partition is on its way to being served."""

    ASK = auto()  # for its committed offset
    READ = auto()  # its snapshots
    SERVE = auto()  # replays readings below `live_from`, then lives


@dataclass(frozen=True, slots=True)
class Records:
    """n records of one partition as columns, offsets ascending; `records` are the client's own, for their headers."""

    keys: Sequence[bytes | None] = ()
    values: Sequence[bytes | None] = ()
    offsets: Sequence[int] = ()
    timestamps_ms: Sequence[int] = ()
    records: Sequence[Message] = ()

    def __len__(self) -> int:
        return len(self.offsets)

    def cut(self, offset: int) -> tuple["Records", "Records"]:
        """Those below `offset`, and the others."""
        at = bisect_left(self.offsets, offset)
        if at == 0:
            return Records(), self
        if at == len(self):
            return self, Records()
        return self._rows(slice(at)), self._rows(slice(at, None))

    def _rows(self, rows: slice) -> "Records":
        columns = self.keys[rows], self.values[rows], self.offsets[rows], self.timestamps_ms[rows]
        return Records(*columns, self.records[rows])

    def at(self, offset: int) -> Message | None:
        """The client's record at `offset`; None where it is not among these."""
        i = bisect_left(self.offsets, offset)
        return self.records[i] if i < len(self) and self.offsets[i] == offset else None


@dataclass(frozen=True, slots=True)
class Told:
    """What a batch gives to publish: events with the offset that caused each, dead letters, the outcome itself;
    and the series it had readings of."""

    events: list[tuple[IncidentEvent, int]] = field(default_factory=list)
    dead: tuple[Dead, ...] = ()
    outcome: Outcome | None = None
    series: tuple[str, ...] = ()


def layout_of(definition: Definition) -> str:
    """Two definitions with the same layout can take over each other's frames."""
    policy = definition.policy
    tick = None if policy.resample == "none" else policy.interval_ns
    text = repr((definition.sensors, policy.resample, tick))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Partition:
    """State of one partition from assignment to revocation; a roll-back makes a new one."""

    def __init__(self, number: int, definition: Definition, decoder: Decoder) -> None:
        self.number = number
        self.phase = Phase.ASK
        self.definition = definition
        self.detector = Detector(definition)
        self._decoder = decoder
        self._layout = layout_of(definition)
        # Set by the client while records of this partition are being fetched.
        self.fetching = False
        self.rolled_back = False
        # The end of the partition was seen since its last record.
        self.at_end = False
        # Next offset to process; records below it are dropped. Equals what a commit would commit.
        self.position = -1
        self.live_from = -1
        self.snapshot_end = 0
        self.stream_time = NEVER
        # First offset of each series that no snapshot covers. Invariant: in ascending order of offset.
        self._dirty: dict[str, int] = {}
        self._as_of: dict[str, int] = {}
        self._must_snapshot: dict[str, None] = {}
        self._since_commit = 0
        self._sensors_seen = self._said_blank = False
        # Snapshots that the readings so far have earned, and that no commit has written.
        self._credit = 0.0
        # Events of a replay that no commit has published.
        self._held: list[tuple[IncidentEvent, int]] = []
        # Something live was processed, or a silence told, since the last commit.
        self._uncommitted = False
        self.uncommitted_counts: Counter[str] = Counter()

    @property
    def is_live(self) -> bool:
        return self.phase is Phase.SERVE and self.position >= self.live_from

    @property
    def needs_commit(self) -> bool:
        return self._uncommitted

    @property
    def replay_from(self) -> int:
        """R: the oldest offset that no snapshot covers."""
        return next(iter(self._dirty.values()), self.position)

    def begin(self, replay_from: int, committed: int, snapshot_end: int, stream_time: int = NEVER) -> None:
        """Serving starts: replay from R up to C, live from C."""
        self.phase = Phase.SERVE
        self.position, self.live_from = replay_from, committed
        self.snapshot_end, self.stream_time = snapshot_end, stream_time

    def restore(self, snapshots: Sequence[Snapshot], committed: int) -> int:
        """Takes over snapshots not newer than C; returns how many did not fit (another layout, or newer)."""
        fit = [s for s in snapshots if s.layout == self._layout]
        self.detector.restore(s.state for s in fit)
        # A series whose snapshot does not fit starts at C: replayed from nothing it would tell its past anew.
        self._as_of |= {s.state.series: s.as_of if s.layout == self._layout else committed - 1 for s in snapshots}
        return len(snapshots) - len(fit)

    def take(self, records: Records) -> Told:
        """Processes records in order: those below C are replayed in silence, the others are told.

        Each event was published with a snapshot of its series, so a replay from there derives none. Where it does
        (another processor, a score within rounding of 1), they are held and come with the first live batch.
        """
        self.at_end = False
        _, fresh = records.cut(self.position)
        replayed, live = fresh.cut(self.live_from)
        if len(replayed):
            self._held += self._process(replayed)[1].events
            fault_points.at("replaying")
        if not len(live):
            return Told()
        decoded, told = self._process(live)
        fault_points.at("processed")
        self._uncommitted = True
        self._as_of = {}
        self._since_commit += len(live)
        assert told.outcome is not None
        self.uncommitted_counts.update(_counts(told.outcome))
        self.uncommitted_counts.update(_decoded_counts(decoded))
        events, self._held = self._held + told.events, []
        self._must_snapshot |= {event.series: None for event, _ in events}
        return Told(events, told.dead, told.outcome, told.series)

    def silence(self, series: str) -> Told:
        """The series has sent nothing for long; what that closes is told and snapshotted at the next commit."""
        outcome = self.detector.silence(series)
        self._uncommitted = True
        events, self._held = self._held + [(event, self.position - 1) for event in outcome.events], []
        self._must_snapshot |= {series: None} | {event.series: None for event, _ in events}
        self.uncommitted_counts.update(_counts(outcome))
        return Told(events, (), outcome)

    def has_open(self, series: str) -> bool:
        """Whether the series has an open tick or incident, which silence would close."""
        return self.detector.has_open(series)

    def _process(self, records: Records) -> tuple[Decoded, Told]:
        decoded = self._decoder.decode(records.values, records.keys, records.offsets, records.timestamps_ms)
        self._check_sensors(decoded.readings, records)
        readings = self._beyond_snapshots(decoded.readings)
        outcome = self.detector.push(readings)
        self.position = records.offsets[-1] + 1
        self._touch(readings)
        events = [(event, int(readings.position[event.row])) for event in outcome.events]
        return decoded, Told(events, decoded.dead, outcome, readings.names)

    def _check_sensors(self, readings: Readings, records: Records) -> None:
        """Says once, loudly, that the bundle does not fit the topic: readings without any of its sensors."""
        if self._sensors_seen or not len(readings):
            return
        self._sensors_seen = bool(np.isfinite(readings.values).any())
        if not self._sensors_seen and not self._said_blank:
            self._said_blank = True
            log.error(
                "readings.without_sensors",
                partition=self.number,
                expected=list(self.definition.sensors),
                seen=repr(records.values[0])[:200],
                todo="point `bundle` at one trained on these sensors, or map them in `input.sensors`",
            )

    def _beyond_snapshots(self, readings: Readings) -> Readings:
        """Without the readings that their series' snapshot already covers."""
        if not self._as_of or not len(readings) or readings.position[0] >= self.live_from:
            return readings
        as_of = np.array([self._as_of.get(name, -1) for name in readings.names], np.int64)
        kept = readings.position > as_of[readings.series]
        used, series = np.unique(readings.series[kept], return_inverse=True)
        names = tuple(readings.names[i] for i in used.tolist())
        columns = (readings.time[kept], readings.values[kept], readings.position[kept])
        return Readings(names, series.astype(np.int32), *columns)

    def _touch(self, readings: Readings) -> None:
        if not len(readings):
            return
        self.stream_time = max(self.stream_time, int(readings.time.max()))
        codes, first = np.unique(readings.series, return_index=True)
        order = np.argsort(first)
        for code, row in zip(codes[order].tolist(), first[order].tolist(), strict=True):
            self._dirty.setdefault(readings.names[code], int(readings.position[row]))

    def due_snapshots(self, max_replay: int) -> list[tuple[str, bytes]]:
        """Snapshots for this commit, as (series, record): series with events, then the oldest dirty in turn.

        Enough of them that all dirty series have had their turn within max_replay / 2 messages; whatever would leave
        more than max_replay offsets to replay is forced. Popped here: after a failed commit all of it is restored.
        """
        earned = 2 * len(self._dirty) * self._since_commit / max_replay
        self._credit = min(self._credit + earned, float(len(self._dirty)))
        chosen = dict(self._must_snapshot)
        for series, since in self._dirty.items():
            if self._credit < 1 and self.position - since <= max_replay:
                break
            if series not in chosen:
                chosen[series] = None
                self._credit = max(self._credit - 1, 0.0)
        for series in chosen:
            self._dirty.pop(series, None)
        self._must_snapshot, self._since_commit = {}, 0
        return [(series, self._snapshot(series)) for series in chosen]

    def _snapshot(self, series: str) -> bytes:
        state = self.detector.snapshot(series)
        return encode_snapshot(Snapshot(FORMAT, self._layout, self.position - 1, state))

    def metadata(self, owner: str) -> CommitMetadata:
        return CommitMetadata(
            f=FORMAT, r=self.replay_from, l=self.snapshot_end, t=self.stream_time, o=owner, b=self.definition.version
        )

    def has_committed(self) -> Counter[str]:
        """The transaction with this partition's progress is committed; returns what it counted."""
        self._uncommitted = False
        counts, self.uncommitted_counts = self.uncommitted_counts, Counter()
        return counts


def _counts(outcome: Outcome) -> Counter[str]:
    """What the progress line tells of an outcome: readings, frames, incident events."""
    counts = outcome.counts()
    counts.update(f"incidents.{event.state}" for event in outcome.events)
    return counts


def _decoded_counts(decoded: Decoded) -> Counter[str]:
    """Messages that did not become readings of ours, and all that came."""
    counts = Counter(received=decoded.received, ignored=decoded.ignored, dead=len(decoded.dead))
    counts.update(f"dead.{dead.reason}" for dead in decoded.dead)
    return counts
