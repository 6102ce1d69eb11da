"""Roll-back: records that were fetched and not published are fetched again, and no commit passes them."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from deploy.kafka.broker import Broker
from stream.detect.definition import Definition
from stream.intake.columns import Decoded
from stream.intake.decode import Decoder
from stream.kafka.assignment import Assignment
from stream.kafka.partition import Partition
from stream.kafka.state.owners import Owners
from stream.kafka.state.resume_point import ResumePoint
from stream.serve.service import Service
from stream.settings.serve import ServeSettings
from tests.conftest import MakeTopic
from tests.simulation.memory_broker.broker import Broker as MemoryBroker
from tests.simulation.memory_broker.group import Group
from tests.simulation.memory_broker.log import Entry
from tests.simulation.memory_broker.wire import Kind, Wire
from tests.simulation.plant import SENT_AT_MS, Releases
from tests.simulation.process import a_process
from tests.stream.serve.test_service import SERIES, SPEC, Stream, published_alerts, same_in_order
from tests.support.builders import a_definition, a_spec, fields
from tests.support.kafka_options import kafka_options
from tests.support.live import PARTITIONS, Live, read_committed
from tests.support.options import changed


class FaultyClock:
    """A clock that fails once, at its third call after it was armed: some alerts are produced by then, not all."""

    def __init__(self) -> None:
        self.armed: int | None = None
        self.now = 0.0

    def arm(self) -> None:
        self.armed = 3 if self.armed is None else self.armed

    def __call__(self) -> float:
        if self.armed is not None and self.armed > -1:
            self.armed -= 1
            if self.armed == 0:
                self.armed = -1
                raise MemoryError("no memory left in the middle of publishing")
        self.now += 0.001
        return self.now


class ArmingDecoder(Decoder):
    """Arms the clock when it has decoded a batch: the batch is processed, and publishing it fails."""

    clock: FaultyClock

    def decode(
        self,
        values: Sequence[bytes | None],
        keys: Sequence[bytes | None],
        positions: Sequence[int],
        timestamps_ms: Sequence[int],
    ) -> Decoded:
        self.clock.arm()
        return super().decode(values, keys, positions, timestamps_ms)


def test_an_unexpected_error_while_publishing_commits_nothing(tmp_path: Path, broker: Broker, topic: MakeTopic) -> None:
    """Closing runs the revoke callback, whose commit must not cover unpublished events."""
    live = Live(tmp_path, broker.bootstrap, topic, a_definition(a_spec(**SPEC), q=2.0, series=SERIES[:8]))
    stream = Stream(2_000)
    live.send(stream.messages())
    clock = FaultyClock()

    def decoder(served: Definition) -> Decoder:
        made = ArmingDecoder(fields(), served.sensors, None)
        made.clock = clock
        return made

    options = kafka_options(
        group=f"g-{live.input}",
        instance="one",
        input=live.input,
        alerts=live.alerts,
        dead_letters=live.dead,
        state=live.state,
        status=live.status,
        open_incidents=live.open,
        mutes=live.mutes,
        scores=None,
        common={"bootstrap.servers": broker.bootstrap},
        session_timeout_ms=6000,
    )
    serve = ServeSettings.model_validate({"unwatched_after": "1000d"})
    with pytest.raises(MemoryError, match="in the middle of publishing"):
        Service(options, serve, live.definition, decoder, clock).run()
    asker = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": options.group})
    offsets = asker.committed([TopicPartition(live.input, p) for p in range(PARTITIONS)], timeout=20)
    asker.close()
    assert all(tp.offset < 0 for tp in offsets), "nothing may be committed"
    assert read_committed(broker.bootstrap, live.alerts) == []
    process = live.start()
    live.wait_for_all()
    live.stop(process)
    live.close()
    same_in_order(published_alerts(live), stream.alerts(live.definition))


def test_an_abort_that_is_fenced_does_not_hide_the_error_that_ends_the_process() -> None:
    """The exit code is that of the error, not that of a twin."""
    broker = MemoryBroker(
        {"in": 1, "alerts": 1, "dead": 1, "state": 1, "status": 1, "open": 1}, Group(1), random.Random(0)
    )
    broker.logs["in", 0].append(Entry(b"a", b"no reading", (), SENT_AT_MS))

    def fail(wire: Wire) -> None:
        assert transaction.begun_at is not None, "there is something to abort"
        broker.init("one")
        raise MemoryError("no memory left")

    options = kafka_options("g", "", "in", "alerts", "dead", "state", "status", None, {})
    process = a_process(
        "one", broker, options, changed(ServeSettings(), commit_interval=10**18), fail, Releases(ticks=False)
    )
    transaction = process.service._transaction
    transaction.prepare()
    transaction.begin()
    broker.init("one")
    transaction.abort()
    process.wire.arm(Kind.FREEZE, "consume", 30)
    with pytest.raises(MemoryError, match="no memory left"):
        process.service.run()
    assert broker.history == []


def test_partitions_with_fetched_records_that_were_not_processed_are_rolled_back_too() -> None:
    """A failed transaction ends the turn: the records of the partitions after it must be fetched again."""
    definition = a_definition()

    def make(number: int) -> Partition:
        return Partition(number, definition, Decoder(fields(), definition.sensors, None), Owners())

    assignment = Assignment("in", make, lambda: None, lambda: None)
    for number in range(3):
        assignment.partitions[number] = make(number)
        assignment.partitions[number].begin(ResumePoint(10, 10, 0, 0, ""), 0)
    assignment.roll_back({1: "records fetched in this turn"})
    assert [p.rolled_back for p in assignment.partitions.values()] == [False, True, False]
