"""Blindness: the series that have had no frame that can be scored for long, and since when."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stream.detect.frames.clock import NEVER
from stream.detect.frames.frames import Fitness, Frames
from stream.detect.slots import Segments, grown, last_true, previous

NO_LIMIT = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class BlindnessEvent:
    """A series has gone blind, or has recovered. Times are ns.

    Attributes:
        recovered: False: its frames have been degraded for too long. True: this is the first whole frame after that.
        since: time of the first degraded frame.
        time: time of the frame that shows the change.
        masked: sensors without a value in that frame.
        row: the reading of the batch that completed the frame; -1: a silence completed it.
    """

    series: str
    recovered: bool
    since: int
    time: int
    masked: tuple[str, ...]
    row: int


class Blindness:
    """Per series: the time since which its frames are degraded, and a flag once it was reported blind.

    Only a whole frame ends blindness. An off frame and a gap tell nothing about the sensors.

    Args:
        sensors: names, in the order of the frames' values.
        blind_after_ns: event time after which a series with degraded frames is reported blind, ns; None: never.
    """

    def __init__(self, sensors: tuple[str, ...], blind_after_ns: int | None) -> None:
        self._sensors = sensors
        self._limit = NO_LIMIT if blind_after_ns is None else blind_after_ns
        # Time of the first degraded frame since the last whole one; NEVER: there is none.
        self._since = np.zeros(0, np.int64)
        # Invariant: is_blind[s] only where _since[s] != NEVER.
        self.is_blind = np.zeros(0, np.bool_)

    def resize(self, capacity: int) -> None:
        """Makes room for `capacity` slots."""
        self._since = grown(self._since, capacity, NEVER)
        self.is_blind = grown(self.is_blind, capacity, False)

    def clear(self, slot: int) -> None:
        """Empties a slot."""
        self._since[slot], self.is_blind[slot] = NEVER, False

    def degraded_since(self, slot: int) -> int | None:
        """Time of the first degraded frame, ns; None: the last frame was whole, or there is none."""
        since = int(self._since[slot])
        return None if since == NEVER else since

    def restore(self, slot: int, degraded_since: int | None, is_blind: bool) -> None:
        """Restores the state of a slot from a snapshot."""
        self._since[slot] = NEVER if degraded_since is None else degraded_since
        self.is_blind[slot] = is_blind

    def push(self, frames: Frames, name: Callable[[int], str]) -> list[BlindnessEvent]:
        """Events of a batch, in the order of `frames`; `name` gives the series of a slot."""
        degraded = frames.fitness == Fitness.DEGRADED
        if not degraded.any() and (self._since[frames.series] == NEVER).all():
            return []
        rows = np.flatnonzero(frames.fitness != Fitness.OFF)
        degraded, time = degraded[rows], frames.time[rows]
        segments = Segments(frames.series[rows])
        slots, last = segments.series, segments.end - 1
        begun = last_true(degraded & ~previous(degraded, segments, self._since[slots] != NEVER), segments)
        old_since, was_blind = self._since[slots][segments.of_row], self.is_blind[slots]
        since = np.where(begun >= 0, time[np.maximum(begun, 0)], old_since)
        goes_on = (begun < 0) & was_blind[segments.of_row]
        blind = degraded & (goes_on | (time - np.where(degraded, since, time) > self._limit))
        blind_before = previous(blind, segments, was_blind)
        self._since[slots] = np.where(degraded[last], since[last], NEVER)
        self.is_blind[slots] = blind[last]
        return [self._event(frames, int(rows[i]), int(since[i]), name) for i in np.flatnonzero(blind != blind_before)]

    def _event(self, frames: Frames, at: int, since: int, name: Callable[[int], str]) -> BlindnessEvent:
        return BlindnessEvent(
            series=name(int(frames.series[at])),
            recovered=bool(frames.fitness[at] == Fitness.WHOLE),
            since=since,
            time=int(frames.time[at]),
            masked=tuple(self._sensors[f] for f in np.flatnonzero(np.isnan(frames.values[at]))),
            row=int(frames.row[at]),
        )
