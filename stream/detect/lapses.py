"""Lapses: the readings of a batch at which a series stops being watched, and those at which it is watched again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stream.detect.frames.clock import NEVER
from stream.detect.frames.frames import Frames
from stream.detect.incidents.incident import End
from stream.detect.unwatched import CoverageEvent, CoverageReason
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
        unsound: bool (m,), frames that cover it although a sensor is lost: the series is scored, but not watched.
        frame: int64 (m,), index of the frame; that of an unused reading is not below the number of frames.
        is_frame: bool (m,).
    """

    slot: Int32s
    row: Int64s
    time: Int64s
    watch: Int64s
    covered: Bools
    unsound: Bools
    reason: Int64s
    frame: Int64s
    is_frame: Bools

    @staticmethod
    def of_frames(
        frames: Frames, passage: Passage, now: int, covered: Bools, unsound: Bools, reason: Int64s
    ) -> "Items":
        """The items of a batch without unused readings; `now`: watch time, where a silence completed the frames."""
        watch, count = np.append(passage.watch, now)[frames.row], len(frames)
        every = np.ones(count, np.bool_)
        return Items(frames.series, frames.row, frames.time, watch, covered, unsound, reason, np.arange(count), every)

    def mixed(self, passage: Passage, unused: Int64s, reason: Int64s) -> "Items":
        """These items and the unused readings, rows (k,) of the batch, for a `reason` each."""
        no, more = np.zeros(len(unused), np.bool_), np.arange(len(unused)) + len(self.row)
        order = np.lexsort((np.append(self.row, unused), np.append(self.slot, passage.slots[unused])))
        slot, time, watch = passage.slots[unused], passage.time[unused], passage.watch[unused]
        added: tuple[Any, ...] = (slot, unused, time, watch, no, no, reason, more, no)
        fields = (getattr(self, name) for name in Items.__slots__)
        return Items(*(np.append(own, new)[order] for own, new in zip(fields, added, strict=True)))


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
        lost: lost sensors, bool (n, F), and since when, int64 (n, F), of each frame; None: there are none.
    """

    series: str
    framed_at: int
    since: int
    counts: list[int]
    unused: int
    is_lapsed: bool
    is_unwatched: bool
    told_since: int
    limit: int
    most_unused: int
    expires: int
    masked: Callable[[], Bools]
    sensors: Sequence[str]
    lost: tuple[Bools, Int64s] | None
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
                self._cover(row, time, passed, int(items.frame[k]) if items.unsound[k] else None)
                continue
            self.counts[items.reason[k]] += 1
            self.unused += not items.is_frame[k]
            if items.is_frame[k]:
                is_off = items.reason[k] == CoverageReason.OFF
                self.last_masked = np.isnan(frames.values[items.frame[k]]) & ~is_off
            if passed or self.unused > self.most_unused:
                at = int(passage.stream[row]) if row >= 0 else time
                self._lapse(End(row, time if items.is_frame[k] else NEVER, self.since), at)
        self._lapse_before(len(passage.watch), passage, self.expires)

    def _lapse_before(self, end: int, passage: Passage, expires: int | None = None) -> None:
        """Lapses at the reading before `end` at which the limit is passed, if there is one."""
        row = int(np.searchsorted(passage.watch, self.framed_at + self.limit, side="right"))
        if expires is not None:
            row = min(row, int(np.searchsorted(passage.stream, expires, side="right")))
        if row < end:
            self._lapse(End(row, NEVER, self.since), int(passage.stream[row]))

    def _lapse(self, end: End, time: int) -> None:
        if self.is_lapsed:
            return
        self.is_lapsed = True
        self.ends.append(end)
        if not self.is_unwatched:
            names: tuple[str, ...] = ()
            if self.counts[CoverageReason.DEGRADED]:
                names = self._named(self.masked() if self.last_masked is None else self.last_masked)
            self._begin(self.since, end.row, time, names)

    def _cover(self, row: int, time: int, passed: bool, unsound: int | None) -> None:
        """Takes a frame that covers the series; `unsound`: its index, where a sensor is lost."""
        if passed and not self.is_lapsed:
            self.ends.append(End(row, time, self.since))
        self.is_lapsed, self.since, self.unused = False, time, 0
        if unsound is not None:
            self.counts[CoverageReason.LOST] += 1
            if not self.is_unwatched:
                assert self.lost is not None
                lost, since = self.lost[0][unsound], self.lost[1][unsound]
                self._begin(int(since[lost].min()), row, time, self._named(lost))
            return
        if self.is_unwatched:
            self.is_unwatched = False
            self._tell(True, row, time, ())
        self.counts = [0] * len(self.counts)

    def _begin(self, since: int, row: int, time: int, names: tuple[str, ...]) -> None:
        self.is_unwatched, self.told_since = True, since
        self._tell(False, row, time, names)

    def _named(self, which: Bools) -> tuple[str, ...]:
        return tuple(self.sensors[f] for f in np.flatnonzero(which).tolist())

    def _tell(self, watched: bool, row: int, time: int, names: tuple[str, ...]) -> None:
        event = CoverageEvent(self.series, watched, self.told_since, time, tuple(self.counts), names, row)
        self.events.append(event)
