"""Recovery where something that it needs is gone, or cannot be had just now: readings, bundle, broker."""

import itertools
import json
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from confluent_kafka import Consumer
from hypothesis import assume, given
from hypothesis import strategies as st

from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.incidents import IncidentEvent
from stream.detect.outcome import Verdict
from stream.detect.policy import Rules
from stream.detect.series_state import bare
from stream.errors import BrokerError, BundleError
from stream.intake.columns import Disposition
from stream.intake.decode import Decoder
from stream.kafka.assignment import Assignment
from stream.kafka.client import KafkaOptions
from stream.kafka.owners import Owners
from stream.kafka.partition import Partition
from stream.kafka.records import Records
from stream.kafka.recovery import SHORT_ANSWERS, Recovery
from stream.kafka.state_topic import FORMAT, CommitMetadata, decode_metadata, decode_snapshot, encode_metadata
from stream.serve.consumer import ServeOptions
from tests.builders import SECOND, START, a_definition, a_policy, a_spec, readings
from tests.simulation.broker import Broker, Committed
from tests.simulation.consumer import MemoryConsumer, MemoryReader
from tests.simulation.group import Group
from tests.simulation.log import Entry
from tests.simulation.oracle import committed_alerts, differences
from tests.simulation.plant import SENT_AT_MS, Plant, Releases, decoder, definition
from tests.simulation.process import Process, a_process
from tests.simulation.wire import T, Wire
from tests.simulation.world import silent_logs
from tests.test_partition import Log, cut, records, state_of

OPTIONS = KafkaOptions("g", "one", "in", "alerts", "dead", "state", "status", None, {})
SERVE = ServeOptions(batch=5, commit_interval_s=0.1, max_replay=1000, bundle_poll_s=0.05, log_every_s=1e9)
TURNS = 3000
HEIR = replace(
    a_definition(
        a_spec(window=2, smoothing=3, sensors=2),
        a_policy(max_carry=2, max_missing=1),
        Rules(close_after=2),
        q=0.7,
        seed=3,
    ),
    version="v2",
)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with silent_logs():
        yield


# --- retention has eaten R


def tells_of_lives(events: list[IncidentEvent] | list[dict[str, Any]]) -> None:
    """Each incident is told from `opened` on without a hole, and ends before its series has another."""
    by_series: dict[str, list[tuple[str, int, str]]] = defaultdict(list)
    for event in events:
        said = event if isinstance(event, dict) else vars_of(event)
        by_series[said["series"]].append((said["alert_id"], said["sequence"], said["state"]))
    for told in by_series.values():
        open_id, following = "", 0
        for name, sequence, state in told:
            assert (state == "opened") == (sequence == 0) == (open_id == ""), told
            assert (name == open_id or not open_id) and sequence == following, told
            open_id, following = ("", 0) if state == "resolved" else (name, sequence + 1)


def vars_of(event: IncidentEvent) -> dict[str, Any]:
    return {"series": event.series, "alert_id": event.alert_id, "sequence": event.sequence, "state": event.state}


def times_from(whole: Records, offset: int) -> set[int]:
    """Event times, ns, of all readings at or beyond `offset`."""
    values = cut(whole, offset, len(whole)).values
    several = [json.loads(value or b"") for value in values]
    return {r["time"] * 1_000_000 for said in several for r in (said if isinstance(said, list) else [said])}


def frame_times(partition: Partition, series: str) -> set[int]:
    return set(np.frombuffer(partition.detector.snapshot(series).time, "<i8").tolist())


def as_of(log: Log) -> dict[str, int]:
    """The newest snapshot of each series."""
    found = [decode_snapshot(record) for _, record in log.state if record is not None]
    return {snapshot.series: snapshot.as_of for snapshot in found if snapshot is not None}


