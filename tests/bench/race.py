"""All contenders by turns on one broker, several times, so that figures to compare are taken within seconds."""

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from stream.kafka.admin import topics
from tests.bench.job import Job, Measurement, run
from tests.bench.plant import Plant, produce
from tests.support.live import read_committed
from tests.support.processes import Launch, cold

PARTITIONS = 8
SEED = 7


@dataclass(frozen=True)
class Size:
    """Size of the race.

    Attributes:
        series: number in the smaller and in the larger plant. The plant of long records is as large as the smaller.
        rounds: frames of each series, for the three plants.
        sample: readings of the textbook loop.
        repetitions: of every measurement.
    """

    series: tuple[int, int]
    rounds: tuple[int, int, int]
    sample: int
    repetitions: int


FULL = Size(series=(100, 5_000), rounds=(6_000, 120, 750), sample=20_000, repetitions=3)
QUICK = replace(FULL, rounds=(3_000, 80, 375), sample=8_000, repetitions=1)


@dataclass
class Row:
    """A contender on one plant with its measurements.

    Attributes:
        limit: name of the row that is its limit.
        state_bytes: bytes written to the state topic, for each repetition of narrows.
        alerts: number of alerts, for each repetition of narrows.
    """

    name: str
    plant: Plant
    job: Job
    limit: str
    input_bytes: int
    measured: list[Measurement] = field(default_factory=list)
    state_bytes: list[int] = field(default_factory=list)
    alerts: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Race:
    """Measurements of all rows on one broker.

    Attributes:
        folder: for bundles and logs.
        launch: starts the measuring processes.
    """

    bootstrap: str
    folder: Path
    size: Size
    launch: Launch = cold

    def run(self) -> list[Row]:
        """Produces the messages, then measures every row `size.repetitions` times, by turns."""
        rows = list(self._rows())
        for repetition in range(self.size.repetitions):
            for row in rows:
                self._measure(row, repetition)
        return rows

    def profile(self, row: Row) -> str:
        """Measures a row once more under the profiler; returns its text."""
        job = msgspec.structs.replace(row.job, name=f"{row.job.name}-profiled", profile=True)
        topics.create(job.kafka(), PARTITIONS, 1)
        return run(job, self._log(job), self.launch).profile

    def _rows(self) -> Iterator[Row]:
        """Rows of all plants; their messages are then on the broker."""
        (small, large), (many, few, on_ticks) = self.size.series, self.size.rounds
        row = self._row_maker(Plant(small, many, SEED))
        yield row("raw")
        yield row("narrows", contender="narrows")
        yield row("narrows at least once", contender="narrows", exactly_once=False)
        five = Plant(small, many, SEED).publish(self.folder / f"{small}-5", 5)
        yield row("narrows K=5", contender="narrows", bundle=str(five))
        yield row("textbook", contender="textbook")
        row = self._row_maker(Plant(large, few, SEED))
        yield row("raw")
        yield row("narrows", contender="narrows")
        row = self._row_maker(Plant(small, on_ticks, SEED, long=True))
        yield row("raw, long records")
        yield row("narrows, long records on ticks", contender="narrows")

    def _row_maker(self, plant: Plant) -> Callable[..., Row]:
        """Puts the messages of a plant on the broker; returns a function that makes its rows, first the limit."""
        say(f"{plant.readings:,} messages of {plant.series:,} series{', one sensor each' if plant.long else ''}")
        base = Job(
            contender="raw",
            name=f"raw-{plant.name}",
            bootstrap=self.bootstrap,
            input=f"readings-{plant.name}",
            partitions=PARTITIONS,
            readings=plant.readings,
            bundle=str(plant.publish(self.folder / plant.name, 1)),
            sample=min(self.size.sample, plant.readings),
            long=plant.long,
        )
        topics.create(base.kafka(), PARTITIONS, 1)
        size = produce(self.bootstrap, base.input, plant, PARTITIONS)

        def row(name: str, **changes: object) -> Row:
            label = re.sub(r"[^a-zA-Z0-9]+", "-", name)
            job = msgspec.structs.replace(base, name=f"{label}-{plant.name}", **changes) if changes else base
            return Row(name, plant, job, base.name, size)

        return row

    def _measure(self, row: Row, repetition: int) -> None:
        """Measures a row on output topics of its own."""
        job = msgspec.structs.replace(row.job, name=f"{row.job.name}-{repetition}")
        options = job.kafka()
        topics.create(options, PARTITIONS, 1)
        measured = run(job, self._log(job), self.launch)
        row.measured.append(measured)
        say(f"{row.name}, {row.plant.series:,} series: {measured.rate:,.0f} readings/s")
        if job.contender != "narrows":
            return
        state, alerts = (read_committed(self.bootstrap, topic) for topic in (options.state, options.alerts))
        row.state_bytes.append(sum(len(record.key) + len(record.value) for record in state))
        row.alerts.append(len(alerts))

    def _log(self, job: Job) -> Path:
        return self.folder / f"{job.name}.log"


def say(line: str) -> None:
    """Prints a line on stderr."""
    print(line, file=sys.stderr, flush=True)
