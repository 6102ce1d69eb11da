"""Several consumers of one group: partitions move, and no alert changes."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer

from deploy.kafka.broker import Broker
from tests.chaos.consumers import Instance
from tests.chaos.feeder import Feeder
from tests.chaos.recovery_time import caught_up
from tests.chaos.source import Source, definition
from tests.chaos.world import World, until
from tests.conftest import MakeTopic
from tests.stream.serve.test_service import SERIES, SPEC, Stream, published_alerts, same_in_order
from tests.support.builders import a_definition, a_spec
from tests.support.live import PARTITIONS, Live, http_json
from tests.support.processes import Running, warm

PATIENCE_S = 60.0
SEED, RATE, RECORDS = 5, 200.0, 12_000
# Messages committed in each partition before anything moves, so that there is something to replay.
FED = 100
# Log events of a consumer that answers a rebalance.
ANSWERS = ("partitions.assigned", "partitions.revoked", "partitions.lost")


@pytest.fixture
def live(tmp_path: Path, broker: Broker, topic: MakeTopic) -> Iterator[Live]:
    running = Live(tmp_path, broker.bootstrap, topic, a_definition(a_spec(**SPEC), q=2.0, series=SERIES[:8]))
    yield running
    running.close()


def start(live: Live, instance: str, *overrides: str) -> Running:
    return live.start(f"kafka.instance={instance}", "serve.batch=200", "serve.commit_interval=100ms", *overrides)


@pytest.fixture
def world(tmp_path: Path, broker: Broker, topic: MakeTopic) -> Iterator[World]:
    made = World(tmp_path, broker.bootstrap, broker.bootstrap, topic, definition())
    yield made
    made.close()


@pytest.fixture
def instances(world: World) -> Iterator[list[Instance]]:
    """Three instances that are not started yet."""
    made = [Instance(name, world.folder, world.config, launch=warm) for name in ("one", "two", "three")]
    yield made
    for instance in made:
        instance.close()


def test_scaling_out_and_in_under_load_changes_no_alert(world: World, instances: list[Instance]) -> None:
    """One consumer, then three, then one, with input all the while.

    Partitions that stay are served while others are replayed. A rebalance may roll back a commit only between its new
    generation and our answer to it.
    """
    one, two, three = instances
    with Feeder(world.direct, world.input, Source(60, SEED), RATE) as feeder:
        one.start()
        until(lambda: world.passed([FED] * PARTITIONS), "the first serves all partitions", PATIENCE_S)
        # It stops in the middle of its replay, with a session that lasts until the test has looked.
        two.start("replaying:1:freeze", ["serve.session_timeout=2m"])
        until(lambda: two.is_frozen, "the second replays", PATIENCE_S)
        moved = {number for line in one.lines("partitions.revoked") for number in line["partitions"]}
        assert 0 < len(moved) < PARTITIONS, "some must move, and some stay"
        held = committed(world)
        beyond = [0 if number in moved else end + 1 for number, end in enumerate(world.ends())]
        until(lambda: world.passed(beyond), "partitions that stay are served on", PATIENCE_S)
        assert two.is_frozen
        assert [committed(world)[number] for number in sorted(moved)] == [held[number] for number in sorted(moved)]
        two.thaw()
        for newcomer in (two, three):
            if not newcomer.runs:
                newcomer.start()
            until(newcomer.serves, f"{newcomer.name} serves", PATIENCE_S)
            caught_up(world)
        for leaver in (one, three):
            leaver.stop()
        caught_up(world)
        feeder.finish(RECORDS)
    caught_up(world)
    two.stop()
    verdict, expected = world.judge()
    assert verdict.clean, str(verdict)
    assert len(expected.events) > 100, "there must be something to lose"
    failed, answered = _said(instances, "transaction.failed"), _said(instances, *ANSWERS)
    assert len(failed) <= len(answered), f"more commits were refused than rebalances answered: {failed}"
    assert len(_said(instances, "partition.rolled_back")) <= PARTITIONS * len(failed), "nothing else rolls back"


def _said(instances: list[Instance], *events: str) -> list[dict[str, Any]]:
    """Lines of the logs of all instances."""
    return [line for instance in instances for event in events for line in instance.lines(event)]


def committed(world: World) -> list[int]:
    """Committed offsets of the group, once the broker answers."""
    deadline = time.monotonic() + PATIENCE_S
    while (offsets := world.committed()) is None:
        assert time.monotonic() < deadline, "the broker does not tell the group's offsets"
    return offsets


def test_a_consumer_without_a_partition_waits_and_takes_over_later(live: Live) -> None:
    """It runs, commits nothing, and takes partitions over when another consumer leaves."""
    stream = Stream(2_000)
    running = [start(live, f"i{number}", "serve.health=127.0.0.1:0") for number in range(PARTITIONS + 1)]
    live.wait(lambda: _held(live) == PARTITIONS, "every partition is held")
    live.wait(lambda: _shares(live) == [0] + [1] * PARTITIONS, "one idles")
    live.wait(lambda: {code for code, _ in _asked(live, "/ready")} == {200}, "it is as ready as the others")
    live.send(stream.messages(0, 1_000))
    live.wait(lambda: live.committed() == 1_000, "the first half committed")
    assert all(process.poll() is None for process in running)
    for process in running[:PARTITIONS]:
        live.stop(process)
    live.send(stream.messages(1_000))
    live.wait_for_all()
    live.stop(running[-1])
    same_in_order(published_alerts(live), stream.alerts(live.definition))


def test_instances_with_names_of_their_own_take_over_from_the_dead_after_the_session(live: Live) -> None:
    """As in a Deployment with random names: it works, after the session time-out and that of the transaction."""
    stream = Stream(3_000)
    first = start(live, "pod-x7k2p")
    live.send(stream.messages(0, 2_000))
    live.wait(lambda: live.committed() >= 1_000, "some of it committed")
    live.kill(first)
    second = start(live, "pod-9qw4z")
    live.send(stream.messages(2_000))
    live.wait_for_all()
    live.stop(second)
    expected = stream.alerts(live.definition)
    live.wait(lambda: len(published_alerts(live)) >= len(expected), "the transaction of the dead is aborted")
    same_in_order(published_alerts(live), expected)


def test_a_second_process_under_the_same_name_ends_one_of_them_with_its_own_exit_code(live: Live) -> None:
    """Exit code 5 and what to do; the other goes on, and no alert is lost or published twice."""
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
    same_in_order(published_alerts(live), stream.alerts(live.definition))


def test_a_consumer_whose_name_is_taken_for_a_moment_joins_again_and_publishes_everything_once(live: Live) -> None:
    """A broker that dies while a consumer joins can keep a member without a process."""
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
    same_in_order(published_alerts(live), stream.alerts(live.definition))


def _asked(live: Live, path: str) -> list[tuple[int, dict[str, Any]]]:
    """Answers of all processes."""
    return [http_json(line["port"], path) for line in live.logged("health.listening")]


def _shares(live: Live) -> list[int]:
    """Number of partitions of each process."""
    return sorted(len(status.get("partitions", ())) for _, status in _asked(live, "/status"))


def _held(live: Live) -> int:
    """Number of partitions that are served, by the log."""
    return len({line["partition"] for line in live.logged("partition.live")})
