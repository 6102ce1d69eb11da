"""Checks times before any clock sees them: a leap ahead waits for a second reading, a clock set back starts anew.

A reading *leaps* where it is further ahead of the newest believed reading of its series than `FramePolicy.leap_ns`. It
is held. If the next reading of the series has its time or a later one, both are taken, the held one first. If not, the
held one is unconfirmed, and the clock of the series has not moved.

A reading is *far behind* where it is further behind than that. `FramePolicy.restart_after` such readings in a row, in
order and over as many intervals, show that the clock was set back: the last of them starts the series anew.
"""

from dataclasses import dataclass, replace

import msgspec
import numpy as np

from stream.detect.frames.clock import NEVER, Clock, newest_before
from stream.detect.policy import FramePolicy
from stream.detect.slots import Segments
from stream.intake.columns import Bools, Disposition, Float64s, Int32s, Int64s, UInt8s


class TimeState(msgspec.Struct, omit_defaults=True):
    """The memory of the check for one series, beside its clock. Times are ns.

    Attributes:
        held: values of the reading that leapt ahead, empty where there is none; held_at: its time.
        behind: readings in a row far behind the clock; behind_since, behind_at: their first and their newest time.
        restarts: number of times that the clock has started anew.
    """

    held: list[float] = []
    held_at: int = 0
    behind: int = 0
    behind_since: int = 0
    behind_at: int = 0
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Restart:
    """A series starts anew: its readings stay behind its clock. Times are ns.

    Attributes:
        slot: of the series. row: the reading of the batch that starts it anew.
        seen: time of this reading. expected: time that the clock of the series had.
        behind: readings in a row behind the clock, this one included.
    """

    slot: int
    row: int
    seen: int
    expected: int
    behind: int


@dataclass(frozen=True, slots=True)
class CheckedReadings:
    """m readings whose time is believed, in order of arrival.

    Attributes:
        slots: int32 (m,); time: int64 (m,), ns; values: float64 (m, F).
        row: int64 (m,), the reading of the batch with which each is taken: the one that confirms it, or itself.
        own: int64 (m,), the reading of the batch that each is; -1: it was held since an earlier batch. None: the
            checked readings are those of the batch, one by one, and `row` is None too.
        size: n, readings of the batch. held: those that were held, int64 (h,), whether the batch confirms them or not.
        restarts: in order. Where there are some, nothing else is checked, and the state of no series has changed: the
            caller must push the readings up to each of them, then call `TimeCheck.restart`.
    """

    slots: Int32s
    time: Int64s
    values: Float64s
    row: Int64s | None
    own: Int64s | None
    size: int
    held: Int64s
    restarts: tuple[Restart, ...] = ()

    def of_batch(self, disposition: UInt8s) -> UInt8s:
        """The disposition of each reading of the batch, uint8 (n,), from those of the checked readings, (m,)."""
        if self.own is None:
            return disposition
        of_batch = np.full(self.size, Disposition.UNCONFIRMED, np.uint8)
        ours = self.own >= 0
        of_batch[self.own[ours]] = disposition[ours]
        return of_batch

    def as_held(self, disposition: UInt8s) -> UInt8s:
        """The disposition of each reading of the batch, (n,), before any of those held in it was confirmed."""
        if not len(self.held):
            return disposition
        as_held = disposition.copy()
        as_held[self.held] = Disposition.UNCONFIRMED
        return as_held

    @property
    def confirmed(self) -> Int32s:
        """The series of readings that were held since an earlier batch, and are taken now."""
        none = np.zeros(0, np.int32)
        return none if self.own is None else self.slots[self.own < 0]


