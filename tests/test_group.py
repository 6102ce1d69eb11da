"""Several consumers of one group: partitions move, and nothing else does."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer

from deploy.kafka.broker import Broker
from tests.builders import a_definition, a_spec
from tests.conftest import MakeTopic
from tests.live import PARTITIONS, Live
from tests.test_consumer import SERIES, SPEC, Stream, same_in_order, told


@pytest.fixture
def live(tmp_path: Path, broker: Broker, topic: MakeTopic) -> Iterator[Live]:
    running = Live(tmp_path, broker.bootstrap, topic, a_definition(a_spec(**SPEC), q=2.0, series=SERIES[:8]))
    yield running
    running.close()


def start(live: Live, instance: str) -> subprocess.Popen[bytes]:
    return live.start(f"kafka.instance={instance}", "serve.batch=200", "serve.commit_interval=100ms")


def test_scaling_out_and_in_under_load_changes_no_alert(live: Live) -> None:
    """One consumer, then three, then one; partitions that stay are neither replayed nor rolled back."""
    stream, parts = Stream(12_000), 4
    size = len(stream.series) // parts
    running = {"one": start(live, "one")}
    for part in range(parts):
        live.send(stream.messages(part * size, part * size + size // 2))
        if part == 1:
            running |= {name: start(live, name) for name in ("two", "three")}
            live.wait(lambda: _moves(live) >= 3, "each of the three has partitions")
        if part == 2:
            for name in ("one", "two"):
                live.stop(running[name])
        live.send(stream.messages(part * size + size // 2, (part + 1) * size))
        live.wait(lambda part=part: live.committed() >= (part + 1) * size, "the part committed")  # type: ignore[misc]
    live.stop(running["three"])
    same_in_order(told(live), stream.alerts(live.definition))
    assert live.logged("partition.rolled_back") == []


def test_more_consumers_than_partitions_idle_in_peace(live: Live) -> None:
    """One consumer without a partition runs, commits nothing, and takes over when another goes."""
    stream = Stream(2_000)
    running = [start(live, f"i{number}") for number in range(PARTITIONS + 1)]
    live.wait(lambda: _held(live) == PARTITIONS, "every partition is held")
    live.send(stream.messages(0, 1_000))
    live.wait(lambda: live.committed() == 1_000, "the first half committed")
    assert all(process.poll() is None for process in running)
    for process in running[:PARTITIONS]:
        live.stop(process)
    live.send(stream.messages(1_000))
    live.wait_for_all()
    live.stop(running[-1])
    same_in_order(told(live), stream.alerts(live.definition))


def test_instances_with_names_of_their_own_take_over_from_the_dead_after_the_session(live: Live) -> None:
    """A Deployment with random names: it works, at the price of the session time-out and the dead transaction's."""
    stream = Stream(3_000)
    first = start(live, "pod-x7k2p")
    live.send(stream.messages(0, 2_000))
    live.wait(lambda: live.committed() >= 1_000, "some of it committed")
    live.kill(first)
    second = start(live, "pod-9qw4z")
    live.send(stream.messages(2_000))
    live.wait_for_all()
    live.stop(second)
    same_in_order(told(live), stream.alerts(live.definition))


def test_a_second_process_under_the_same_name_ends_one_of_them_with_its_own_exit_code(live: Live) -> None:
    """Exit code 5 and what to do; the other goes on, and no alert is lost or told twice."""
    stream = Stream(3_000)
    twins = [start(live, "same")]
    live.send(stream.messages(0, 1_000))
    live.wait(lambda: live.committed() >= 1_000, "the first serves")
    twins.append(start(live, "same"))
    live.wait(lambda: any(t.poll() is not None for t in twins), "one of the twins ends", allowed=(5,))
    ended = [t for t in twins if t.poll() is not None]
    assert [t.returncode for t in ended] == [5]
    assert "another process runs" in live.log.read_text()
    live.send(stream.messages(1_000))
    live.wait(lambda: live.committed() == len(stream.series), "all committed", allowed=(5,))
    for twin in twins:
        if twin not in ended:
            live.stop(twin, allowed=(5,))
    same_in_order(told(live), stream.alerts(live.definition))


def test_a_consumer_whose_name_is_taken_for_a_moment_joins_anew_and_nothing_is_lost_or_told_twice(live: Live) -> None:
    """What a broker that dies in the middle of a joining can leave behind: a member that nobody is."""
    stream = Stream(3_000)
    process = start(live, "same")
    live.send(stream.messages(0, 1_000))
    live.wait(lambda: live.committed() >= 500, "it serves")
    ghost = Consumer(
        {
            "bootstrap.servers": live.bootstrap, "group.id": f"g-{live.input}", "group.instance.id": "same",
            "partition.assignment.strategy": "cooperative-sticky", "session.timeout.ms": 6000,
            "enable.auto.commit": False,
        }
    )  # fmt: skip
    ghost.subscribe([live.input])
    live.send(stream.messages(1_000, 2_000))
    live.wait(lambda: ghost.poll(0.1) is not None, "the other has the partitions")
    ghost.close()
    live.wait(lambda: len(live.logged("consumer.fenced")) == 1, "it was fenced")
    live.send(stream.messages(2_000))
    live.wait_for_all()
    live.stop(process)
    assert len(live.logged("consumer.fenced")) == 1
    same_in_order(told(live), stream.alerts(live.definition))


def _moves(live: Live) -> int:
    """How often a consumer was given partitions, by the log."""
    return len([line for line in live.logged("partitions.assigned") if line["partitions"]])


def _held(live: Live) -> int:
    """Partitions that somebody serves, by the log."""
    return len({line["partition"] for line in live.logged("partition.live")})
