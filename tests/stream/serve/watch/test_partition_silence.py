"""A partition that nothing comes from: one event for all of its series, through restarts, and one when it ends."""

import json

from tests.simulation.alone import a_broker, a_service, kill, metadata, serve, statuses
from tests.simulation.memory_broker.broker import Broker
from tests.simulation.memory_broker.log import Entry
from tests.simulation.oracle import committed_alerts
from tests.simulation.plant import SENT_AT_MS
from tests.simulation.process import Process
from tests.support.builders import START
from tests.support.kafka_options import kafka_options


def send(broker: Broker, seconds: range, *series: str, size: float = 0.1) -> None:
    for second in seconds:
        for name in series:
            value = json.dumps({"time": START // 1_000_000 + second * 1000, "s0": size, "s1": -size})
            broker.logs["in", 0].append(Entry(name.encode(), value.encode(), (), SENT_AT_MS))


def wait(process: Process, broker: Broker, seconds: float) -> None:
    """Runs turns while so many seconds pass."""
    for _ in range(10):
        process.service.turn()
        broker.background()
        broker.advance(seconds / 10)
    serve(process, broker)


def kinds(broker: Broker) -> list[str]:
    return [event["kind"] for event in statuses(broker)]


def test_a_silent_partition_is_one_event_for_all_of_its_series_and_the_next_frame_ends_it() -> None:
    broker = a_broker()
    process = a_service(broker)
    send(broker, range(10), "a", "b", "c")
    serve(process, broker)
    wait(process, broker, 50)
    assert kinds(broker) == []
    wait(process, broker, 20)
    (event,) = statuses(broker)
    assert (event["kind"], event["partition"], event["offset"]) == ("data.partition_unwatched", 0, 30)
    assert (event["details"]["count"], event["details"]["dead"]) == (3, 0)
    assert metadata(broker).reports == ("silent",)
    kill(process, broker)
    process = a_service(broker)
    wait(process, broker, 200)
    assert kinds(broker) == ["data.partition_unwatched"], "a restart repeats nothing"
    send(broker, range(500, 505), "a")
    serve(process, broker)
    assert kinds(broker) == ["data.partition_unwatched", "data.partition_watched"]
    assert metadata(broker).reports == ()


def test_open_incidents_of_a_silent_partition_end() -> None:
    broker = a_broker()
    process = a_service(broker)
    send(broker, range(10), "a", "b")
    send(broker, range(10, 14), "a", size=9.0)
    serve(process, broker)
    wait(process, broker, 70)
    states = [(a["series"], a["state"], a["reason"]) for a in committed_alerts(broker, kafka_options())]
    assert states[-1] == ("a", "resolved", "silent")
    assert kinds(broker) == ["data.partition_unwatched"]


def test_dead_letters_alone_do_not_keep_a_partition_watched() -> None:
    broker = a_broker()
    process = a_service(broker)
    send(broker, range(10), "a")
    serve(process, broker)
    for _ in range(9):
        broker.logs["in", 0].append(Entry(b"a", b'{"time": "soon"}', (), SENT_AT_MS))
        wait(process, broker, 10)
    (event,) = statuses(broker)
    assert event["details"]["dead"] > 5
    assert "look at the dead letters" in event["message"]
