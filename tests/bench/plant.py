"""Model and input of the measurements: the readings of a plant as messages on a topic."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from confluent_kafka import Producer

from stream.detect.definition import Definition
from stream.registry.registry import PRODUCTION, Registry
from tests.support.builders import SECOND, START, a_definition, a_policy, a_spec, publish

WINDOW, SMOOTHING, SENSORS, HIDDEN, LATENT = 32, 10, 8, 32, 8
# Normal levels lie around 1 with a spread of 0.16, and thresholds at 0.8 to 1.2 times this: only faults reach them.
THRESHOLD = 4.0
FAULT = 5.0
FAULTY_SERIES, FAULT_EVERY, FAULT_FROM, FAULT_UNTIL = 50, 2_000, 60, 100
ROUNDS_AT_ONCE = 64
FLUSH_S = 60.0
MESSAGE = ('{"time": %d, ' + ", ".join(f'"s{f}": %.5f' for f in range(SENSORS)) + "}").encode()
LONG_MESSAGE = b'{"time": %d, "sensor": "s%d", "value": %.5f}'


@dataclass(frozen=True)
class Plant:
    """S series that send `rounds` readings each, in turn, one second apart.

    In every `FAULTY_SERIES`-th series all sensors stray for 40 frames of 2,000, so that there are a few alerts.

    Attributes:
        long: a reading holds one sensor, and those of a second form one tick.
    """

    series: int
    rounds: int
    seed: int
    long: bool = False

    @property
    def name(self) -> str:
        return f"{self.series}-long" if self.long else f"{self.series}"

    @property
    def per_frame(self) -> int:
        """Number of readings in a frame."""
        return SENSORS if self.long else 1

    @property
    def readings(self) -> int:
        return self.series * self.rounds * self.per_frame

    @property
    def names(self) -> list[str]:
        return [f"pump-{i:05d}" for i in range(self.series)]

    def definition(self, members: int) -> Definition:
        """A definition of `members` members with random weights that knows every series."""
        spec = a_spec("dense", WINDOW, SMOOTHING, SENSORS, HIDDEN, LATENT, members, error_span="window")
        policy = a_policy(resample="last" if self.long else "none")
        return a_definition(spec, policy, series=self.names, q=THRESHOLD, seed=self.seed)

    def publish(self, registry: Path, members: int) -> Path:
        """Writes the definition as a bundle; returns its folder."""
        definition = publish(registry, self.definition(members), self.seed)
        return Registry(registry).folder(definition.detector, PRODUCTION)

    def messages(self) -> Iterator[tuple[bytes, bytes]]:
        """Key and value of each message, in order."""
        draw = np.random.default_rng(self.seed)
        keys = [name.encode() for name in self.names]
        scales = self.definition(1).scales
        mean, scale = scales.mean[: self.series], scales.scale[: self.series]
        for first in range(0, self.rounds, ROUNDS_AT_ONCE):
            rounds = np.arange(first, min(first + ROUNDS_AT_ONCE, self.rounds))
            z = draw.normal(size=(len(rounds), self.series, SENSORS))
            strays = (rounds % FAULT_EVERY >= FAULT_FROM) & (rounds % FAULT_EVERY < FAULT_UNTIL)
            z[strays, FAULTY_SERIES // 10 :: FAULTY_SERIES] *= FAULT
            times = (START + rounds * SECOND) // 1_000_000
            for time, rows in zip(times.tolist(), (z * scale + mean).tolist(), strict=True):
                for key, row in zip(keys, rows, strict=True):
                    yield from ((key, message) for message in self._messages(time, row))

    def _messages(self, time: int, row: list[float]) -> list[bytes]:
        """Messages of one frame."""
        if self.long:
            return [LONG_MESSAGE % (time, sensor, value) for sensor, value in enumerate(row)]
        return [MESSAGE % (time, *row)]


def produce(bootstrap: str, topic: str, plant: Plant, partitions: int) -> int:
    """Sends all messages, with series spread evenly over the partitions; returns their bytes, keys included."""
    # Idempotent: a retry must not put a series' readings out of order.
    options = {"enable.idempotence": True, "linger.ms": 50, "queue.buffering.max.messages": 1_000_000}
    producer = Producer({"bootstrap.servers": bootstrap} | options)
    size = 0
    for i, (key, value) in enumerate(plant.messages()):
        size += len(key) + len(value)
        while True:
            try:
                producer.produce(topic, value, key, partition=i // plant.per_frame % plant.series % partitions)
                break
            except BufferError:
                producer.poll(0.1)
        if i % 1_000 == 0:
            producer.poll(0)
    assert producer.flush(FLUSH_S) == 0, f"{topic}: messages were not delivered within {FLUSH_S:.0f} s"
    return size
