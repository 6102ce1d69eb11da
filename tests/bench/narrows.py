"""Service of `narrows run`, measured from the moment it is live until every reading is committed."""

import cProfile
import io
import pstats
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import psutil
import torch

from stream.counters import Count
from stream.detect.definition import Definition
from stream.intake.columns import Decoded
from stream.intake.decode import Decoder, Fields
from stream.kafka.admin import topics
from stream.registry.bundle import load
from stream.serve.logs import configure
from stream.serve.service import Service
from stream.settings.serve import ServeSettings
from tests.bench.at_least_once import AtLeastOnce
from tests.bench.job import Job, Measurement, Stopwatch, answer
from tests.support.builders import fields

PROFILED_LINES = 90


class Observer:
    """Clock of the service that also observes it, at each call, on the service's own thread.

    1. It notes the time at which all partitions are live, and the readings decoded by then.
    2. When everything is decoded, it stops the service, which then commits.
    3. It notes the time at which everything is committed.
    """

    def __init__(self, readings: int) -> None:
        self._readings = readings
        self.service: Service | None = None
        self.decoded = self.early = 0
        self.memory = 0
        self.seconds = (0.0, 0.0)
        self._stopwatch: Stopwatch | None = None

    def __call__(self) -> float:
        if self.service is not None and not self.memory:
            self._observe(self.service)
        return time.monotonic()

    def _observe(self, service: Service) -> None:
        if self._stopwatch is None and service.is_live:
            self._stopwatch, self.early = Stopwatch(), self.decoded
        if self.decoded >= self._readings:
            service.stop()
        if self._stopwatch is not None and service.counts[Count.RECEIVED] >= self._readings:
            self.seconds = self._stopwatch.read()
            self.memory = psutil.Process().memory_info().rss


class CountingDecoder(Decoder):
    """A decoder that counts readings for the observer."""

    def __init__(self, observer: Observer, fields: Fields, definition: Definition) -> None:
        super().__init__(fields, definition.sensors, None)
        self._observer = observer

    def decode(
        self,
        values: Sequence[bytes | None],
        keys: Sequence[bytes | None],
        positions: Sequence[int],
        timestamps_ms: Sequence[int],
    ) -> Decoded:
        self._observer()
        decoded = super().decode(values, keys, positions, timestamps_ms)
        self._observer.decoded += decoded.received
        return decoded


def measure(job: Job) -> Measurement:
    """Measures the service of `narrows run` with the defaults of its configuration."""
    configure("json")
    torch.set_num_threads(1)
    _, definition = load(Path(job.bundle))
    options = job.kafka()
    topics.check(options)
    observer, before = Observer(job.readings), psutil.Process().memory_info().rss
    made = partial(CountingDecoder, observer, fields(format="long" if job.long else "wide"))
    service = Service(options, ServeSettings(), definition, made, observer)
    if not job.exactly_once:
        plain = AtLeastOnce(options, observer)
        service._transaction = service._publisher._transaction = plain  # type: ignore[assignment]
    observer.service = service
    profile = _profiled(service) if job.profile else _plain(service)
    if not observer.memory:
        raise RuntimeError(
            f"{job.name}: ended with {service.counts[Count.RECEIVED]} of {job.readings} readings committed"
        )
    counts: dict[str, int] = dict(service.counts.items())
    readings = job.readings - observer.early
    return Measurement(readings, *observer.seconds, counts, observer.memory, before, profile)


def _plain(service: Service) -> str:
    service.run()
    return ""


def _profiled(service: Service) -> str:
    profiler = cProfile.Profile()
    profiler.runcall(service.run)
    text = io.StringIO()
    stats = pstats.Stats(profiler, stream=text).strip_dirs()
    stats.sort_stats("tottime").print_stats(PROFILED_LINES)
    stats.sort_stats("cumulative").print_stats(PROFILED_LINES)
    return text.getvalue()


if __name__ == "__main__":
    answer(measure)
