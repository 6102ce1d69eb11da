"""Scores the readings of one series up to the committed offset, with the real detector: the truth of the service there.

The state is exact: it begins with the snapshot, as a restart does. Where that leaves too few verdicts to show, earlier
readings are scored as well, from an empty window, with the thresholds of now.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice, takewhile

import msgspec
import numpy as np

from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.frames.clock import NEVER, TickState
from stream.detect.incidents.incident import SensorShare
from stream.detect.outcome import Outcome, Verdict
from stream.detect.series_state import SeriesState, without_history
from stream.detect.stream_clock import StreamClock
from stream.events.record import rfc3339
from stream.intake.columns import Disposition, Readings
from stream.intake.decode import Decoder
from stream.kafka.client import KafkaOptions
from stream.kafka.look.series_place import SeriesPlace
from stream.kafka.state.restored_state import RestoredState
from stream.kafka.state.snapshot_schedule import times_around
from stream.kafka.topic_reader import TopicReader, TopicRecord, from_offsets

# Messages of a partition that are read again for verdicts to show, at most.
REWIND = 50_000
BATCH = 4096
# A threshold so low that every frame opens an incident, which names the sensors that its error comes from.
ALL_EXCEED = 1e-12


class SeriesVerdict(msgspec.Struct, frozen=True):
    """The verdict of one frame; numbers are null where it has none. `time`: RFC 3339."""

    time: str
    verdict: str
    score: float | None
    level: float | None
    threshold: float
    imputed: int


class UnusedReading(msgspec.Struct, frozen=True):
    """A reading that became part of no frame: its offset, its time, RFC 3339, and how it ended."""

    offset: int
    time: str
    disposition: str


@dataclass
class Scored:
    """The ends of the readings and frames of a series, in order.

    Attributes:
        state: of the series after the last one; None: it is not in memory.
        stream_time: of the partition, ns. readings: of the series that were read.
    """

    verdicts: list[SeriesVerdict] = field(default_factory=list)
    unused: list[UnusedReading] = field(default_factory=list)
    state: SeriesState | None = None
    stream_time: int = NEVER
    readings: int = 0

    def add(self, outcome: Outcome, readings: Readings, series: str) -> None:
        """Adds what a batch says of the series."""
        of = outcome.verdicts
        for i in np.flatnonzero([of.names[slot] == series for slot in of.series.tolist()]).tolist():
            score, level = (None if np.isnan(x) else float(x) for x in (of.score[i], of.level[i]))
            kind = Verdict(of.verdict[i]).name.lower()
            self.verdicts.append(
                SeriesVerdict(rfc3339(int(of.time[i])), kind, score, level, float(of.threshold[i]), int(of.imputed[i]))
            )
        ours = np.array([name == series for name in readings.names], np.bool_)[readings.series]
        self.readings += int(ours.sum())
        for row in np.flatnonzero(ours & (outcome.disposition != Disposition.USED)).tolist():
            ended = Disposition(outcome.disposition[row]).name.lower()
            self.unused.append(UnusedReading(int(readings.position[row]), rfc3339(int(readings.time[row])), ended))


class Rescoring:
    """Scores one series of one partition anew.

    Args:
        definition, decoder: of the bundle that scored up to the committed offset.
        retire_after_ns, unwatched_after_ns: settings, see `Partition`.
    """

    def __init__(
        self,
        options: KafkaOptions,
        series: str,
        place: SeriesPlace,
        definition: Definition,
        decoder: Decoder,
        retire_after_ns: int | None,
        unwatched_after_ns: int | None,
    ) -> None:
        self._options = options
        self._series = series
        self._place = place
        self._definition = definition
        self._decoder = decoder
        self._after_ns = retire_after_ns, unwatched_after_ns

    def exact(self) -> Scored:
        """The series from its snapshot up to the committed offset, through the code of a restart.

        Readings of other series are pushed too: they move the times by which a series counts as unwatched.
        """
        point, snapshot, clock, scored = self._place.point, self._place.snapshot, StreamClock(), Scored()
        limit = clock.limit_by(self._definition.policy, self._after_ns[1])
        detector = Detector(self._definition, self._after_ns[0], limit)
        clock.restore(point.stream_time, point.watch_time)
        detector.coverage.now = clock.watch_time
        state = None if snapshot is None else RestoredState(point, self._definition).state(snapshot)
        detector.restore([] if state is None else [state])
        as_of = -1 if snapshot is None else snapshot.as_of
        for readings in self._read(point.replay_from):
            _, after = times_around(readings, clock)
            other = np.array([name != self._series for name in readings.names], np.bool_)[readings.series]
            fresh = other | (readings.position > as_of)
            rest = readings.rows(fresh)
            scored.add(detector.push(rest, *(time[fresh] for time in after)), rest, self._series)
        if detector.slots.find(self._series) is not None:
            scored.state = detector.snapshot(self._series)
        scored.stream_time = clock.stream_time
        return scored

    def rewound(self, state: SeriesState | None) -> Scored:
        """The last readings of the series up to the committed offset, from an empty window; `state`: of now."""
        point, scored = self._place.point, Scored()
        detector = Detector(self._definition)
        if state is not None:
            empty = msgspec.structs.replace(
                without_history(state, self._definition), incident=None, coverage=None, last_off=NEVER,
                ticks=TickState(NEVER, NEVER, []),
            )  # fmt: skip
            detector.restore([empty])
        for readings in self._read(max(self._place.low, point.committed - REWIND)):
            ours = readings.rows(np.array([name == self._series for name in readings.names], np.bool_)[readings.series])
            scored.add(detector.push(ours), ours, self._series)
        return scored

    def sensors(self, state: SeriesState) -> tuple[SensorShare, ...]:
        """Sensors that the error of the newest frame comes from; none where it has no error."""
        width, time = self._definition.spec.sensors, np.frombuffer(state.time, "<i8")
        values = np.frombuffer(state.values, "<f8").reshape(-1, width)
        if not len(time):
            return ()
        definition = replace(
            self._definition, learning=None, rules=msgspec.structs.replace(self._definition.rules, sensors=()),
            thresholds=replace(self._definition.thresholds, q=ALL_EXCEED),
        )  # fmt: skip
        detector = Detector(definition)
        before = msgspec.structs.replace(
            without_history(state, definition), time=time[:-1].tobytes(), values=values[:-1].tobytes(), incident=None,
            coverage=None, usual=b"", last_time=int(time[-2]) if len(time) > 1 else NEVER,
            ticks=TickState(NEVER, NEVER, []),
        )  # fmt: skip
        detector.restore([before])
        newest = Readings(
            (self._series,),
            np.zeros(1, np.int32),
            time[-1:].astype(np.int64),
            values[-1:].copy(),
            np.zeros(1, np.int64),
        )
        events = [*detector.push(newest).events, *detector.silence(self._series).events]
        return events[-1].sensors if events else ()

    def _read(self, start: int) -> Iterator[Readings]:
        """Readings of the partition from an offset up to the committed one, in batches."""
        number, end = self._place.partition, self._place.point.committed
        if start >= end:
            return
        with TopicReader(self._options.common, self._options.input, from_offsets({number: start})) as reader:
            records = takewhile(lambda record: record.offset < end, reader.to_end())
            while batch := list(islice(records, BATCH)):
                yield self._decoded(batch)

    def _decoded(self, batch: list[TopicRecord]) -> Readings:
        columns = ([getattr(one, name) for one in batch] for name in ("value", "key", "offset", "timestamp_ms"))
        return self._decoder.decode(*columns).readings
