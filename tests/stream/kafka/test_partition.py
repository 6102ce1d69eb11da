"""restore(C) = run(0..C), bit for bit: for random streams, snapshot schedules, retirement and every commit."""

import json
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.counters import Count
from stream.detect.definition import Definition
from stream.detect.policy import Learning
from stream.intake.decode import Decoder
from stream.kafka.partition import Partition
from stream.kafka.records import Records
from stream.kafka.state.owners import Owners
from stream.kafka.state.resume_point import PartitionOffsets, resume_point_of
from stream.kafka.state.state_topic import CommitMetadata, decode_snapshot
from tests.support.builders import SECOND, START, a_definition, a_policy, a_rules, a_spec, fields

DEFINITION = a_definition(
    a_spec(window=2, smoothing=3, sensors=2), a_policy(max_carry=2, max_missing=1), a_rules(close_after=2), q=0.7
)
NAMES = ("a", "b", "c", "d")


def records(seed: int, n: int, first: int = 0) -> Records:
    """Messages of one to three readings; each series has its own speed and pauses, late and duplicate times."""
    draw = np.random.default_rng(seed)
    clock = {name: START + int(draw.integers(0, 30)) * SECOND for name in NAMES}
    values = []
    for _ in range(n):
        readings = []
        for _ in range(int(draw.choice([1, 1, 1, 2, 3]))):
            name = str(draw.choice(NAMES, p=[0.6, 0.25, 0.1, 0.05]))
            clock[name] += int(draw.choice([1, 1, 1, 1, 0, -1, 4, 60])) * SECOND
            row: list[float | None] = (draw.normal(size=2) * (4 if draw.random() < 0.2 else 1)).tolist()
            row = [None if draw.random() < 0.1 else value for value in row]
            readings.append({"time": clock[name] // 1_000_000, "series": name, "s0": row[0], "s1": row[1]})
        values.append(json.dumps(readings if len(readings) > 1 else readings[0]).encode())
    return Records([b"k"] * n, values, list(range(first, first + n)), [START // 1_000_000] * n, [None] * n)  # type: ignore[list-item]


def reading(offset: int, second: int, series: str = "a") -> Records:
    """One message of a series, `second` s after the start."""
    value = json.dumps({"time": (START + second * SECOND) // 1_000_000, "series": series, "s0": 1, "s1": 1}).encode()
    return Records([b"k"], [value], [offset], [START // 1_000_000], [None])  # type: ignore[list-item]


@dataclass
class Log:
    """State topic and committed offset of one partition, as plain lists."""

    definition: Definition = DEFINITION
    retire_after_ns: int | None = None
    max_replay: int = 25
    unwatched_after_ns: int | None = None
    late: str = "count"
    state: list[tuple[str, bytes | None]] = field(default_factory=list)
    metadata: CommitMetadata | None = None
    committed: int | None = None

    def decoder(self) -> Decoder:
        return Decoder(fields(series="series", late=self.late), self.definition.sensors, None)

    def partition(self, number: int = 0, owners: Owners | None = None) -> Partition:
        after = self.retire_after_ns, self.unwatched_after_ns
        return Partition(number, self.definition, self.decoder(), owners or Owners(), *after)

    def start(self, high: int, owners: Owners | None = None, low: int = 0) -> Partition:
        """A partition restored from the last commit, before its replay; `low`: offset of the oldest reading."""
        point = resume_point_of(PartitionOffsets(0, self.committed, self.metadata, low, high, "id", len(self.state)))
        partition, newest = self.partition(owners=owners), dict[str, bytes | None]()
        for series, record in self.state[point.state_start : point.state_end]:
            newest[series] = record
        snapshots = [decode_snapshot(record) for record in newest.values() if record is not None]
        partition.restore([s for s in snapshots if s is not None], point)
        partition.begin(point, point.state_end)
        return partition

    def commit(self, partition: Partition) -> None:
        partition.retire_expired()
        for series, record in partition.due_snapshots(self.max_replay):
            self.state.append((series, record))
            partition.snapshot_end = len(self.state)
        self.metadata, self.committed = partition.metadata("one"), partition.position
        partition.pop_status_events()
        partition.mark_committed()


def state_of(partition: Partition) -> dict[str, bytes]:
    detector = partition.detector
    return {name: msgspec.msgpack.encode(detector.snapshot(name)) for name in detector.slots.names()}


def cut(whole: Records, start: int, end: int) -> Records:
    return whole.split(end)[0].split(start)[1]


@pytest.mark.parametrize("retire_after_s", [None, 20, 200])
@given(seed=st.integers(0, 10**6), sizes=st.lists(st.integers(1, 40), min_size=2, max_size=8), batch=st.integers(1, 50))
def test_a_restored_partition_is_the_one_that_never_stopped(
    retire_after_s: int | None, seed: int, sizes: list[int], batch: int
) -> None:
    """State, stream time and later events, at every commit, replayed in batches of another size."""
    log = Log(retire_after_ns=None if retire_after_s is None else retire_after_s * SECOND)
    whole = records(seed, sum(sizes))
    running, at = log.start(len(whole)), 0
    for size in sizes:
        running.process(cut(whole, at, at + size))
        at += size
        log.commit(running)
        assert running.position - running.replay_from <= log.max_replay
        restored = log.start(len(whole))
        for start in range(restored.position, at, batch):
            result = restored.process(cut(whole, start, min(start + batch, at)))
            assert result.events == [], "events before C are not published again"
        assert restored.is_live
        assert restored.pending() is None
        assert state_of(restored) == state_of(running)
        assert restored.clock.stream_time == running.clock.stream_time
        assert restored.clock.watch_time == running.clock.watch_time
        rest = cut(whole, at, at + 30)
        assert [e for e, _ in restored.process(rest).events] == [
            e for e, _ in log_twin(log, whole, at).process(rest).events
        ]


@given(seed=st.integers(0, 10**6), batch=st.integers(1, 50))
def test_late_readings_are_dead_letters_by_a_setting_once_and_whatever_the_batches(seed: int, batch: int) -> None:
    """A replay gives none again; they are counted as dead and not as late."""
    whole = records(seed, 60)
    kept, counted = Log(late="dead"), Log().start(60)
    counted.process(whole)
    late = counted.uncommitted_counts[Count.LATE]
    one, other = kept.start(60), kept.start(60)
    dead = one.process(whole).dead
    assert sum(letter.reason == "late" for letter in dead) == late
    counts = one.uncommitted_counts
    assert (counts[Count.LATE], counts[Count.DEAD], counts[Count.DEAD_LATE]) == (0, len(dead), late)
    ends = Count.USED, Count.LATE, Count.DUPLICATE, Count.IGNORED, Count.DEAD, Count.UNCONFIRMED
    assert counts[Count.RECEIVED] == sum(counts[end] for end in ends)
    parts = [cut(whole, start, start + batch) for start in range(0, 60, batch)]
    pieces = [letter for part in parts for letter in other.process(part).dead]
    assert sorted(pieces, key=lambda letter: letter.reason) == sorted(dead, key=lambda letter: letter.reason)
    kept.commit(one)
    again = kept.start(60)
    replayed = cut(whole, again.position, 60)
    assert not len(replayed) or again.process(replayed).dead == ()


def log_twin(log: Log, whole: Records, at: int) -> Partition:
    """A partition that has processed everything below `at` in one batch."""
    twin = Log(log.definition, log.retire_after_ns, unwatched_after_ns=log.unwatched_after_ns).start(len(whole))
    twin.process(cut(whole, 0, at))
    return twin


def test_a_series_that_was_retired_leaves_the_state_topic_once_no_replay_passes_it() -> None:
    log = Log(retire_after_ns=10 * SECOND, max_replay=5)

    def message(i: int, series: str, second: int) -> Records:
        value = json.dumps(
            {"time": (START + second * SECOND) // 1_000_000, "series": series, "s0": 1, "s1": 1}
        ).encode()
        return Records([b"k"], [value], [i], [START // 1_000_000], [None])  # type: ignore[list-item]

    running = log.start(100)
    for i in range(30):
        running.process(reading(i, i, "gone" if i == 0 else "here"))
        log.commit(running)
    assert list(running.detector.slots.names()) == ["here"]
    assert ("gone", None) in log.state
    assert list(log.start(100).detector.slots.names()) == ["here"]


def test_two_partitions_with_the_same_series_score_it_in_the_first_and_refuse_it_in_the_second() -> None:
    """The refusal is in the state topic, so a restart decides the same. All its readings become dead letters."""
    first, second, owners = Log(), Log(), Owners()
    one, two = first.partition(1, owners), second.partition(2, owners)
    for partition, log in ((one, first), (two, second)):
        partition.begin(resume_point_of(PartitionOffsets(partition.number, None, None, 0, 99, "id", 0)), 0)
        assert log.committed is None
    whole = records(1, 40)
    one.process(whole)
    result = two.process(whole)
    assert result.events == []
    assert {dead.reason for dead in result.dead} == {"series_in_two_partitions"}
    assert two.uncommitted_counts[Count.RECEIVED] == two.uncommitted_counts[Count.DEAD] == len(result.dead)
    assert {event.kind for event in two.status_events} == {"data.series_in_two_partitions"}
    second.commit(two)
    again = second.start(99, Owners(lambda number: number == 1))
    assert again.process(cut(records(1, 80), 40, 80)).events == []
    assert list(again.detector.slots.names()) == []
    alone = second.start(99, Owners())
    reasons = {dead.reason for dead in alone.process(cut(records(1, 80), 40, 80)).dead}
    assert "series_in_two_partitions" not in reasons, "nobody here has the series any more"


def test_a_series_that_has_moved_to_another_partition_is_scored_there() -> None:
    """The number of partitions was raised: after `max_gap` without readings in the old one, the new one has it."""
    log, owners = Log(), Owners()
    one, two = log.partition(1, owners), log.partition(2, owners)
    for partition in (one, two):
        partition.begin(resume_point_of(PartitionOffsets(partition.number, None, None, 0, 99, "id", 0)), 0)

    one.process(reading(0, 0))
    assert len(two.process(reading(0, 1)).dead) == 1
    assert len(two.process(reading(1, 6)).dead) == 0
    assert list(two.detector.slots.names()) == ["a"]
    assert list(one.detector.slots.names()) == []
    assert one.needs_commit
    assert [event.kind for event in one.status_events] == ["data.series_retired"]


def test_after_a_swap_to_other_sensors_a_restart_finds_what_the_running_process_has() -> None:
    """Frames are gone, clocks and incidents are not; no snapshot of the old sensors is restored for the new ones."""
    log = Log()
    whole = records(5, 90)
    running = log.start(len(whole))
    running.process(cut(whole, 0, 40))
    running.require_all_snapshots()
    log.commit(running)
    three = a_definition(
        a_spec(window=2, smoothing=3, sensors=3), a_policy(max_carry=2, max_missing=2), a_rules(close_after=2), q=0.7
    )
    log.definition = replace(three, version="v2")
    running.swap(log.definition, Decoder(fields(series="series"), log.definition.sensors, None))
    assert [event.details["frames"] for event in running.status_events] == ["dropped"]
    log.commit(running)
    running.process(cut(whole, 40, 60))
    log.commit(running)
    restored = log.start(len(whole))
    restored.process(cut(whole, restored.position, 60))
    assert state_of(restored) == state_of(running)
    rest = cut(whole, 60, 90)
    assert [e for e, _ in restored.process(rest).events] == [e for e, _ in running.process(rest).events]


def test_a_warm_swap_to_other_thresholds_forgets_what_was_learned_also_for_a_restart() -> None:
    """With the same thresholds it is kept; either way a restart finds what the running process has."""
    learning = Learning(share=0.1, block=5, horizon=50, bound=2.0, moved_least=15, moved_after=15)
    whole = records(5, 120)

    def learns(q: float) -> Definition:
        return a_definition(DEFINITION.spec, DEFINITION.policy, DEFINITION.rules, q=q, learning=learning)

    for q, kept in ((0.7, True), (0.9, False)):
        log = Log(learns(0.7))
        running = log.start(len(whole))
        running.process(cut(whole, 0, 80))
        running.require_all_snapshots()
        log.commit(running)
        before, written = running.detector.snapshot("a").usual, len(log.state)
        log.definition = replace(learns(q), version=f"v{q}")
        running.swap(log.definition, log.decoder())
        assert [event.details["frames"] for event in running.status_events] == ["kept"]
        assert (running.detector.snapshot("a").usual == before) is kept
        log.commit(running)
        assert (len(log.state) == written) is kept, "what was forgotten is written"
        running.process(cut(whole, 80, 120))
        log.commit(running)
        restored = log.start(len(whole))
        restored.process(cut(whole, restored.position, 120))
        assert state_of(restored) == state_of(running)


def test_the_incident_of_a_series_that_moves_is_resolved_without_a_batch_of_its_old_partition() -> None:
    """The commit that covers the move must publish its `resolved`."""
    log, owners = Log(), Owners()
    one, two = log.partition(1, owners), log.partition(2, owners)
    for partition in (one, two):
        partition.begin(resume_point_of(PartitionOffsets(partition.number, None, None, 0, 99, "id", 0)), 0)
    opened: list[str] = []
    for i in range(30):
        value = json.dumps({"time": (START + i * SECOND) // 10**6, "series": "a", "s0": 9 * (i % 2), "s1": 0}).encode()
        result = one.process(Records([b"a"], [value], [i], [START // 10**6], [None]))  # type: ignore[list-item]
        opened += [event.state for event, _ in result.events]
    assert opened == ["opened"] or opened[-1] != "resolved", "an incident must be open"
    assert one.pending() is None
    two.process(reading(0, 100))
    pending = one.pending()
    assert pending is not None
    assert [(event.state, event.reason) for event, _ in pending.events] == [("resolved", "silent")]
    assert one.pending() is None


def test_the_end_of_the_partition_holds_until_more_is_processed() -> None:
    """In any order in which records and the end come out of one call."""
    partition = Log().partition()
    partition.begin(resume_point_of(PartitionOffsets(0, None, None, 0, 99, "id", 0)), 0)
    assert not partition.at_end
    partition.end = 1
    partition.process(reading(0, 0))
    assert partition.at_end
    partition.process(reading(1, 1))
    assert not partition.at_end
