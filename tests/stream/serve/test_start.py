"""The start and the end of `narrows run`: a failed start fences nobody, and SIGTERM ends the process at once."""

import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.kafka.broker import Broker
from tests.conftest import MakeTopic
from tests.simulation.alone import a_broker, a_service
from tests.simulation.memory_broker.consumer import MemoryConsumer
from tests.stream.serve.test_service import SERIES, SPEC, Stream
from tests.support.builders import a_definition, a_spec
from tests.support.live import PATIENCE_S, Live

FENCING = ("consumer.fenced", "producer.discarded", "transaction.failed", "service.stopped")


@pytest.fixture
def live(tmp_path: Path, broker: Broker, topic: MakeTopic) -> Iterator[Live]:
    """Topics and a bundle; nothing is started."""
    running = Live(tmp_path, broker.bootstrap, topic, a_definition(a_spec(**SPEC), q=2.0, series=SERIES[:8]))
    yield running
    running.close()


def altered_bundle(live: Live, topic: MakeTopic) -> str:
    """A registry whose bundle lacks a file."""
    registry = live.folder / "altered"
    shutil.copytree(live.folder / "registry", registry)
    next(registry.rglob("selftest.parquet")).unlink()
    return f"registry={registry}"


# By the words of the error: what the second process has otherwise.
FAULTS: dict[str, Callable[[Live, MakeTopic], str]] = {
    "is missing": lambda live, topic: "kafka.alerts=not-there",
    "expected as many": lambda live, topic: f"kafka.state={topic('small', 1, {'cleanup.policy': 'compact'})}",
    "compact": lambda live, topic: f"kafka.state={topic('kept', 4)}",
    "transaction_timeout": lambda live, topic: "serve.transaction_timeout=3h",
    "has no 'production' bundle": lambda live, topic: f"registry={live.folder / 'nowhere'}",
    "selftest.parquet": altered_bundle,
    "input.sensors": lambda live, topic: 'input.sensors={"other": "other"}',
    "serve.health": lambda live, topic: "serve.health=192.0.2.1:80",
}


def test_second_processes_that_cannot_start_do_not_fence_the_one_that_serves(live: Live, topic: MakeTopic) -> None:
    """They have the same instance, and a fault each. The first one goes on in the same session."""
    stream = Stream(1_000)
    live.send(stream.messages(0, 500))
    live.start()
    live.wait_for_all()
    second = [live.start(fault(live, topic)) for fault in FAULTS.values()]
    assert {process.wait(PATIENCE_S) for process in second} == {1, 2}
    said = live.log.read_text()
    assert [words for words in FAULTS if words not in said] == []
    live.send(stream.messages(500))
    live.wait(lambda: live.committed() == 1_000, "all messages", allowed=(1, 2))
    assert [event for event in FENCING if live.logged(event)] == []
    assert len(live.logged("partitions.assigned")) == 1


def test_a_service_that_the_group_does_not_let_in_makes_no_producer_and_so_fences_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = a_broker()
    service = a_service(broker)
    monkeypatch.setattr(MemoryConsumer, "_rebalance", lambda self: None)
    for _ in range(5):
        service.service.turn()
    assert not service.producers
    monkeypatch.undo()
    for _ in range(5):
        service.service.turn()
        broker.background()
    assert service.producers


def test_a_service_without_work_ends_at_once_also_while_somebody_watches_its_health(live: Live) -> None:
    """The page of the room has the measured time; here is room for a busy machine."""
    process = live.start("serve.health=127.0.0.1:0")
    live.wait(lambda: live.health("/ready")[0] == 200, "ready")
    with socket.create_connection(("127.0.0.1", live.logged("health.listening")[-1]["port"])):
        assert live.stop(process) < 5
