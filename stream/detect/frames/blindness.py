"""Sight: which series have had no frame that can be scored for long, and since when."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stream.detect.frames.clock import NEVER
from stream.detect.frames.frames import Fitness, Frames
from stream.detect.slots import Segments, grown, last_true
from stream.intake.columns import Bools

NO_LIMIT = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class SightEvent:
    """A series has gone blind, or sees again. Times are ns.

    Attributes:
        sees: false: its frames have been degraded for too long. true: the first whole frame after that.
        since: the first degraded frame. time: the frame that it was seen at.
        masked: sensors without a value in that frame.
        row: the reading of the batch that completed the frame; -1 where a silence did.
    """

    series: str
    sees: bool
    since: int
    time: int
    masked: tuple[str, ...]
    row: int


class Sight:
    """Per series: since when its frames are degraded, and whether it was told that it is blind.

    Only a whole frame ends that. A frame that is off says nothing of the sensors, a gap says nothing either.

    Args:
        sensors: their names, in the order of the frames' values.
        blind_after_ns: event time for which a series' frames may be degraded without a word; None: for ever.
    """

    def __init__(self, sensors: tuple[str, ...], blind_after_ns: int | None) -> None:
        self._sensors = sensors
        self._limit = NO_LIMIT if blind_after_ns is None else blind_after_ns
        # The first degraded frame since the last whole one; NEVER where there is none.
        self._since = np.zeros(0, np.int64)
        # Invariant: is_blind[s] only where _since[s] != NEVER.
        self.is_blind = np.zeros(0, np.bool_)

    def resize(self, capacity: int) -> None:
        self._since = grown(self._since, capacity, NEVER)
        self.is_blind = grown(self.is_blind, capacity, False)

    def clear(self, slot: int) -> None:
        self._since[slot], self.is_blind[slot] = NEVER, False

    def degraded_since(self, slot: int) -> int | None:
        """ns; None where the last frame was whole, or there is none."""
        since = int(self._since[slot])
        return None if since == NEVER else since

    def restore(self, slot: int, degraded_since: int | None, is_blind: bool) -> None:
        self._since[slot] = NEVER if degraded_since is None else degraded_since
        self.is_blind[slot] = is_blind

    def push(self, frames: Frames, name: Callable[[int], str]) -> list[SightEvent]:
        """Events of a batch, in the order of `frames`. `name`: of the series of a slot."""
        degraded = frames.fitness == Fitness.DEGRADED
        if not degraded.any() and (self._since[frames.series] == NEVER).all():
            return []
        rows = np.flatnonzero(frames.fitness != Fitness.OFF)
        degraded, time = degraded[rows], frames.time[rows]
        segments = Segments(frames.series[rows])
        slots, last = segments.series, segments.end - 1
        begun = last_true(degraded & ~_before(degraded, self._since[slots] != NEVER, segments), segments)
        old_since, was_blind = self._since[slots][segments.of_row], self.is_blind[slots]
        since = np.where(begun >= 0, time[np.maximum(begun, 0)], old_since)
        goes_on = (begun < 0) & was_blind[segments.of_row]
        blind = degraded & (goes_on | (time - np.where(degraded, since, time) > self._limit))
        told = _before(blind, was_blind, segments)
        self._since[slots] = np.where(degraded[last], since[last], NEVER)
        self.is_blind[slots] = blind[last]
        return [self._event(frames, int(rows[i]), int(since[i]), name) for i in np.flatnonzero(blind != told)]

    def _event(self, frames: Frames, at: int, since: int, name: Callable[[int], str]) -> SightEvent:
        return SightEvent(
            series=name(int(frames.series[at])),
            sees=bool(frames.fitness[at] == Fitness.WHOLE),
            since=since,
            time=int(frames.time[at]),
            masked=tuple(self._sensors[f] for f in np.flatnonzero(np.isnan(frames.values[at]))),
            row=int(frames.row[at]),
        )


def _before(flags: Bools, old: Bools, segments: Segments) -> Bools:
    """Of each row (n,) the flag of the row before it in its run; of the first in a run that of `old` (G,)."""
    before = np.empty(len(flags), np.bool_)
    before[1:] = flags[:-1]
    before[segments.start] = old
    return before
