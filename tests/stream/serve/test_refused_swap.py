"""A bundle swap that the broker refuses is tried again, then refused for this pair of versions, and reported."""

import json
import random
from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError

from stream.kafka.state.state_topic import decode_metadata
from stream.serve.bundle_swap import MAX_SWAPS
from stream.settings.serve import ServeSettings
from tests.simulation.memory_broker.broker import Broker, fault
from tests.simulation.memory_broker.group import Group
from tests.simulation.memory_broker.log import Entry
from tests.simulation.oracle import HEARTBEAT, Pass, check_published
from tests.simulation.plant import SENT_AT_MS, Plant, Releases
from tests.simulation.process import a_process
from tests.support.kafka_options import kafka_options
from tests.support.options import changed


class Refusing(Broker):
    """Refuses commits of the second bundle, `patience` times."""

    refused, patience = 0, 1_000_000

    def add_offsets(
        self,
        name: str,
        epoch: int,
        timeout: float,
        offsets: Mapping[int, tuple[int, str]],
        member: str,
        generation: int,
    ) -> None:
        metadata = [decode_metadata(text) for _, text in offsets.values()]
        if self.refused < self.patience and any(one is not None and one.bundle == "v2" for one in metadata):
            self.refused += 1
            raise fault(KafkaError.OFFSET_METADATA_TOO_LARGE, "more than it takes", abort=True)
        super().add_offsets(name, epoch, timeout, offsets, member, generation)


class InMemory:
    """A service with one partition that looks up its bundle at every turn; its broker refuses the second bundle."""

    def __init__(self) -> None:
        self.broker = Refusing(
            {"in": 1, "alerts": 1, "dead": 1, "state": 1, "status": 1, "open": 1}, Group(1), random.Random(0)
        )
        self.options = kafka_options("g", "", "in", "alerts", "dead", "state", "status", None, {})
        self.releases = Releases(ticks=False)
        self._plant = Plant(random.Random(0), 1)
        serve = changed(
            ServeSettings(), commit_interval=20_000_000, bundle_poll=0, unwatched_after=10**18, heartbeat=HEARTBEAT
        )
        process = a_process("one", self.broker, self.options, serve, lambda wire: None, self.releases)
        self.service = process.service
        self.service.open()

    def serve(self, readings: int = 60, turns: int = 100) -> None:
        for _ in range(readings):
            _, key, value = self._plant.reading()
            self.broker.logs["in", 0].append(Entry(key, value, (), SENT_AT_MS))
        for _ in range(turns):
            self.service.turn()
            self.broker.background(1.0)

    def status_events(self, kind: str) -> list[dict[str, Any]]:
        """Status events of this kind."""
        events = [json.loads(entry.value or b"") for entry in self.broker.logs["status", 0].committed()]
        return [event for event in events if event["kind"] == kind]

    def versions(self) -> set[str]:
        """Versions of the bundles that scored committed readings."""
        return {metadata.bundle for c in self.broker.history if (metadata := decode_metadata(c.metadata)) is not None}

    def check(self) -> int:
        """Asserts that all is committed, with the alerts of one pass that swaps as reported; returns their number."""
        log = self.broker.logs["in", 0]
        assert self.broker.committed[0].offset == log.end
        one = Pass(self.broker, self.options, 0, (None, None), self.releases.version)
        one.up_to(log.end)
        return check_published(self.broker, self.options, [one])


def test_a_swap_that_fails_again_and_again_is_refused_once_and_the_old_bundle_goes_on() -> None:
    memory = InMemory()
    memory.serve()
    memory.releases.newest = 2
    memory.serve(turns=400)
    memory.serve(turns=400)
    assert memory.broker.refused == MAX_SWAPS
    (event,) = memory.status_events("detector.bundle_refused")
    assert event["details"] == {"version": "v2", "serving": "v1"}
    assert f"failed {MAX_SWAPS} times in a row" in event["message"]
    assert memory.versions() == {"v1"}
    assert memory.status_events("detector.bundle_activated") == []
    assert memory.check() > 20


def test_a_refused_swap_does_not_stand_in_the_way_of_a_later_bundle() -> None:
    """The pair of versions is refused, not the partition."""
    memory = InMemory()
    memory.serve()
    memory.releases.newest = 2
    memory.serve(turns=400)
    memory.releases.newest = 3
    memory.serve()
    assert [event["details"]["to"] for event in memory.status_events("detector.bundle_activated")] == ["v3"]
    assert len(memory.status_events("detector.bundle_refused")) == 1
    assert memory.versions() == {"v1", "v3"}
    assert memory.check() > 20


def test_a_swap_that_fails_less_often_than_that_is_tried_until_it_is_made() -> None:
    memory = InMemory()
    memory.serve()
    memory.broker.patience = MAX_SWAPS - 1
    memory.releases.newest = 2
    memory.serve(turns=400)
    assert memory.broker.refused == MAX_SWAPS - 1
    assert memory.status_events("detector.bundle_refused") == []
    assert [event["details"]["to"] for event in memory.status_events("detector.bundle_activated")] == ["v2"]
    assert memory.check() > 20
