"""The oracle: one offline pass over the log of each partition, compared with what a subscriber sees."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.outcome import Outcome
from stream.detect.series_state import SeriesState
from stream.detect.stream_clock import StreamClock
from stream.events.alert import Source, alert
from stream.events.dead_letter import dead_letters
from stream.events.record import encode
from stream.events.verdict import frame_verdicts
from stream.kafka.client import KafkaOptions
from stream.kafka.records import Records
from stream.kafka.state.discards import dead_late
from stream.kafka.state.state_topic import decode_metadata
from tests.oracles.heartbeats import faults, missing
from tests.simulation.memory_broker.broker import Broker
from tests.simulation.memory_broker.log import Entry
from tests.simulation.plant import decoder
from tests.simulation.process import kept_states

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


# Status events about what a series sends.
MOVED = "data.usual_level_moved"
SIGHTS = ("data.series_unwatched", "data.series_watched", MOVED)
HEARTBEAT = 4_000_000_000


class ViolationError(AssertionError):
    """A promise is broken."""


def demand(holds: bool, what: str) -> None:
    """Raises ViolationError where a promise does not hold."""
    if not holds:
        raise ViolationError(what)


@dataclass(frozen=True)
class Published:
    """Records that the readings of one partition lead to."""

    alerts: list[dict[str, Any]]
    letters: Counter[tuple[bytes | None, bytes | None, str]]
    verdicts: Counter[bytes]
    sights: Counter[tuple[str, int, str, int]]


class Pass:
    """An offline pass over one partition from its first record on: `up_to` an offset, then further.

    Args:
        after_ns: times after which a series retires, and after which it is unwatched.
    """

    def __init__(
        self,
        broker: Broker,
        options: KafkaOptions,
        partition: int,
        after_ns: tuple[int | None, int | None],
        definition_of: Callable[[str], Definition],
    ) -> None:
        self._log = broker.logs[options.input, partition]
        self._broker, self._options, self._partition = broker, options, partition
        self._after_ns = after_ns
        self._definition_of = definition_of
        self._detector = Detector(definition_of("v1"), *after_ns)
        self._decoder = decoder()
        self._position = 0
        self._clock = StreamClock()
        self._clock.limit_by(definition_of("v1").policy, after_ns[1])
        # Offset of every reading, and watch time after it.
        self.heard: list[tuple[int, int]] = []
        self.published = Published([], Counter(), Counter(), Counter())

    def up_to(self, offset: int) -> dict[str, SeriesState]:
        """State of every series after all readings below `offset`, with the silences and swaps that were published."""
        if self._position == 0:
            self._detector = Detector(self._first(), *self._after_ns)
        for at, version in self._swaps(offset):
            self._push_to(at)
            self._swap(self._definition_of(f"v{version}"))
        for silent, series in self._silences(offset):
            self._push_to(silent + 1)
            self._publish(self._detector.silence(series), [], silent)
        self._push_to(offset)
        return kept_states(self._detector, self._clock.stream_time)

    def _first(self) -> Definition:
        """Definition at the first commit of the partition, which no status event names."""
        own = [decode_metadata(c.metadata) for c in self._broker.history if c.partition == self._partition]
        return self._definition_of("v1" if not own or own[0] is None else own[0].bundle)

    def _swaps(self, end: int) -> list[tuple[int, int]]:
        """Offset and version of each swap that was published up to `end`, and is not done here yet."""
        served = int(self._detector.definition.version.removeprefix("v"))
        told = [json.loads(entry.value or b"") for entry in _committed(self._broker, self._options.status)]
        swaps = [
            (said["offset"], int(said["details"]["to"].removeprefix("v")))
            for said in told
            if said["kind"] == "detector.bundle_activated" and said["partition"] == self._partition
        ]
        versions = [version for _, version in swaps]
        demand(versions == sorted(set(versions)), f"partition {self._partition} goes back or twice: {swaps}")
        return [(at, version) for at, version in swaps if at <= end and version > served]

    def _swap(self, new: Definition) -> None:
        states = [self._detector.snapshot(series) for series in self._detector.slots.names()]
        self._detector = Detector(new, *self._after_ns)
        self._detector.coverage.now = self._clock.watch_time
        self._detector.restore(states)

    def _silences(self, end: int) -> list[tuple[int, str]]:
        """Offset and series of each silence that was published below `end`, and is not done here yet."""
        done = {(a["alert_id"], a["sequence"]) for a in self.published.alerts}
        return sorted(
            (a["source"]["offset"], a["series"])
            for a in committed_alerts(self._broker, self._options)
            if a["reason"] == "silent"
            and a["source"]["partition"] == self._partition
            and a["source"]["offset"] < end
            and (a["alert_id"], a["sequence"]) not in done
        )

    def _push_to(self, end: int) -> None:
        records = [(offset, entry) for offset, entry in self._log.visible(self._position) if offset < end]
        self._position = max(self._position, end)
        if not records:
            return
        decoded = self._decoder.decode(
            [e.value for _, e in records],
            [e.key for _, e in records],
            [o for o, _ in records],
            [e.timestamp_ms for _, e in records],
        )
        stream, watch = self._clock.advance(decoded.readings.time)
        self.heard += zip(decoded.readings.position.tolist(), watch.tolist(), strict=True)
        outcome = self._detector.push(decoded.readings, stream, watch)
        self._publish(outcome, decoded.readings.position.tolist(), -1)
        late = dead_late(decoded.readings, outcome, _as_records(records))
        for letter in dead_letters(decoded.dead + late, self._options.input, self._partition):
            self.published.letters[letter.key, letter.value, repr(tuple(letter.headers))] += 1

    def _publish(self, outcome: Outcome, positions: list[int], cause: int) -> None:
        for event in outcome.events:
            source = Source(self._options.input, self._partition, positions[event.row] if positions else cause)
            self.published.alerts.append(plain(encode(alert(event, self._detector.definition, source, EPOCH))))
        for sight in outcome.coverage_events:
            kind = "data.series_watched" if sight.watched else "data.series_unwatched"
            self.published.sights[kind, self._partition, sight.series, positions[sight.row]] += 1
        for move in outcome.usual_events:
            at = positions[move.row] if positions else cause
            self.published.sights[MOVED, self._partition, move.series, at] += 1
        for verdict in frame_verdicts(outcome.verdicts, self._detector.definition.version):
            self.published.verdicts[encode(verdict)] += 1


def _as_records(entries: Sequence[tuple[int, Entry]]) -> Records:
    """Entries of the log, each with its offset, as the consumer gets them."""
    return Records(
        [entry.key for _, entry in entries], [entry.value for _, entry in entries], [at for at, _ in entries]
    )


def plain(value: bytes | None) -> dict[str, Any]:
    """An alert without its one field that is not deterministic."""
    return {name: said for name, said in json.loads(value or b"{}").items() if name != "observed_at"}


def committed_alerts(broker: Broker, options: KafkaOptions) -> Iterator[dict[str, Any]]:
    for partition in range(broker.topics[options.alerts]):
        for entry in broker.logs[options.alerts, partition].committed():
            yield plain(entry.value)


def check_published(broker: Broker, options: KafkaOptions, passes: list[Pass]) -> int:
    """Checks that every record is published exactly once, and the alerts of a series in order."""
    got = list(committed_alerts(broker, options))
    wanted = [a for one in passes for a in one.published.alerts]
    names, expected = Counter(map(name_of, got)), Counter(map(name_of, wanted))
    demand(names == expected, f"alerts twice or extra: {names - expected}, lost: {expected - names}")
    for series in sorted({a["series"] for a in wanted}):
        told = [a for a in got if a["series"] == series]
        due = [a for a in wanted if a["series"] == series]
        demand(told == due, f"alerts of {series} differ or are out of order: {told} instead of {due}")
    check_open(broker, options, got)
    check_heartbeats([json.loads(entry.value or b"") for entry in _committed(broker, options.status)], passes)
    letters = Counter((e.key, e.value, repr(tuple(e.headers))) for e in _committed(broker, options.dead_letters))
    due_letters = sum((one.published.letters for one in passes), Counter[tuple[bytes | None, bytes | None, str]]())
    demand(letters == due_letters, f"letters twice or extra: {letters - due_letters}, lost: {due_letters - letters}")
    sights = Counter(
        (said["kind"], said["partition"], said["series"], said["offset"])
        for said in (json.loads(entry.value or b"") for entry in _committed(broker, options.status))
        if said["kind"] in SIGHTS
    )
    due_sights = sum((one.published.sights for one in passes), Counter[tuple[str, int, str, int]]())
    demand(sights == due_sights, f"sights twice or extra: {sights - due_sights}, lost: {due_sights - sights}")
    if options.scores is not None:
        scores = Counter(e.value or b"" for e in _committed(broker, options.scores))
        due_scores = sum((one.published.verdicts for one in passes), Counter[bytes]())
        demand(scores == due_scores, f"verdicts twice or extra: {scores - due_scores}, lost: {due_scores - scores}")
    return len(got)


def check_heartbeats(told: list[dict[str, Any]], passes: list[Pass]) -> None:
    """Checks that each partition beats once in each period that a commit reaches, with the time that it has reached."""
    heard = {partition: one.heard for partition, one in enumerate(passes)}
    found = faults(told, heard)
    demand(not found, f"heartbeats: {found}")
    newest = {partition: max(time for _, time in times) for partition, times in heard.items() if times}
    demand(not missing(told, newest, HEARTBEAT), f"no last heartbeat of partitions {missing(told, newest, HEARTBEAT)}")


def check_open(broker: Broker, options: KafkaOptions, alerts: Iterable[dict[str, Any]]) -> None:
    """Checks that the compacted topic of open incidents holds those that the alerts leave open, as they left them."""
    newest = {said["alert_id"]: said for said in alerts}
    due = {name: said for name, said in newest.items() if said["state"] != "resolved"}
    kept = {entry.key: entry.value for entry in _committed(broker, options.open_incidents)}
    got = {(name or b"").decode(): plain(value) for name, value in kept.items() if value is not None}
    demand(got == due, f"open: {sorted(got)} instead of {sorted(due)}")


def name_of(said: dict[str, Any]) -> tuple[str, str, int, str]:
    """Series, incident, sequence and state of an alert."""
    return said["series"], said["alert_id"], said["sequence"], said["state"]


def check_lives(told: Iterable[tuple[str, str, int, str]]) -> None:
    """Checks that each incident is published from `opened` on without a gap, and ends before the next one."""
    open_: dict[str, tuple[str, int]] = {}
    for series, name, sequence, state in told:
        before = open_.pop(series, None)
        due = (name, 0) if before is None else before
        demand((name, sequence) == due, f"{series}: {state} {sequence} of {name} instead of {due}")
        demand((state == "opened") == (before is None), f"{series}: {state} {sequence} of {name} after {before}")
        if state != "resolved":
            open_[series] = (name, sequence + 1)


def _committed(broker: Broker, topic: str) -> Iterator[Entry]:
    for partition in range(broker.topics[topic]):
        yield from broker.logs[topic, partition].committed()


def check_commits(broker: Broker, options: KafkaOptions, max_replay: int) -> None:
    """Checks that the metadata of every commit is ours, within bounds, and never goes back."""
    before: dict[int, tuple[int, int, int]] = {}
    for commit in broker.history:
        metadata = decode_metadata(commit.metadata)
        if metadata is None:
            raise ViolationError(f"{commit}: metadata that nobody can read")
        at = (commit.offset, metadata.replay_from, metadata.state_end)
        last = before.get(commit.partition, (0, 0, 0))
        demand(all(now >= then for now, then in zip(at, last, strict=True)), f"{commit}: goes back behind {last}")
        demand(0 <= metadata.replay_from <= commit.offset, f"{commit}: replays from beyond the offset")
        demand(commit.offset - metadata.replay_from <= max_replay, f"{commit}: replays more than {max_replay}")
        demand(metadata.state_end <= broker.logs[options.state, commit.partition].end, f"{commit}: L beyond the end")
        before[commit.partition] = at


def differences(got: dict[str, SeriesState], wanted: dict[str, SeriesState]) -> list[str]:
    """Series whose states differ in any bit."""
    names = sorted(got.keys() | wanted.keys())
    return [name for name in names if _bits(got.get(name)) != _bits(wanted.get(name))]


def _bits(state: SeriesState | None) -> bytes:
    return msgspec.msgpack.encode(state)
