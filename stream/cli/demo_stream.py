"""Streaming for `narrows demo`: messages through the real consumer, alerts shown as they open."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from stream.detect.definition import Definition
from stream.errors import NarrowsError
from stream.kafka.client import Clients, KafkaOptions
from stream.kafka.mock_cluster import MockCluster, Subscriber
from stream.serve.compose import decoder
from stream.serve.service import ServeOptions, Service
from stream.settings import Settings

PATIENCE_S = 60.0
READINGS, ALERTS, DEAD, STATE = "readings", "alerts", "alerts.dead", "state"
STATUS, SCORES = "alerts.status", "scores"


@dataclass
class Streamed:
    """What came out: alert events and verdicts as mappings, in order of arrival; what the service counted."""

    events: list[Mapping[str, Any]] = field(default_factory=list)
    verdicts: list[Mapping[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def stream_through(
    definition: Definition,
    messages: Iterable[tuple[bytes, bytes, int]],
    tell: Callable[[Mapping[str, Any]], None],
    seconds: float,
) -> Streamed:
    """Sends (key, value, timestamp in ms) through the real consumer on the in-process cluster.

    Args:
        tell: gets each alert event as a subscriber reads it.
        seconds: over which the sending is spread, so that one can watch; 0 = as fast as it goes.

    Raises:
        NarrowsError: the consumer ended, or did not get through in time.
    """
    streamed = Streamed()
    with MockCluster() as cluster:
        cluster.make((READINGS, ALERTS, DEAD, STATE, STATUS, SCORES))
        service = _Serving(_service(cluster.bootstrap, definition))
        alerts, scores = cluster.subscriber(ALERTS), cluster.subscriber(SCORES)

        def watch(wait: float) -> None:
            for event in _records(alerts, wait):
                streamed.events.append(event)
                tell(event)
            streamed.verdicts += _records(scores, 0.0)

        try:
            service.ready()
            sent = _send(cluster, list(messages), seconds, watch)
            service.wait_for(sent, watch)
        finally:
            service.stop()
        watch(1.0)
        streamed.counts = dict(service.service.counts)
        for subscriber in (alerts, scores):
            subscriber.close()
    return streamed


def _service(bootstrap: str, definition: Definition) -> Service:
    options = KafkaOptions(
        group="demo",
        instance="demo",
        input=READINGS,
        alerts=ALERTS,
        dead_letters=DEAD,
        state=STATE,
        status=STATUS,
        scores=SCORES,
        common={"bootstrap.servers": bootstrap},
        session_timeout_ms=6000,
    )
    settings = Settings()
    # The in-process cluster does not tell topic ids: asking it costs ten seconds.
    clients = Clients(topic_id=lambda _options: "")
    pace = ServeOptions(commit_interval_s=0.2)
    return Service(options, pace, definition, lambda served: decoder(settings, served), clients=clients)


def _records(subscriber: Subscriber, wait: float) -> list[Mapping[str, Any]]:
    return [msgspec.json.decode(value) for value in subscriber.values(wait)]


def _send(
    cluster: MockCluster, messages: list[tuple[bytes, bytes, int]], seconds: float, watch: Callable[[float], None]
) -> int:
    """Sends in slices, watching between them."""
    started, slices = time.monotonic(), 100
    size = -(-len(messages) // slices)
    for number in range(slices):
        for key, value, timestamp in messages[number * size : (number + 1) * size]:
            cluster.send(READINGS, key, value, timestamp)
        cluster.flush()
        left = started + seconds * (number + 1) / slices - time.monotonic()
        watch(max(left, 0.0))
    return len(messages)


class _Serving:
    """The service in a thread of its own."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="narrows-demo", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.service.run()
        except Exception as fault:
            self._fault = fault

    def ready(self) -> None:
        """Waits until the partitions are served."""
        self._until(lambda: self.service.is_live, lambda wait: self._thread.join(wait))

    def wait_for(self, received: int, watch: Callable[[float], None]) -> None:
        self._until(lambda: self.service.counts["received"] >= received, watch)

    def _until(self, done: Callable[[], bool], pause: Callable[[float], None]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not done():
            if self._fault is not None:
                raise self._fault
            if time.monotonic() > deadline:
                raise NarrowsError(f"the consumer did not get through within {PATIENCE_S:.0f} s; see the log above")
            pause(0.05)

    def stop(self) -> None:
        self.service.stop()
        self._thread.join(PATIENCE_S)