@given(
    seed=st.integers(0, 10**6),
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=6),
    eaten=st.floats(0, 1),
    max_replay=st.integers(10, 120),
)
def test_series_whose_readings_retention_has_eaten_warm_up_and_nothing_is_invented(
    seed: int, sizes: list[int], eaten: float, max_replay: int
) -> None:
    """No window reaches over the hole, incidents that subscribers know go on, and every later restart is exact."""
    log = Log(max_replay=max_replay)
    whole = records(seed, sum(sizes) + 60)
    running, at, told = log.start(len(whole)), 0, list[IncidentEvent]()
    for size in sizes:
        told += [event for event, _ in running.take(cut(whole, at, at + size)).events]
        at += size
        log.commit(running)
    assume(running.replay_from < at)
    low = running.replay_from + 1 + int(eaten * (at - running.replay_from - 1))
    short = {series for series, covered in as_of(log).items() if covered < low - 1}
    again = log.start(len(whole), low=low)
    assert again.take(cut(whole, low, at)).events == []
    assert again.is_live
    for series in short & set(again.detector.slots.names()):
        assert frame_times(again, series) <= times_from(whole, low)
    assert [(n.kind, n.details) for n in again.notices] == [("data.history_lost", {"count": len(short), "oldest": low})]
    assert again.uncommitted_counts["history_lost"] == len(short)
    assert again.needs_commit, "what is to be said is said at once"
    for end in range(at + 5, len(whole) + 1, 5):
        events = again.take(cut(whole, at, end)).events
        assert all(offset >= at for _, offset in events)
        told += [event for event, _ in events]
        at = end
        log.commit(again)
        later = log.start(len(whole), low=low)
        assert later.take(cut(whole, low, at)).events == []
        assert later.notices == [], "the hole is behind the commit"
        assert state_of(later) == state_of(again)
    tells_of_lives(told)


def test_an_incident_that_is_open_across_the_hole_is_resolved_and_what_is_late_is_late() -> None:
    """Windows start anew; the clock and the incident are those that subscribers know."""
    log = Log()
    running, events = log.start(99), list[IncidentEvent]()
    for offset in range(9):
        events += [event for event, _ in running.take(message(offset, offset, 9.0 * (offset % 2))).events]
    assert [event.state for event in events] == ["opened"]
    log.commit(running)
    running.take(message(9, 9, 9.0))
    running.take(message(10, 10, 9.0))
    log.commit(running)
    again = log.start(99, low=10)
    again.take(message(10, 10, 9.0))
    assert again.is_live
    again.take(message(11, 10, 9.0))
    again.take(message(12, 3, 9.0))
    for offset in range(13, 30):
        events += [event for event, _ in again.take(message(offset, offset, 0.0)).events]
    assert (again.uncommitted_counts["duplicate"], again.uncommitted_counts["late"]) == (1, 1)
    assert again.uncommitted_counts["warming"] == 1, "a window is two frames, and the replay has given one"
    assert [(event.alert_id, event.sequence, event.state) for event in events[1:]] == [
        (events[0].alert_id, 1, "resolved")
    ]


@pytest.mark.parametrize("known", [True, False], ids=["with a snapshot", "without any"])
def test_what_a_cut_replay_derives_is_told_by_no_life(known: bool) -> None:
    """A spike that the mean of three errors forgives and the mean of two, all there is after the hole, does not."""
    spike, low, end = the_largest_spike_that_tells_nothing(), 7, 12
    log = Log()
    running = log.start(99)
    for offset in range(end):
        assert running.take(message(offset, offset, spike * (offset == low + 1))).events == []
        if offset == 3 and known:
            running.must_all_snapshots()
            log.commit(running)
    log.commit(running)
    assert ("a" in as_of(log)) == known
    for life in range(2):
        again = log.start(99, low=low)
        for offset in range(low, end + life):
            assert again.take(message(offset, offset, spike * (offset == low + 1))).events == []
        assert again.detector.open_incidents == 0
        assert again.take(message(end + life, end + life, 0.0)).events == []
        log.commit(again)


def the_largest_spike_that_tells_nothing() -> float:
    sizes = np.arange(0.5, 10, 0.02).tolist()
    for quiet, loud in itertools.pairwise(sizes):
        partition = Log().start(0)
        if any(partition.take(message(i, i, loud * (i == 8))).events for i in range(12)):
            return quiet
    raise AssertionError("no spike is large enough")


