"""One process: the product's own service, on clients in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import cast

from confluent_kafka import Consumer, Producer

from stream.detect.detector import Detector
from stream.detect.series_state import SeriesState
from stream.kafka.client import Clients, ErrorCallback, KafkaOptions
from stream.serve.service import Service
from stream.settings.serve import ServeSettings
from tests.simulation.memory_broker.broker import Broker
from tests.simulation.memory_broker.consumer import MemoryConsumer, MemoryReader
from tests.simulation.memory_broker.producer import MemoryProducer
from tests.simulation.memory_broker.wire import Wire
from tests.simulation.plant import Releases, decoder


@dataclass(eq=False)
class Process:
    """A service, and the clients in memory that it has made."""

    instance: str
    wire: Wire
    service: Service = field(init=False)
    consumers: list[MemoryConsumer] = field(default_factory=list)
    producers: list[MemoryProducer] = field(default_factory=list)

    @property
    def consumer(self) -> MemoryConsumer | None:
        return self.consumers[-1] if self.consumers else None

    @property
    def may_end(self) -> bool:
        """True where the group, or the broker, has fenced it twice: once may be a mistake."""
        return any(sum(client.is_fenced for client in clients) > 1 for clients in (self.consumers, self.producers))

    def states(self) -> dict[int, dict[str, SeriesState]]:
        """State of every series that is not about to retire, by partition."""
        partitions = self.service._assignment.partitions.values()
        return {p.number: kept_states(p.detector, p.clock.stream_time) for p in partitions}

    def bury(self) -> None:
        """Marks the process as dead: its requests may still arrive, and its session ends in time."""
        self.wire.dead = True
        for producer in self.producers:
            producer.die()
        if self.consumer is not None:
            self.consumer.fall_silent()


def kept_states(detector: Detector, stream_time: int) -> dict[str, SeriesState]:
    """State of every series that is not about to retire."""
    expired = detector.expired(stream_time)
    return {name: detector.snapshot(name) for name in detector.slots.names() if name not in expired}


def a_process(
    instance: str,
    broker: Broker,
    options: KafkaOptions,
    serve: ServeSettings,
    freeze: Callable[[Wire], None],
    releases: Releases,
) -> Process:
    """A service that is not open yet."""
    process = Process(instance, Wire(instance, broker, freeze))
    wire = process.wire

    def consumer(options: KafkaOptions, on_error: ErrorCallback) -> Consumer:
        process.consumers.append(MemoryConsumer(wire, options))
        return cast(Consumer, process.consumers[-1])

    def reader(options: KafkaOptions, on_error: ErrorCallback) -> Consumer:
        return cast(Consumer, MemoryReader(wire))

    def producer(options: KafkaOptions, on_error: ErrorCallback) -> Producer:
        process.producers.append(MemoryProducer(wire, options.transaction_timeout_ms / 1000))
        return cast(Producer, process.producers[-1])

    process.service = Service(
        replace(options, instance=instance),
        serve,
        releases.current()[0],
        lambda served: decoder(),
        lambda: broker.now,
        Clients(consumer, reader, producer, lambda options: "the topic's id"),
        releases,
        wall=lambda: broker.now,
    )
    return process
