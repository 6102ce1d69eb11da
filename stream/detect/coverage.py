"""Coverage: since when each series is not watched, and why. One mechanism for every cause.

A series is covered by a frame that is scored, or that is outside its valid range and so raises an incident by itself.
A warming frame covers it where it is nearer to a score than any since the last one. Watching lapses where the limit has
passed since then by the series' own time, or by readings that were not used, each of them one step. Watch time counts
only while no frame comes, so that it does not matter which other series share the partition. Watching lapses before a
series retires, whatever the limit.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from stream.detect.frames.clock import NEVER
from stream.detect.frames.frames import Frames
from stream.detect.frames.lost_sensors import LostSensors
from stream.detect.lapses import Items, Lapses, Passage, Watch
from stream.detect.outcome import Verdict
from stream.detect.policy import FramePolicy
from stream.detect.slots import Segments, grown, last_true, previous
from stream.detect.unwatched import UNUSED, CoverageReason, CoverageState
from stream.intake.columns import Bools, Disposition, Int32s, Int64s, UInt8s

# Of a slot without a series, and of one that is restored without its coverage: it begins with the first reading, of any
# series, after that.
FREE = np.iinfo(np.int64).max
PENDING = FREE - 1
REASONS = len(CoverageReason)
OF_VERDICT = np.array([0, CoverageReason.WARMING, CoverageReason.DEGRADED, CoverageReason.OFF])
OF_DISPOSITION = np.zeros(len(Disposition), np.int64)
OF_DISPOSITION[[Disposition.LATE, Disposition.DUPLICATE, Disposition.UNCONFIRMED]] = UNUSED


class Coverage:
    """Per series: when it was last covered, what did not count since then, and whether that is too long ago.

    Args:
        policy: of frames. sensors: names, in the order of the frames' values.
        depth: frames after which a warm-up is complete.
        limit_ns: see `unwatched_limit`; None: coverage is not watched.
        retire_after_ns: see `Retirement`.
    """

    def __init__(
        self,
        policy: FramePolicy,
        sensors: tuple[str, ...],
        depth: int,
        limit_ns: int | None,
        retire_after_ns: int | None,
    ) -> None:
        self._sensors, self._depth = sensors, depth
        self.is_on, self.limit = limit_ns is not None, FREE if limit_ns is None else limit_ns
        self._retire_after = retire_after_ns
        # Unused readings that may come in a row: each stands for a step, on ticks perhaps for that of one sensor.
        per_step = 1 if policy.resample == "none" else len(sensors)
        self._most_unused = self.limit // policy.interval_ns * per_step
        # Watch time at the last reading.
        self.now = NEVER
        self._framed_at = np.zeros(0, np.int64)  # watch time
        self._since = np.zeros(0, np.int64)  # event time
        # Longest run of warming frames since the last score. Invariant: 0 <= best[s] <= depth.
        self._best = np.zeros(0, np.int64)
        self._counts = np.zeros((0, REASONS), np.int32)
        # Unused readings since the series was covered.
        self._unused = np.zeros(0, np.int64)
        # Nothing has covered it for too long; that was told, or that it is scored without a sensor.
        self._is_lapsed, self.is_unwatched = np.zeros(0, np.bool_), np.zeros(0, np.bool_)
        self._told_since = np.zeros(0, np.int64)
        self._lost = LostSensors(len(sensors), self.limit)

    def resize(self, capacity: int) -> None:
        """Makes room for `capacity` slots."""
        self._framed_at, self._since = grown(self._framed_at, capacity, FREE), grown(self._since, capacity, 0)
        self._best, self._counts = grown(self._best, capacity, 0), grown(self._counts, capacity, 0)
        self._unused, self._told_since = grown(self._unused, capacity, 0), grown(self._told_since, capacity, 0)
        self.is_unwatched = grown(self.is_unwatched, capacity, False)
        self._is_lapsed = grown(self._is_lapsed, capacity, False)
        self._lost.resize(capacity)

    def clear(self, slot: int) -> None:
        """Empties a slot."""
        self._framed_at[slot], self._since[slot], self._best[slot] = FREE, 0, 0
        self._counts[slot], self._unused[slot], self._told_since[slot] = 0, 0, 0
        self._is_lapsed[slot] = self.is_unwatched[slot] = False
        self._lost.clear(slot)

    def restart(self, slot: int, since: int) -> None:
        """Notes that the own time of a series starts anew, `since` a time that may be before the last one, ns."""
        self._since[slot] = since
        self._lost.restart(slot, since)

    def state(self, slot: int) -> CoverageState | None:
        """State of a slot for its snapshot; None: it has not begun."""
        at = int(self._framed_at[slot])
        if at >= PENDING:
            return None
        counts = tuple(self._counts[slot].tolist()) if self._counts[slot].any() else ()
        return CoverageState(
            at, int(self._since[slot]), int(self._best[slot]), bool(self.is_unwatched[slot]), counts,
            int(self._unused[slot]), bool(self._is_lapsed[slot]), int(self._told_since[slot]), self._lost.state(slot),
        )  # fmt: skip

    def restore(self, slot: int, state: CoverageState | None, since: int) -> None:
        """Restores a slot from its snapshot; None: watching begins anew, `since` the series' own time."""
        self.clear(slot)
        if state is None:
            self._framed_at[slot], self._since[slot] = PENDING if self.now == NEVER else self.now, since
            return
        self._framed_at[slot], self._since[slot], self._best[slot] = state.framed_at, state.since, state.best
        self._counts[slot, : len(state.counts)] = state.counts[:REASONS]
        self._unused[slot], self._told_since[slot] = state.unused, state.told_since
        self.is_unwatched[slot], self._is_lapsed[slot] = state.unwatched, state.lapsed
        self._lost.restore(slot, state.lost)

    def push(
        self,
        passage: Passage,
        frames: Frames,
        verdict: UInt8s,
        run: Int64s,
        heard: Int64s,
        masked: Callable[[int], Bools],
        name: Callable[[int], str],
    ) -> Lapses:
        """Takes a batch.

        Args:
            frames: that the readings completed. verdict, run: of each, see `Verdicts` and `WindowFrames`.
            heard: int64 (S,), stream time at the last reading of each slot, this batch included.
            masked: gives the sensors without a value in the last frame of a slot before this batch, bool (F,).
            name: gives the series of a slot.
        """
        lapses = Lapses()
        if not self.is_on:
            return lapses
        self._begin(passage)
        lost = self._lost.push(frames.values, frames.time, Segments(frames.series)) if len(frames) else None
        is_lost = np.zeros(len(frames), np.bool_) if lost is None else np.logical_or.reduce(lost[0], axis=1)
        items = self._items(passage, frames, verdict, run, is_lost)
        segments = Segments(items.slot)
        passed, retires = self._due(passage, heard)
        due = passed | retires
        # Whatever comes, only readings of their own keep series from retiring.
        due[segments.series] = retires[segments.series]
        if not due.any() and not frames.after_gap.any() and self._goes_on(items, segments):
            self._cover(segments.series, items, segments.end - 1)
            return lapses
        last = last_true(items.covered, segments)
        due |= self._changed(items, segments, last)
        spans = {slot: range(start, end) for slot, start, end in segments}
        walked = []
        for slot in np.flatnonzero(due).tolist():
            watch = self._watch(slot, name(slot), int(heard[slot]), partial(masked, slot), lost)
            watch.walk(items, spans.get(slot, range(0)), passage, frames)
            walked.append((slot, watch))
            lapses.events += watch.events
            if watch.ends:
                lapses.ends[slot] = watch.ends
        self._update(items, segments, last)
        for slot, watch in walked:
            self._is_lapsed[slot], self.is_unwatched[slot] = watch.is_lapsed, watch.is_unwatched
            self._told_since[slot] = watch.told_since
        return lapses

    def _watch(
        self, slot: int, series: str, heard: int, masked: Callable[[], Bools], lost: tuple[Bools, Int64s] | None
    ) -> Watch:
        expires = FREE if self._retire_after is None or heard == NEVER else heard + self._retire_after
        return Watch(
            series, int(self._framed_at[slot]), int(self._since[slot]), self._counts[slot].tolist(),
            int(self._unused[slot]), bool(self._is_lapsed[slot]), bool(self.is_unwatched[slot]),
            int(self._told_since[slot]), self.limit, self._most_unused, expires, masked, self._sensors, lost,
        )  # fmt: skip

    def _begin(self, passage: Passage) -> None:
        """Begins with the series that are new, or restored without coverage."""
        if not len(passage.watch):
            return
        self.now = int(passage.watch[-1])
        self.begin_pending(int(passage.watch[0]), int(passage.stream[0]))
        fresh = np.flatnonzero(self._framed_at[passage.slots] == FREE)
        if len(fresh):
            slots, first = np.unique(passage.slots[fresh], return_index=True)
            self._framed_at[slots] = passage.watch[fresh[first]]
            self._since[slots] = passage.time[fresh[first]]

    def begin_pending(self, watch: int, stream: int) -> None:
        """Begins with the series that were restored without coverage, at this watch and stream time, ns."""
        pending = self._framed_at == PENDING
        if watch != NEVER and pending.any():
            self._framed_at[pending], self._since[pending] = watch, stream

    def _items(self, passage: Passage, frames: Frames, verdict: UInt8s, run: Int64s, is_lost: Bools) -> Items:
        """Frames and unused readings in order; `is_lost`: frames without a sensor that is lost, bool (n,)."""
        covered = (verdict == Verdict.SCORED) | self._nears(frames, verdict, run) | frames.is_outside
        unsound = covered & is_lost
        reason = np.where(unsound, CoverageReason.LOST, OF_VERDICT[verdict])
        unused = np.flatnonzero(passage.disposition != Disposition.USED)
        items = Items.of_frames(frames, passage, self.now, covered, unsound, reason)
        return items.mixed(passage, unused, OF_DISPOSITION[passage.disposition[unused]]) if len(unused) else items

    def _nears(self, frames: Frames, verdict: UInt8s, run: Int64s) -> Bools:
        """Warming frames that are nearer to a score than any since the last one; notes the longest runs."""
        warming, scored = verdict == Verdict.WARMING, verdict == Verdict.SCORED
        segments = Segments(frames.series)
        if not warming.any():
            self._best[frames.series[scored]] = 0
            return np.zeros(len(frames), np.bool_)
        first = np.zeros(len(frames), np.bool_)
        first[segments.start] = True
        group = np.cumsum(first | scored, dtype=np.int64) * (self._depth + 1)
        own = np.where(warming, np.minimum(run, self._depth), 0)
        before_score = last_true(scored, segments) < 0
        start = np.where(first & before_score, self._best[frames.series], 0)
        best = np.maximum.accumulate(group + np.maximum(own, start)) - group
        earlier = np.where(first | scored, start, np.append(0, best[:-1]))
        self._best[segments.series] = best[segments.end - 1]
        nearer: Bools = warming & (own > earlier)
        return nearer

    def _goes_on(self, items: Items, segments: Segments) -> bool:
        """True where all items cover series that are watched, and none comes later than the limit after another."""
        slots = segments.series
        if items.unsound.any() or self.is_unwatched[slots].any() or not items.covered.all():
            return False
        own = items.time[segments.start] - self._since[slots]
        paused = items.watch - previous(items.watch, segments, self._framed_at[slots])
        tail = self.now - items.watch[segments.end - 1]
        return max(int(passed.max(initial=0)) for passed in (own, paused, tail)) <= self.limit

    def _due(self, passage: Passage, heard: Int64s) -> tuple[Bools, Bools]:
        """Watched slots whose limit passes in this batch, and those that retire, unless a reading comes: bool (S,)."""
        none = np.zeros(len(self._framed_at), np.bool_)
        if not len(passage.watch):
            return none, none
        passed: Bools = (self._framed_at < passage.watch[-1] - self.limit) & ~self._is_lapsed
        if self._retire_after is None:
            return passed, none
        held = (self._framed_at < PENDING) & (heard != NEVER)
        retires: Bools = held & ~self._is_lapsed & (heard < passage.stream[-1] - self._retire_after)
        return passed, retires

    def _changed(self, items: Items, segments: Segments, last: Int64s) -> Bools:
        """Slots with items that lapse or are covered again in this batch, bool (S,)."""
        slots, of = segments.series, segments.of_row
        none = np.full(len(slots), -1)
        frame = last_true(items.is_frame, segments)
        before, before_frame = previous(last, segments, none), previous(frame, segments, none)
        base = np.where(before_frame >= 0, items.watch[before_frame], self._framed_at[items.slot])
        since = np.where(before >= 0, items.time[before], self._since[items.slot])
        total: Int64s = np.cumsum(~items.is_frame, dtype=np.int64)
        counted = np.append(0, total)
        earlier = counted[segments.start] - self._unused[slots]
        unused = total - np.where(before >= 0, total[before], earlier[of])
        passed = (items.watch - base > self.limit) | (items.is_frame & (items.time - since > self.limit))
        passed |= unused > self._most_unused
        changed = np.zeros(len(self._framed_at), np.bool_)
        changed[items.slot[np.where(self._is_lapsed[items.slot], items.covered, passed)]] = True
        changed[items.slot[items.covered & (items.unsound != self.is_unwatched[items.slot])]] = True
        newest = frame[segments.end - 1]
        framed_at = np.where(newest >= 0, items.watch[newest], self._framed_at[slots])
        goes_on = self._is_lapsed[slots] & (last[segments.end - 1] < 0)
        changed[slots[(self.now - framed_at > self.limit) & ~goes_on]] = True
        return changed

    def _update(self, items: Items, segments: Segments, last: Int64s) -> None:
        """Notes what covered the slots last, and counts what came after that."""
        if not len(last):
            return
        slots, end = segments.series, segments.end - 1
        newest, sound = last[end], last_true(items.covered & ~items.unsound, segments)[end]
        self._since[slots[newest >= 0]] = items.time[newest[newest >= 0]]
        self._unused[slots[newest >= 0]] = 0
        self._counts[slots[sound >= 0]] = 0
        rows = np.arange(len(last))
        np.add.at(self._unused, items.slot[~items.is_frame & (rows > newest[segments.of_row])], 1)
        frame = last_true(items.is_frame, segments)[end]
        self._framed_at[slots[frame >= 0]] = items.watch[frame[frame >= 0]]
        later = np.flatnonzero(rows > sound[segments.of_row])
        np.add.at(self._counts, (items.slot[later], items.reason[later]), 1)

    def _cover(self, slots: Int32s, items: Items, at: Int64s) -> None:
        self._framed_at[slots], self._since[slots] = items.watch[at], items.time[at]
        self._counts[slots], self._unused[slots] = 0, 0
