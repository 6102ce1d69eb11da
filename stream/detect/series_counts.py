"""Counts of readings and frames by series, added up from the outcomes of a detector."""

from collections.abc import Iterable, Mapping

import msgspec
import numpy as np

from stream.detect.frames.frames import Fitness, Frames
from stream.detect.outcome import Outcome, Verdict, Verdicts
from stream.detect.slots import Segments, Slots, grown
from stream.intake.bad_values import BadSensor, BadTally, BadValues, by_series
from stream.intake.columns import Disposition, Int64s, LongReadings, Readings, UInt8s

_LATEST, _EARLIEST = np.iinfo(np.int64).max, np.iinfo(np.int64).min


class SeriesCounts(msgspec.Struct, frozen=True):
    """The counts of one series.

    Attributes:
        readings: by disposition, in the order of `Disposition`.
        frames: by verdict, in the order of `Verdict`.
        runs: runs of frames without a gap or an off frame between them.
        span_ns: time from the first frame to the last.
        missing: degraded frames in which each sensor has no value, (F,); empty: there are none.
        bad: the values that are no numbers, by sensor.
    """

    series: str
    readings: tuple[int, ...]
    frames: tuple[int, ...]
    runs: int
    span_ns: int
    missing: tuple[int, ...]
    bad: tuple[BadSensor, ...] = ()


class SeriesCounter:
    """Counts what becomes of the readings and frames of each series, batch after batch.

    Attributes:
        sentinels: int64 (F,), values of each sensor, in all series, that mean none; (0,) before the first batch.
    """

    def __init__(self) -> None:
        self._slots = Slots()
        self._readings = np.zeros((0, len(Disposition)), np.int64)
        self._frames = np.zeros((0, len(Verdict)), np.int64)
        self._runs, self._was_off = np.zeros(0, np.int64), np.zeros(0, np.bool_)
        self._first, self._last = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._missing: dict[int, Int64s] = {}
        self._bad: dict[int, BadTally] = {}
        self.sentinels = np.zeros(0, np.int64)

    def add(
        self,
        readings: Readings | LongReadings,
        outcome: Outcome,
        refused: Mapping[str, int] | None = None,
        bad: BadValues | None = None,
    ) -> None:
        """Adds a batch.

        Args:
            readings: that the detector took; outcome: its answer to them.
            refused: readings that it did not take, by series: they are dead.
            bad: values that are no numbers.
        """
        places = self._places(readings.names)
        self._count(self._readings, places[readings.series], outcome.disposition)
        # Counted as unconfirmed before: each is used now.
        for place in self._places(outcome.confirmed).tolist():
            self._readings[place, Disposition.USED] += 1
            self._readings[place, Disposition.UNCONFIRMED] -= 1
        if refused:
            # The rows first: they may move the array.
            rows = self._places(refused)
            self._readings[rows, Disposition.DEAD] += list(refused.values())
        self.sentinels = outcome.sentinels + self.sentinels if len(self.sentinels) else outcome.sentinels
        for series, of_series in by_series(bad or {}).items():
            (place,) = self._places([series]).tolist()
            self._bad.setdefault(place, BadTally()).add(of_series)
        slots = np.array(sorted(outcome.verdicts.names), np.int32)
        of_slot = self._places([outcome.verdicts.names[slot] for slot in slots.tolist()])
        if len(slots):
            self._add_verdicts(outcome.verdicts, of_slot[np.searchsorted(slots, outcome.verdicts.series)])
            self._add_frames(outcome.frames, of_slot[np.searchsorted(slots, outcome.frames.series)])

    def counts(self) -> list[SeriesCounts]:
        """The counts of every series, in the order in which they came."""
        return [
            SeriesCounts(
                series=self._slots.name(at),
                readings=tuple(self._readings[at].tolist()),
                frames=tuple(self._frames[at].tolist()),
                runs=int(self._runs[at]),
                span_ns=max(int(self._last[at]) - int(self._first[at]), 0) if self._frames[at].any() else 0,
                missing=tuple(self._missing[at].tolist()) if at in self._missing else (),
                bad=self._bad[at].sensors() if at in self._bad else (),
            )
            for at in range(self._slots.capacity)
        ]

    def _places(self, names: Iterable[str]) -> Int64s:
        """The row of each series in the arrays, int64 (len(names),)."""
        names = list(names)
        for name in dict.fromkeys(self._slots.missing(names)):
            self._slots.add(name)
        if self._slots.capacity > len(self._runs):
            size = 2 * self._slots.capacity
            self._readings, self._frames = grown(self._readings, size, 0), grown(self._frames, size, 0)
            self._runs, self._was_off = grown(self._runs, size, 0), grown(self._was_off, size, False)
            self._first, self._last = grown(self._first, size, _LATEST), grown(self._last, size, _EARLIEST)
        return self._slots.lookup(names).astype(np.int64)

    @staticmethod
    def _count(table: Int64s, rows: Int64s, columns: UInt8s) -> None:
        width = table.shape[1]
        table += np.bincount(rows * width + columns, minlength=table.size).reshape(table.shape)

    def _add_verdicts(self, verdicts: Verdicts, places: Int64s) -> None:
        self._count(self._frames, places, verdicts.verdict)
        np.minimum.at(self._first, places, verdicts.time)
        np.maximum.at(self._last, places, verdicts.time)

    def _add_frames(self, frames: Frames, places: Int64s) -> None:
        """Counts runs and missing sensors; `places`, int64 (n,), of the frames."""
        runs, off = Segments(frames.series), frames.fitness == Fitness.OFF
        before = np.append(False, off[:-1])
        before[runs.start] = self._was_off[places[runs.start]]
        self._was_off[places[runs.end - 1]] = off[runs.end - 1]
        np.add.at(self._runs, places[~off & (before | frames.after_gap)], 1)
        degraded = np.flatnonzero(frames.fitness == Fitness.DEGRADED)
        found, of = np.unique(places[degraded], return_inverse=True)
        missing = np.zeros((len(found), frames.values.shape[1]), np.int64)
        np.add.at(missing, of, np.isnan(frames.values[degraded]))
        for place, counts in zip(found.tolist(), missing, strict=True):
            self._missing[place] = self._missing.get(place, 0) + counts