def message(offset: int, second: int, value: float) -> Records:
    said = {"time": (START + second * SECOND) // 1_000_000, "series": "a", "s0": value, "s1": 0.0}
    return Records([b"a"], [json.dumps(said).encode()], [offset], [START // 1_000_000], [None])  # type: ignore[list-item]


@pytest.mark.parametrize("resample", ["none", "last"])
def test_a_series_without_its_frames_stands_behind_a_gap_and_keeps_clock_and_incident(resample: str) -> None:
    """Also where the next frame is so near that ticks between could be filled in; it ends at the last frame seen."""
    definition = a_definition(a_spec(window=4, smoothing=1), a_policy(resample=resample), q=0.01)
    whole, without = Detector(definition), Detector(definition)
    (opened,) = whole.push(some(range(8))).events
    without.restore([bare(whole.snapshot("a"), definition)])
    silenced = Detector(definition)
    silenced.restore([bare(whole.snapshot("a"), definition)])
    (ended,) = silenced.silence("a").events
    assert (ended.alert_id, ended.ended_at) == (opened.alert_id, START + 7 * SECOND)
    outcome = without.push(some([7, 11, 12, 13, 14, 15]))
    late = Disposition.DUPLICATE if resample == "none" else Disposition.LATE
    assert outcome.disposition.tolist() == [late] + [Disposition.USED] * 5
    assert outcome.verdicts.verdict.tolist() == [Verdict.WARMING] * 3 + [Verdict.SCORED] * 2


def some(seconds: Any) -> Any:
    times = [START + second * SECOND for second in seconds]
    return readings(["a"] * len(times), times, np.full((len(times), 2), 3.0))


# --- a service whose clients are in memory


class Shelf(Releases):
    """Bundles of which some are gone, or all are while their volume is not mounted."""

    def __init__(self, newest: int) -> None:
        super().__init__(ticks=False)
        self.newest = newest
        self.mounted = True
        self.gone: set[str] = set()

    def version(self, version: str) -> Definition:
        if not self.mounted:
            raise BundleError("the registry shows nothing; is it mounted?")
        return cast(Definition, None) if version in self.gone else super().version(version)


def a_broker(seed: int = 0, partitions: int = 1) -> Broker:
    topics = {"in": partitions, "alerts": 1, "dead": 1, "state": partitions, "status": 1}
    return Broker(topics, Group(partitions), random.Random(seed))


def a_service(broker: Broker, shelf: Releases | None = None) -> Process:
    def never(wire: Wire) -> None:
        raise AssertionError("nothing freezes here")

    process = a_process("one", broker, OPTIONS, SERVE, never, shelf or Shelf(1))
    process.service.open()
    return process


def feed(broker: Broker, plant: Plant, n: int) -> None:
    for _ in range(n):
        partition, key, value = plant.reading()
        broker.logs["in", partition].append(Entry(key, value, (), SENT_AT_MS))


def serve(process: Process, broker: Broker, partitions: tuple[int, ...] = (0,)) -> None:
    """Turns until all of these partitions is committed, markers included."""
    for _ in range(TURNS):
        process.service.turn()
        broker.background()
        ends = {p: broker.logs["in", p].end for p in partitions}
        found = {p: broker.committed[p].offset for p in partitions if p in broker.committed}
        if broker.is_quiet and found == ends:
            return
    raise AssertionError(f"committed {found}, the topic ends at {ends}")


def kill(process: Process, broker: Broker) -> None:
    process.bury()
    broker.advance(60.0)
    broker.background(1.0)


def statuses(broker: Broker) -> list[dict[str, Any]]:
    return [json.loads(entry.value or b"") for entry in broker.logs["status", 0].committed()]


def metadata(broker: Broker, partition: int = 0) -> CommitMetadata:
    found = decode_metadata(broker.committed[partition].metadata)
    assert found is not None
    return found


@pytest.mark.parametrize("seed", range(12))
def test_a_service_that_finds_its_replay_cut_says_so_once_and_its_next_life_is_exact(seed: int) -> None:
    """Also where some of what is gone was never scored."""
    broker = a_broker(seed)
    plant, log = Plant(broker.draw, 1), broker.logs["in", 0]
    process = a_service(broker)
    for _ in range(4):
        feed(broker, plant, 20)
        serve(process, broker)
    kill(process, broker)
    end, told = broker.committed[0].offset, len(list(committed_alerts(broker, OPTIONS)))
    feed(broker, plant, 40)
    log.low = broker.draw.randint(metadata(broker).r + 1, end + 3)
    start = max(end, log.low)
    process = a_service(broker)
    serve(process, broker)
    new = list(committed_alerts(broker, OPTIONS))[told:]
    assert all(alert["source"]["offset"] >= start for alert in new)
    *lost, said = statuses(broker)
    assert [notice["details"] for notice in lost] == ([{"lost": log.low - end}] if log.low > end else [])
    assert (said["kind"], said["offset"], said["details"]["oldest"]) == ("data.history_lost", start, log.low)
    assert process.service.counts["history_lost"] == said["details"]["count"]
    states = process.states()[0]
    kill(process, broker)
    process = a_service(broker)
    for _ in range(TURNS):
        process.service.turn()
        if process.service.is_live:
            break
    assert differences(process.states()[0], states) == []
    feed(broker, plant, 20)
    serve(process, broker)
    assert statuses(broker) == [*lost, said]
    tells_of_lives(list(committed_alerts(broker, OPTIONS)))


# --- the bundle that scored last


@given(seed=st.integers(0, 10**6), size=st.integers(20, 100))
def test_what_the_heir_of_a_bundle_makes_of_the_replay_is_told_by_no_life(seed: int, size: int) -> None:
    """It scores from the committed offset on, says so once, and goes on with the incidents that subscribers know."""
    log = Log(max_replay=200)
    whole = records(seed, size + 60)
    running = log.start(len(whole))
    told = [event for event, _ in running.take(cut(whole, 0, size // 2)).events]
    log.commit(running)
    told += [event for event, _ in running.take(cut(whole, size // 2, size)).events]
    log.commit(running)
    log.definition = HEIR
    heir, at = log.start(len(whole)), size
    assert heir.take(cut(whole, heir.position, at)).events == []
    assert [(n.kind, n.offset, n.details) for n in heir.notices] == [
        ("detector.bundle_activated", size, {"from": "v1", "to": "v2", "frames": "kept"})
    ]
    for end in range(at + 5, len(whole) + 1, 5):
        told += [event for event, _ in heir.take(cut(whole, at, end)).events]
        at = end
        log.commit(heir)
        later = log.start(len(whole))
        assert later.take(cut(whole, later.position, at)).events == []
        assert later.notices == []
        assert state_of(later) == state_of(heir)
    tells_of_lives(told)


def test_an_heir_with_other_sensors_starts_at_the_committed_offset_and_its_next_life_is_exact() -> None:
    """No snapshot of the old sensors outlives its first commit."""
    log, whole = Log(max_replay=200), records(5, 90)
    running = log.start(len(whole))
    running.take(cut(whole, 0, 60))
    running.must_all_snapshots()
    log.commit(running)
    log.definition = replace(
        a_definition(a_spec(window=2, smoothing=3, sensors=3), a_policy(max_missing=2), Rules(close_after=2), q=0.7),
        version="v2",
    )
    heir = log.start(len(whole))
    assert [notice.details["frames"] for notice in heir.notices] == ["dropped"]
    log.commit(heir)
    heir.take(cut(whole, 60, 75))
    log.commit(heir)
    later = log.start(len(whole))
    later.take(cut(whole, later.position, 75))
    assert state_of(later) == state_of(heir)


def test_a_partition_waits_for_the_bundle_that_scored_it_and_the_others_are_served() -> None:
    """Its versions do not go back and forth: nobody but that bundle scores what comes next."""
    broker = a_broker(3, 2)
    plant = Plant(broker.draw, 1)
    process = a_service(broker, Shelf(2))
    feed(broker, plant, 60)
    serve(process, broker)
    kill(process, broker)
    shelf = Shelf(1)
    shelf.mounted = False
    process = a_service(broker, shelf)
    feed(broker, plant, 20)
    for i in range(20):
        said = {"time": (START + i * SECOND) // 1_000_000, "s0": 0.1, "s1": 0.1}
        broker.logs["in", 1].append(Entry(b"other", json.dumps(said).encode(), (), SENT_AT_MS))
    at = broker.committed[0]
    serve(process, broker, (1,))
    assert metadata(broker, 1).b == "v1"
    assert broker.committed[0] == at
    assert process.service._recovery.waits[0] == "its bundle v2: the registry shows nothing; is it mounted?"
    shelf.mounted, shelf.newest = True, 2
    serve(process, broker, (0, 1))
    assert {decode_metadata(c.metadata).b for c in broker.history if c.partition == 0} == {"v2"}  # type: ignore[union-attr]
    assert [s["details"]["to"] for s in statuses(broker) if s["partition"] == 0] == []
    tells_of_lives(list(committed_alerts(broker, OPTIONS)))


@pytest.mark.parametrize("seed", range(12))
def test_a_bundle_that_is_gone_for_good_is_followed_by_the_served_one_as_at_a_swap(seed: int) -> None:
    """Said once, from the committed offset on; what the other bundle makes of the replay is told to nobody."""
    broker = a_broker(seed)
    plant = Plant(broker.draw, 1)
    process = a_service(broker, Shelf(2))
    feed(broker, plant, 80)
    serve(process, broker)
    kill(process, broker)
    end, told = broker.committed[0].offset, len(list(committed_alerts(broker, OPTIONS)))
    shelf = Shelf(1)
    shelf.gone = {"v2"}
    feed(broker, plant, 40)
    process = a_service(broker, shelf)
    serve(process, broker)
    new = list(committed_alerts(broker, OPTIONS))[told:]
    assert all(alert["source"]["offset"] >= end for alert in new)
    assert {alert["model_version"] for alert in new} <= {"v1"}
    (said,) = statuses(broker)
    assert (said["kind"], said["offset"]) == ("detector.bundle_activated", end)
    assert said["details"] == {"from": "v2", "to": "v1", "frames": "kept"}
    assert metadata(broker).b == "v1"
    tells_of_lives(list(committed_alerts(broker, OPTIONS)))


# --- a state topic that is too short


class Cable(Wire):
    """A line that can be cut."""

    cut = False

    def ask(self, call: str, timeout: float, effect: Any) -> Any:
        if not self.cut:
            return super().ask(call, timeout, effect)
        if call == "consume":
            return []
        return self._time_out(timeout)


class Reader:
    """A recovery that reads snapshots up to offset 2 of a state topic that is shorter."""

    def __init__(self) -> None:
        self.broker = a_broker()
        self.state = self.broker.logs["state", 0]
        said = CommitMetadata(f=FORMAT, r=3, s=0, l=2, t=START, i="id", o="one", b="v1")
        self.broker.committed[0] = Committed(0, 3, encode_metadata(said))
        for offset in range(3):
            self.broker.logs["in", 0].append(Entry(b"a", b"{}", (), SENT_AT_MS + offset))
        self.wire = Cable("one", self.broker, lambda wire: None)
        consumer = MemoryConsumer(self.wire, OPTIONS, lambda error: None)
        assignment = Assignment("in", lambda number: self.partition, lambda: None, lambda: None)
        self.partition = Partition(0, definition(1, False), decoder(), Owners())
        assignment.partitions[0] = self.partition
        self.recovery = Recovery(
            OPTIONS,
            cast(Consumer, consumer),
            lambda: cast(Consumer, MemoryReader(self.wire)),
            lambda: "id",
            assignment,
            self.bundle,
            lambda: self.broker.now,
        )

    def bundle(self, version: str) -> tuple[Definition, Decoder]:
        raise AssertionError("it has the bundle")

    def read(self, seconds: float) -> None:
        until = self.broker.now + seconds
        while self.broker.now < until:
            self.recovery.step()
            self.broker.advance(0.01)

    def complete(self) -> None:
        """What was on its way arrives."""
        self.state.append(Entry(b"x", b"of another format"))
        self.state.append(Entry(b"y", b"of another format"))
        self.read(3.0)
        assert self.partition.is_live


def test_a_state_topic_that_stays_too_short_ends_the_process_with_what_to_do() -> None:
    reader = Reader()
    begun = reader.broker.now
    with pytest.raises(BrokerError, match="readable end is 0, the last commit wrote up to 2.*made anew"):
        reader.read(3 * SHORT_ANSWERS)
    assert reader.broker.now - begun >= SHORT_ANSWERS


def test_a_broker_that_is_away_while_snapshots_are_read_is_no_short_state_topic() -> None:
    reader = Reader()
    reader.read(SHORT_ANSWERS / 2)
    reader.wire.cut = True
    reader.read(10 * SHORT_ANSWERS)
    reader.wire.cut = False
    reader.read(SHORT_ANSWERS / 2)
    reader.complete()


def test_a_process_that_was_frozen_while_it_read_snapshots_goes_on_reading() -> None:
    reader = Reader()
    reader.read(2.0)
    reader.broker.advance(100 * SHORT_ANSWERS)
    reader.read(2.0)
    reader.complete()
