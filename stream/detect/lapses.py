"""Lapses: the readings of a batch at which a series stops being watched, and those at which it is watched again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from stream.detect.frames.clock import NEVER
from stream.detect.frames.frames import Frames
from stream.detect.incidents.incident import End
from stream.detect.unwatched import UNUSED, CoverageEvent, CoverageReason
from stream.intake.columns import Bools, Int32s, Int64s, UInt8s


@dataclass(frozen=True, slots=True)
class Passage:
    """n readings of a batch, as the partition passes them.

    Attributes:
        slots: int32 (n,). time: int64 (n,), event time, ns. disposition: uint8 (n,).
        stream, watch: int64 (n,), stream and watch time after each.
    """

    slots: Int32s
    time: Int64s
    disposition: UInt8s
    stream: Int64s
    watch: Int64s

    @staticmethod
    def none() -> "Passage":
        """No reading."""
        times = np.zeros(0, np.int64)
        return Passage(np.zeros(0, np.int32), times, np.zeros(0, np.uint8), times, times)


@dataclass(frozen=True, slots=True)
class Items:
    """m frames and unused readings of a batch, sorted by slot, then row.

    Attributes:
        slot, row, time: of each; row -1: a silence completed the frame.
        watch: int64 (m,), watch time at the reading.
        covered: bool (m,), frames that cover their series. reason: int64 (m,), why the others do not.
        frame: int64 (m,), index of the frame; that of an unused reading is not below the number of frames.
        is_frame: bool (m,).
    """

    slot: Int32s
    row: Int64s
    time: Int64s
    watch: Int64s
    covered: Bools
    reason: Int64s
    frame: Int64s
    is_frame: Bools


@dataclass(slots=True)
class Lapses:
    """The result of a batch: events, and where incidents end, by slot and in order."""

    events: list[CoverageEvent] = field(default_factory=list)
    ends: dict[int, list[End]] = field(default_factory=dict)

    @property
    def in_order(self) -> tuple[CoverageEvent, ...]:
        """The events in the order of the readings that show them."""
        return tuple(sorted(self.events, key=lambda event: (event.row, event.series)))


@dataclass(slots=True)
class Watch:
    """The watching of one series while a batch is walked; see `Coverage` for the fields of its state.

    Attributes:
        limit: watch time or own time, ns, after which watching lapses. most_unused: readings after which it does.
        expires: stream time after which the series retires, ns, if nothing comes.
        masked: sensors without a value in the last frame before the batch, bool (F,).
    """

    series: str
    framed_at: int
    since: int
    counts: list[int]
    is_unwatched: bool
    limit: int
    most_unused: int
    expires: int
    masked: Callable[[], Bools]
    sensors: Sequence[str]
    # Of the last frame that the walk has passed.
    last_masked: Bools | None = None
    events: list[CoverageEvent] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)

    def walk(self, items: Items, span: range, passage: Passage, frames: Frames) -> None:
        """Takes the items in `span`, and the readings of other series between them."""
        for k in span:
            row, time, watch = int(items.row[k]), int(items.time[k]), int(items.watch[k])
            self._lapse_before(row, passage)
            passed = watch - self.framed_at > self.limit or (items.is_frame[k] and time - self.since > self.limit)
            if items.is_frame[k]:
                self.framed_at = watch
            if items.covered[k]:
                self._cover(row, time, passed)
                continue
            self.counts[items.reason[k]] += 1
            if items.is_frame[k]:
                is_off = items.reason[k] == CoverageReason.OFF
                self.last_masked = np.isnan(frames.values[items.frame[k]]) & ~is_off
            if passed or self._unused > self.most_unused:
                at = int(passage.stream[row]) if row >= 0 else time
                self._lapse(End(row, time if items.is_frame[k] else NEVER, self.since), at)
        self._lapse_before(len(passage.watch), passage, self.expires)

    @property
    def _unused(self) -> int:
        return sum(self.counts[reason] for reason in UNUSED)

    def _lapse_before(self, end: int, passage: Passage, expires: int | None = None) -> None:
        """Lapses at the reading before `end` at which the limit is passed, if there is one."""
        row = int(np.searchsorted(passage.watch, self.framed_at + self.limit, side="right"))
        if expires is not None:
            row = min(row, int(np.searchsorted(passage.stream, expires, side="right")))
        if row < end:
            self._lapse(End(row, NEVER, self.since), int(passage.stream[row]))

    def _lapse(self, end: End, time: int) -> None:
        if self.is_unwatched:
            return
        self.is_unwatched = True
        self.ends.append(end)
        self._tell(False, end.row, time)

    def _cover(self, row: int, time: int, passed: bool) -> None:
        if self.is_unwatched:
            self._tell(True, row, time)
        elif passed:
            self.ends.append(End(row, time, self.since))
        self.is_unwatched, self.since = False, time
        self.counts = [0] * len(self.counts)

    def _tell(self, watched: bool, row: int, time: int) -> None:
        names: tuple[str, ...] = ()
        if self.counts[CoverageReason.DEGRADED] and not watched:
            masked = self.masked() if self.last_masked is None else self.last_masked
            names = tuple(self.sensors[f] for f in np.flatnonzero(masked).tolist())
        event = CoverageEvent(self.series, watched, self.since, time, tuple(self.counts), names, row)
        self.events.append(event)
