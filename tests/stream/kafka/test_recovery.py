"""Recovery without the bundle that scored or without the state topic, for a while or for good."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
from confluent_kafka import Consumer
from hypothesis import given
from hypothesis import strategies as st

from stream.detect.definition import Definition
from stream.errors import BrokerError
from stream.intake.decode import Decoder
from stream.kafka.assignment import Assignment
from stream.kafka.partition import Partition
from stream.kafka.recovery import Recovery
from stream.kafka.state.owners import Owners
from stream.kafka.state.snapshot_reader import SHORT_ANSWERS
from stream.kafka.state.state_topic import FORMAT, CommitMetadata, decode_metadata, encode_metadata
from tests.simulation.alone import OPTIONS, Shelf, a_broker, a_service, feed, kill, metadata, serve, statuses
from tests.simulation.memory_broker.broker import Committed
from tests.simulation.memory_broker.consumer import MemoryConsumer, MemoryReader
from tests.simulation.memory_broker.log import Entry
from tests.simulation.memory_broker.wire import Wire
from tests.simulation.oracle import check_lives, committed_alerts, name_of
from tests.simulation.plant import SENT_AT_MS, Plant, decoder, definition
from tests.simulation.silent_logs import silent_logs
from tests.stream.kafka.test_partition import Log, cut, records, state_of
from tests.support.builders import SECOND, START, a_definition, a_policy, a_rules, a_spec

TURNS = 3000
HEIR = replace(
    a_definition(
        a_spec(window=2, smoothing=3, sensors=2),
        a_policy(max_carry=2, max_missing=1),
        a_rules(close_after=2),
        q=0.7,
        seed=3,
    ),
    version="v2",
)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with silent_logs():
        yield


# --- the bundle that scored last


@given(seed=st.integers(0, 10**6), size=st.integers(20, 100))
def test_events_that_another_bundle_derives_in_the_replay_are_never_published(seed: int, size: int) -> None:
    """It scores from the committed offset on, reports it once, and keeps the incidents that subscribers know."""
    log = Log(max_replay=200)
    whole = records(seed, size + 60)
    running = log.start(len(whole))
    published = [event for event, _ in running.process(cut(whole, 0, size // 2)).events]
    log.commit(running)
    published += [event for event, _ in running.process(cut(whole, size // 2, size)).events]
    log.commit(running)
    log.definition = HEIR
    heir, at = log.start(len(whole)), size
    assert heir.process(cut(whole, heir.position, at)).events == []
    assert [(n.kind, n.offset, n.details) for n in heir.status_events] == [
        ("detector.bundle_activated", size, {"from": "v1", "to": "v2", "frames": "kept"})
    ]
    for end in range(at + 5, len(whole) + 1, 5):
        published += [event for event, _ in heir.process(cut(whole, at, end)).events]
        at = end
        log.commit(heir)
        later = log.start(len(whole))
        assert later.process(cut(whole, later.position, at)).events == []
        assert later.status_events == []
        assert state_of(later) == state_of(heir)
    check_lives((e.series, e.alert_id, e.sequence, e.state) for e in published)


@given(seed=st.integers(0, 10**6))
def test_a_bundle_with_other_sensors_keeps_clocks_and_incidents_and_its_next_restart_is_exact(seed: int) -> None:
    """Snapshots of the old sensors are never restored as frames of the new ones, however long they stay."""
    log, whole = Log(max_replay=200), records(seed, 90)
    running = log.start(len(whole))
    published = [event for event, _ in running.process(cut(whole, 0, 40)).events]
    running.require_all_snapshots()
    log.commit(running)
    published += [event for event, _ in running.process(cut(whole, 40, 60)).events]
    log.commit(running)
    log.definition = replace(
        a_definition(a_spec(window=2, smoothing=3, sensors=3), a_policy(max_missing=2), a_rules(close_after=2), q=0.7),
        version="v2",
    )
    heir = log.start(len(whole))
    assert heir.process(cut(whole, heir.position, 60)).events == []
    assert [event.details["frames"] for event in heir.status_events] == ["dropped"]
    for at in (60, 75):
        log.commit(heir)
        later = log.start(len(whole))
        assert later.process(cut(whole, later.position, at)).events == []
        assert state_of(later) == state_of(heir)
        published += [event for event, _ in heir.process(cut(whole, at, at + 15)).events]
    check_lives((e.series, e.alert_id, e.sequence, e.state) for e in published)


def test_a_partition_waits_for_the_bundle_that_scored_it_and_the_others_are_served() -> None:
    """Versions do not go back and forth: only that bundle scores the next readings."""
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
        document = {"time": (START + i * SECOND) // 1_000_000, "s0": 0.1, "s1": 0.1}
        broker.logs["in", 1].append(Entry(b"other", json.dumps(document).encode(), (), SENT_AT_MS))
    at = broker.committed[0]
    serve(process, broker, (1,))
    assert metadata(broker, 1).bundle == "v1"
    assert broker.committed[0] == at
    assert process.service._recovery.waits[0] == "its bundle v2: the registry shows nothing; is it mounted?"
    shelf.mounted, shelf.newest = True, 2
    serve(process, broker, (0, 1))
    assert {decode_metadata(c.metadata).bundle for c in broker.history if c.partition == 0} == {"v2"}  # type: ignore[union-attr]
    assert [s["details"]["to"] for s in statuses(broker) if s["partition"] == 0] == []
    check_lives(map(name_of, committed_alerts(broker, OPTIONS)))


@pytest.mark.parametrize("seed", range(12))
def test_a_bundle_that_is_gone_for_good_is_replaced_by_the_served_one_as_at_a_swap(seed: int) -> None:
    """Reported once, from the committed offset on; events that the other bundle derives in the replay are dropped."""
    broker = a_broker(seed)
    plant = Plant(broker.draw, 1)
    process = a_service(broker, Shelf(2))
    feed(broker, plant, 80)
    serve(process, broker)
    kill(process, broker)
    end, count = broker.committed[0].offset, len(list(committed_alerts(broker, OPTIONS)))
    shelf = Shelf(1)
    shelf.gone = {"v2"}
    feed(broker, plant, 40)
    process = a_service(broker, shelf)
    serve(process, broker)
    new = list(committed_alerts(broker, OPTIONS))[count:]
    assert all(alert["source"]["offset"] >= end for alert in new)
    assert {alert["model_version"] for alert in new} <= {"v1"}
    (event,) = statuses(broker)
    assert (event["kind"], event["offset"]) == ("detector.bundle_activated", end)
    assert event["details"] == {"from": "v2", "to": "v1", "frames": "kept"}
    assert metadata(broker).bundle == "v1"
    check_lives(map(name_of, committed_alerts(broker, OPTIONS)))


# --- a state topic that is too short


class Cable(Wire):
    """A connection that can be cut."""

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
        metadata = CommitMetadata(
            format=FORMAT,
            replay_from=3,
            state_start=0,
            state_end=2,
            stream_time=START,
            topic_id="id",
            instance="one",
            bundle="v1",
        )
        self.broker.committed[0] = Committed(0, 3, encode_metadata(metadata, 0))
        for offset in range(3):
            self.broker.logs["in", 0].append(Entry(b"a", b"{}", (), SENT_AT_MS + offset))
        self.wire = Cable("one", self.broker, lambda wire: None)
        consumer = MemoryConsumer(self.wire, OPTIONS)
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
        """Appends the missing snapshots."""
        self.state.append(Entry(b"x", b"of another format"))
        self.state.append(Entry(b"y", b"of another format"))
        self.read(3.0)
        assert self.partition.is_live


def test_a_state_topic_that_stays_too_short_ends_the_process_with_what_to_do() -> None:
    reader = Reader()
    begun = reader.broker.now
    with pytest.raises(BrokerError, match=r"readable end is 0, the last commit wrote up to 2.*created again"):
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
