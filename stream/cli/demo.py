"""`narrows demo`: a generated fleet, trained and streamed through the real consumer on an in-process cluster."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from stream.cli.options.parameters import AsJson
from stream.cli.reports.output import print_json
from stream.counters import Count
from stream.errors import NarrowsError

if TYPE_CHECKING:
    from stream.detect.definition import Definition
    from stream.events.alert import Alert
    from stream.events.verdict import FrameVerdict
    from stream.kafka.mock_cluster import MockCluster, Subscriber
    from stream.serve.service import Service

T = TypeVar("T")
PATIENCE_S = 60.0
READINGS, ALERTS, DEAD, STATE = "readings", "alerts", "alerts.dead", "state"
STATUS, OPEN, SCORES = "alerts.status", "alerts.open", "scores"


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where its files go.")] = Path(
        "narrows-demo"
    ),
    seconds: Annotated[float, typer.Option(min=0, help="Over which the stream is spread; 0: full speed.")] = 8.0,
    as_json: AsJson = False,
) -> None:
    """Show it all on a generated fleet: train, stream, alerts, injected versus found.

    Needs no broker, network or file.
    """
    from stream.cli.reports.demo import DemoOutput
    from training.demo import demo as offline
    from training.report import progress

    shown = DemoOutput(quiet=as_json)
    trained = offline.prepare(output, progress())
    shown.show_faults(offline.injected(trained))
    streamed = stream_through(trained.definition, offline.stream(trained), shown.show_alert, seconds)
    found = offline.scoreboard(trained, streamed.events)
    series = offline.pictured_fault(trained.fleet).series
    image = output / f"{series}.png"
    offline.picture(trained, series, streamed.events, streamed.verdicts, image)
    if as_json:
        print_json({"found": found, "counts": streamed.counts, "picture": str(image)})
    else:
        shown.show_result(found, series, *offline.scores_of(series, streamed.verdicts), image)


@dataclass
class StreamResult:
    """Alert events and verdicts in order of arrival, and the counts of the service."""

    events: list["Alert"] = field(default_factory=list)
    verdicts: list["FrameVerdict"] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def stream_through(
    definition: "Definition",
    messages: Iterable[tuple[bytes, bytes, int]],
    on_alert: Callable[["Alert"], None],
    seconds: float,
) -> StreamResult:
    """Sends (key, value, timestamp in ms) through the real consumer on the in-process cluster.

    Args:
        on_alert: called with each alert event, as a subscriber reads it.
        seconds: time over which the sending is spread, so that one can watch; 0 = full speed.

    Raises:
        NarrowsError: the consumer ended, or took longer than `PATIENCE_S`.
    """
    from stream.events.alert import Alert
    from stream.events.verdict import FrameVerdict
    from stream.kafka.mock_cluster import MockCluster

    streamed = StreamResult()
    with MockCluster() as cluster:
        cluster.make((READINGS, ALERTS, DEAD, STATE, STATUS, OPEN, SCORES))
        service = _ServiceThread(_service(cluster.bootstrap, definition))
        alerts, scores = cluster.subscriber(ALERTS), cluster.subscriber(SCORES)

        def watch(wait: float) -> None:
            """Reads the alerts and verdicts that come within `wait` seconds."""
            for event in _records(alerts, wait, Alert):
                streamed.events.append(event)
                on_alert(event)
            streamed.verdicts += _records(scores, 0.0, FrameVerdict)

        try:
            service.ready()
            sent = _send(cluster, list(messages), seconds, watch)
            service.wait_for(sent, watch)
        finally:
            service.stop()
        watch(1.0)
        streamed.counts = dict(service.service.counts.items())
        for subscriber in (alerts, scores):
            subscriber.close()
    return streamed


def _service(bootstrap: str, definition: "Definition") -> "Service":
    from stream.kafka.client import Clients, KafkaOptions
    from stream.serve.compose import decoder
    from stream.serve.service import Service
    from stream.settings import Settings
    from stream.settings.serve import ServeSettings

    options = KafkaOptions(
        group="demo",
        instance="demo",
        input=READINGS,
        alerts=ALERTS,
        dead_letters=DEAD,
        state=STATE,
        status=STATUS,
        open_incidents=OPEN,
        mutes="",
        scores=SCORES,
        common={"bootstrap.servers": bootstrap},
        transaction_timeout_ms=10_000,
        session_timeout_ms=6000,
        feedback=None,
    )
    settings = Settings()
    # The in-process cluster has no topic ids: asking it costs ten seconds.
    clients = Clients(topic_id=lambda _options: "")
    pace = ServeSettings.model_validate({"commit_interval": "200ms"})
    return Service(options, pace, definition, lambda served: decoder(settings, served), clients=clients)


def _records(subscriber: "Subscriber", wait: float, kind: type[T]) -> list[T]:
    import msgspec

    return [msgspec.json.decode(value, type=kind) for value in subscriber.values(wait)]


def _send(
    cluster: "MockCluster", messages: list[tuple[bytes, bytes, int]], seconds: float, watch: Callable[[float], None]
) -> int:
    """Sends the messages in slices, calls `watch` after each, and returns their number."""
    started, slices = time.monotonic(), 100
    size = -(-len(messages) // slices)
    for number in range(slices):
        for key, value, timestamp in messages[number * size : (number + 1) * size]:
            cluster.send(READINGS, key, value, timestamp)
        cluster.flush()
        left = started + seconds * (number + 1) / slices - time.monotonic()
        watch(max(left, 0.0))
    return len(messages)


class _ServiceThread:
    """The service, running in its own thread."""

    def __init__(self, service: "Service") -> None:
        self.service = service
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="narrows-demo", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.service.run()
        except Exception as error:
            self._error = error

    def ready(self) -> None:
        """Waits until the service reads its partitions."""
        self._until(lambda: self.service.is_live, lambda wait: self._thread.join(wait))

    def wait_for(self, received: int, watch: Callable[[float], None]) -> None:
        """Calls `watch` until the service has received so many messages."""
        self._until(lambda: self.service.counts[Count.RECEIVED] >= received, watch)

    def _until(self, done: Callable[[], bool], pause: Callable[[float], None]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not done():
            if self._error is not None:
                raise self._error
            if time.monotonic() > deadline:
                raise NarrowsError(f"the consumer did not get through within {PATIENCE_S:.0f} s; see the log above")
            pause(0.05)

    def stop(self) -> None:
        """Ends the service and waits for its thread."""
        self.service.stop()
        self._thread.join(PATIENCE_S)
