"""One measurement: its job, its result, and the process that takes it."""

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
    """Job of one measuring process.

    Attributes:
        name: unique name: the consumer group, and the prefix of its own topics.
        input: the topic with `readings` messages, one reading each.
        bundle: folder of the version to serve.
        sample: number of readings that the textbook loop takes.
        long: True if a message holds one sensor.
        exactly_once: False for the same loop with a plain producer and without snapshots.
        profile: True to measure under the profiler.
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
        """Options with the broker and the topics of this measurement."""
        return kafka_options(
            group=self.name,
            instance=self.name,
            input=self.input,
            alerts=f"{self.name}.alerts",
            dead_letters=f"{self.name}.dead",
            state=f"{self.name}.state",
            status=f"{self.name}.status",
            open_incidents=f"{self.name}.open",
            mutes=f"{self.name}.mutes",
            scores=None,
            common={"bootstrap.servers": self.bootstrap},
        )


class Measurement(msgspec.Struct, frozen=True):
    """Result of one measuring process.

    Attributes:
        readings: number of readings within `seconds`, without those before the clock began.
        cpu_seconds: of all threads of the process in that time; other load on the machine disturbs it less.
        counts: of all readings of the run, by disposition and verdict.
        memory: resident bytes at the end; 0 where it is not measured.
        memory_before: resident bytes with the bundle loaded, before the first reading; 0 where it is not measured.
        profile: text of the profiler.
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
    """Seconds and processor seconds since it was created."""

    def __init__(self) -> None:
        self._began, self._cpu = time.monotonic(), time.process_time()

    def read(self) -> tuple[float, float]:
        return time.monotonic() - self._began, time.process_time() - self._cpu


class MeasurementError(RuntimeError):
    """A measuring process failed; the message ends with its log."""


def run(job: Job, log: Path, launch: Launch) -> Measurement:
    """Takes a measurement in a process of its own, whose stderr goes to `log`.

    Raises:
        MeasurementError: the process ended with an error, or not in time.
    """
    job_file, result_file = log.with_suffix(".job.json"), log.with_suffix(".result.json")
    job_file.write_bytes(msgspec.json.encode(job))
    process = launch([f"tests.bench.{job.contender}", str(job_file), str(result_file)], log, os.environ)
    try:
        code = process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    if code != 0:
        raise MeasurementError(f"{job.name}: ended with {code}\n{log.read_text()[-3000:]}")
    return msgspec.json.decode(result_file.read_bytes(), type=Measurement)


def answer(measure: Callable[[Job], Measurement]) -> None:
    """Main function of a measuring process: reads the job from one file, writes the result to another."""
    job_file, result_file = map(Path, sys.argv[1:])
    result_file.write_bytes(msgspec.json.encode(measure(msgspec.json.decode(job_file.read_bytes(), type=Job))))