class TimeCheck:
    """Holds readings that leap ahead and counts those far behind, for all series of a partition.

    Args:
        clock: gives the newest believed time of each series; every checked reading goes to it.
        restarts: False: no series starts anew, however many of its readings are behind.
    """

    def __init__(self, policy: FramePolicy, clock: Clock, restarts: bool) -> None:
        self._clock = clock
        self._leap = policy.leap_ns
        self._restart_after = policy.restart_after if restarts else 0
        self._span = (policy.restart_after - 1) * policy.interval_ns
        # The state of each series that holds a reading, is behind, or has started anew.
        self._states: dict[int, TimeState] = {}
        # Invariant: those of them that hold a reading or are behind.
        self._unsettled: set[int] = set()

    def state(self, slot: int) -> TimeState | None:
        """State of a slot for its snapshot; None: nothing is remembered."""
        return self._states.get(slot)

    def restore(self, slot: int, state: TimeState | None) -> None:
        """Restores a slot from its snapshot; None empties it."""
        self._states.pop(slot, None)
        self._unsettled.discard(slot)
        if state is not None:
            self._states[slot] = state
            if state.held or state.behind:
                self._unsettled.add(slot)

    def holds(self, slot: int) -> bool:
        """True where a reading of the series waits for the next one."""
        return slot in self._states and bool(self._states[slot].held)

    def drop(self, slot: int) -> None:
        """Forgets the reading that is held: it stays unconfirmed."""
        if self.holds(slot):
            self._remember(slot, msgspec.structs.replace(self._states[slot], held=[], held_at=0))

    def restarts(self, slot: int) -> int:
        """Number of times that the clock of the series has started anew."""
        return self._states[slot].restarts if slot in self._states else 0

    def push(self, slots: Int32s, time: Int64s, values: Float64s) -> CheckedReadings:
        """The readings of a batch whose time is believed, and those held before that the batch confirms."""
        plain = CheckedReadings(slots, time, values, None, None, len(time), np.zeros(0, np.int64))
        waiting = self._waiting(slots)
        # Nothing is behind, and nothing leaps, whatever comes before it in the batch: the difference is exact.
        if not len(waiting) and ((time - self._clock.newest(slots)).view(np.uint64) <= self._leap).all():
            return plain
        order = np.argsort(slots, kind="stable")
        runs = Segments(slots[order])
        odd = np.isin(runs.series, waiting) if len(waiting) else np.zeros(len(runs.series), np.bool_)
        odd[runs.of_row[self._is_far(time[order], runs)]] = True
        if not odd.any():
            return plain
        changes = _Changes()
        for run in np.flatnonzero(odd).tolist():
            self._walk(int(runs.series[run]), order[runs.start[run] : runs.end[run]], time, values, changes)
        if changes.restarts:
            return replace(plain, restarts=tuple(sorted(changes.restarts, key=lambda restart: restart.row)))
        for slot, state in changes.states.items():
            self._remember(slot, state)
        return changes.applied(plain)

    def restart(self, slot: int) -> None:
        """Notes that the clock of a series starts anew."""
        self._remember(slot, TimeState(restarts=self.restarts(slot) + 1))

    def _waiting(self, slots: Int32s) -> Int32s:
        """Series of the batch with a reading that is held, or with readings behind."""
        unsettled = np.array(list(self._unsettled), np.int32)
        return np.intersect1d(unsettled, slots) if len(unsettled) else unsettled

    def _is_far(self, when: Int64s, runs: Segments) -> Bools:
        """Rows far from the newest time before them, bool (n,), while none of the batch is held."""
        before = newest_before(when, runs, self._clock.newest(runs.series))
        # As uint64 the difference of any two times is exact.
        away = np.where(when > before, when - before, before - when).view(np.uint64)
        far: Bools = (away > self._leap) & (before != NEVER)
        return far

    def _walk(self, slot: int, rows: Int64s, time: Int64s, values: Float64s, changes: "_Changes") -> None:
        """Takes the readings of one series, one by one."""
        newest = int(self._clock.newest(np.array([slot], np.int32))[0])
        state = msgspec.structs.replace(self._states.get(slot, TimeState()))
        held_row = -1
        for row, at in zip(rows.tolist(), time[rows].tolist(), strict=True):
            if state.held:
                if at >= state.held_at:
                    changes.confirm(row, held_row, state)
                    newest = state.held_at
                state.held = []
            if newest != NEVER and at - newest > self._leap:
                state.held, state.held_at, state.behind = values[row].tolist(), at, 0
                held_row = row
                changes.removed.append(row)
            elif newest != NEVER and newest - at > self._leap:
                if self._is_set_back(state, at):
                    changes.restarts.append(Restart(slot, row, at, newest, state.behind))
                    state.behind, newest = 0, at
            else:
                state.behind, newest = 0, max(newest, at)
        changes.states[slot] = state

    def _is_set_back(self, state: TimeState, at: int) -> bool:
        """Counts a reading far behind; True where it shows that the clock was set back."""
        if state.behind and at >= state.behind_at - self._leap:
            state.behind, state.behind_at = state.behind + 1, max(state.behind_at, at)
        else:
            state.behind, state.behind_since, state.behind_at = 1, at, at
        enough = 0 < self._restart_after <= state.behind
        # A tick has readings of many sensors: they must also show that time goes on.
        return enough and at - state.behind_since >= self._span

    def _remember(self, slot: int, state: TimeState) -> None:
        is_plain = not (state.held or state.behind or state.restarts)
        self.restore(slot, None if is_plain else state)


def ends(disposition: UInt8s, confirmed: int) -> Int64s:
    """Readings by disposition, int64 (len(Disposition),).

    Args:
        disposition: uint8 (n,), of the readings of a batch.
        confirmed: readings of earlier batches that were counted as unconfirmed, and are used now.
    """
    counts = np.bincount(disposition, minlength=len(Disposition)).astype(np.int64)
    counts[Disposition.USED] += confirmed
    counts[Disposition.UNCONFIRMED] -= confirmed
    return counts


class _Changes:
    """The changes that the check makes to a batch: rows that are held, and readings that are confirmed."""

    def __init__(self) -> None:
        self.removed: list[int] = []
        # The state after the batch, by slot.
        self.states: dict[int, TimeState] = {}
        self.restarts: list[Restart] = []
        # For each held reading that is taken: the row that confirms it, its own row, its time and values.
        self._confirming: list[int] = []
        self._own: list[int] = []
        self._time: list[int] = []
        self._values: list[list[float]] = []

    def confirm(self, row: int, own: int, held: TimeState) -> None:
        """Takes the reading that is held, before `row`; `own`: its row, -1: it is of an earlier batch."""
        self._confirming.append(row)
        self._own.append(own)
        self._time.append(held.held_at)
        self._values.append(held.held)

    def applied(self, plain: CheckedReadings) -> CheckedReadings:
        """The readings of the batch with these changes."""
        taken = np.ones(plain.size, np.bool_)
        taken[self.removed] = False
        rows = np.flatnonzero(taken)
        confirming = np.array(self._confirming, np.int64)
        # Stable: a confirmed reading stands before the row that confirms it, which may itself be held.
        order = np.argsort(np.concatenate([confirming, rows]), kind="stable")
        row = np.concatenate([confirming, rows])[order]
        own = np.concatenate([np.array(self._own, np.int64), rows])[order]
        time = np.concatenate([np.array(self._time, np.int64), plain.time[rows]])[order]
        held = np.array(self._values, np.float64).reshape(len(confirming), plain.values.shape[1])
        values = np.concatenate([held, plain.values[rows]])[order]
        return CheckedReadings(plain.slots[row], time, values, row, own, plain.size, np.array(self.removed, np.int64))
