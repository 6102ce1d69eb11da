"""One measurement: what it is told, what it answers, and the process that makes it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from stream.kafka.client import KafkaOptions
from tests.support.kafka_options import kafka_options
from tests.support.processes import Launch

Contender = Literal["raw", "narrows", "textbook"]
PATIENCE_S = 180.0


class Job(msgspec.Struct, frozen=True):
    """What a process measures.

    Attributes:
        name: of this measurement alone: the consumer group, and what its own topics begin with.
        input: the topic that holds `readings` messages, one reading each.
        bundle: the folder of the version to serve.
        sample: readings that the textbook loop takes.
        long: a message holds one sensor.
        exactly_once: False: the same loop, with a plain producer and without snapshots.
        profile: measure with the profiler on.
    """

    contender: Contender
    name: str
    bootstrap: str
    input: str
    partitions: int
    readings: int
    bundle: str
    sample: int
    long: bool = False
    exactly_once: bool = True
    profile: bool = False

    def kafka(self) -> KafkaOptions:
        """The broker and the topics of this measurement."""
        return kafka_options(
            group=self.name,
            instance=self.name,
            input=self.input,
            alerts=f"{self.name}.alerts",
            dead_letters=f"{self.name}.dead",
            state=f"{self.name}.state",
            status=f"{self.name}.status",
            scores=None,
            common={"bootstrap.servers": self.bootstrap},
        )


class Measured(msgspec.Struct, frozen=True):
    """What came of it.

    Attributes:
        readings: taken within `seconds`, those before the clock began left out.
        cpu_seconds: of all threads of the process meanwhile. What else the machine does, disturbs it less.
        counts: of all readings of the run, by disposition and verdict.
        memory, memory_before: resident bytes at the end, and with the bundle loaded, before the first reading;
            0 where it is not asked.
        profile: where the time went, as text.
    """

    readings: int
    seconds: float
    cpu_seconds: float
    counts: dict[str, int]
    memory: int = 0
    memory_before: int = 0
    profile: str = ""

    @property
    def rate(self) -> float:
        """Readings per second."""
        return self.readings / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of processor time per reading."""
        return self.cpu_seconds * 1e6 / self.readings


class Stopwatch:
    """Seconds and processor seconds, from its making on."""

    def __init__(self) -> None:
        self._began, self._cpu = time.monotonic(), time.process_time()

    def read(self) -> tuple[float, float]:
        return time.monotonic() - self._began, time.process_time() - self._cpu


class MeasurementError(RuntimeError):
    """A measuring process failed; the message ends with what it said."""


def run(job: Job, log: Path, launch: Launch) -> Measured:
    """Makes the measurement in a process of its own, whose stderr goes to `log`.

    Raises:
        MeasurementError: it ended with an error, or not in time.
    """
    asked, answered = log.with_suffix(".job.json"), log.with_suffix(".measured.json")
    asked.write_bytes(msgspec.json.encode(job))
    process = launch([f"tests.bench.{job.contender}", str(asked), str(answered)], log, os.environ)
    try:
        code = process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    if code != 0:
        raise MeasurementError(f"{job.name}: ended with {code}\n{log.read_text()[-3000:]}")
    return msgspec.json.decode(answered.read_bytes(), type=Measured)


def answer(measure: Callable[[Job], Measured]) -> None:
    """The other end of `run`: takes the job from one file, leaves the result in another."""
    asked, answered = map(Path, sys.argv[1:])
    answered.write_bytes(msgspec.json.encode(measure(msgspec.json.decode(asked.read_bytes(), type=Job))))
