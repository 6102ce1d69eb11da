"""One service on a broker in memory, without faults but those of the test."""

import json
import random
from typing import Any, cast

from stream.detect.definition import Definition
from stream.errors import BundleError
from stream.kafka.state.state_topic import CommitMetadata, decode_metadata
from stream.settings.serve import ServeSettings
from tests.simulation.memory_broker.broker import Broker
from tests.simulation.memory_broker.group import Group
from tests.simulation.memory_broker.log import Entry
from tests.simulation.memory_broker.wire import Wire
from tests.simulation.oracle import SIGHTS
from tests.simulation.plant import SENT_AT_MS, Plant, Releases
from tests.simulation.process import Process, a_process
from tests.support.builders import MS
from tests.support.kafka_options import kafka_options
from tests.support.options import changed

OPTIONS = kafka_options()
SERVE = changed(
    ServeSettings(), batch=5, commit_interval=100 * MS, max_replay=1000, bundle_poll=50 * MS, log_every=10**18
)
TURNS = 3000


class Shelf(Releases):
    """Bundles of which some may be gone, or all while their volume is not mounted."""

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
    topics = {"in": partitions, "alerts": 1, "dead": 1, "state": partitions, "status": 1, "open": 1}
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
    """Runs turns until these partitions are committed to their ends, markers included."""
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
    """All status events but heartbeats, and those of moved levels and of coverage, of which a random plant has many."""
    events = (json.loads(entry.value or b"") for entry in broker.logs["status", 0].committed())
    return [event for event in events if event["kind"] not in (*SIGHTS, "detector.heartbeat")]


def metadata(broker: Broker, partition: int = 0) -> CommitMetadata:
    found = decode_metadata(broker.committed[partition].metadata)
    assert found is not None
    return found
