"""State that a restore gives, from a service on a copy of the broker that ends at the committed offsets."""

import random
from collections.abc import Sequence

from stream.detect.series_state import SeriesState
from stream.kafka.client import KafkaOptions
from stream.kafka.state.state_topic import decode_metadata
from stream.settings.serve import ServeSettings
from tests.simulation.memory_broker.broker import Broker
from tests.simulation.memory_broker.group import Group
from tests.simulation.memory_broker.wire import Wire
from tests.simulation.oracle import Pass, ViolationError, demand, differences
from tests.simulation.plant import Releases
from tests.simulation.process import a_process

TURNS = 1000


def restored(
    broker: Broker, options: KafkaOptions, serve: ServeSettings, releases: Releases
) -> dict[int, dict[str, SeriesState]]:
    """State of every series, by partition. Requires that no offset or marker is pending."""
    copy = Broker(broker.topics, Group(broker.topics[options.input]), random.Random(0), broker.now)
    copy.committed = dict(broker.committed)
    for (topic, partition), log in broker.logs.items():
        found = broker.committed.get(partition)
        ends_at_commit = topic == options.input
        end = (log.low if found is None else found.offset) if ends_at_commit else log.end
        copy.logs[topic, partition] = log.up_to(end)
    process = a_process("onlooker", copy, options, serve, _never, releases)
    process.service.open()
    for _ in range(TURNS):
        if process.service.is_live:
            return process.states()
        process.service.turn()
    raise ViolationError(f"a restore without faults has not ended after {TURNS} turns")


def check_restored(
    broker: Broker, options: KafkaOptions, serve: ServeSettings, releases: Releases, passes: Sequence[Pass]
) -> None:
    """Checks that a restore gives the state of one pass up to the committed offset, bit for bit."""
    found = {partition: decode_metadata(commit.metadata) for partition, commit in broker.committed.items()}
    bundles = {partition: None if one is None else one.bundle for partition, one in found.items()}
    got: dict[int, dict[str, SeriesState]] = {}
    # With a newer version, the onlooker would swap as soon as it is live, and forget what thresholds have learned.
    for version in sorted({v for v in bundles.values() if v is not None}):
        states = restored(broker, options, serve, releases.ending_with(version))
        got |= {partition: state for partition, state in states.items() if bundles.get(partition) == version}
    for partition, commit in sorted(broker.committed.items()):
        wrong = differences(got[partition], passes[partition].up_to(commit.offset))
        demand(not wrong, f"restored at {partition}@{commit.offset}, these series are not as they were: {wrong}")


def _never(wire: Wire) -> None:
    raise AssertionError("nothing strikes an onlooker")
