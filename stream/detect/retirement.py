"""Retirement: a series that the stream has left behind for long enough starts again, warming."""

import numpy as np

from stream.detect.frames.clock import NEVER
from stream.detect.slots import Segments, grown, previous
from stream.intake.columns import Int32s, Int64s


class Retirement:
    """The partition's stream time at which each series was last heard of.

    Args:
        retire_after_ns: stream time without a reading after which a series is retired, ns; None: never.
    """

    def __init__(self, retire_after_ns: int | None) -> None:
        self._retire_after_ns = retire_after_ns
        # NEVER for a slot that is free.
        self.heard = np.zeros(0, np.int64)

    def resize(self, capacity: int) -> None:
        """Makes room for `capacity` slots."""
        self.heard = grown(self.heard, capacity, NEVER)

    def heard_at(self, slot: int) -> int:
        """Stream time at which the series was last heard of, ns; NEVER where it was not."""
        return int(self.heard[slot])

    def restore(self, slot: int, heard_at: int) -> None:
        """Puts back what `heard_at` gave; NEVER clears the slot."""
        self.heard[slot] = heard_at

    def note(self, slots: Int32s, stream_time: Int64s) -> None:
        """Notes the readings (n,) of a batch."""
        np.maximum.at(self.heard, slots, stream_time)

    def returning(self, slots: Int32s, stream_time: Int64s) -> list[int]:
        """Rows of a batch, ascending, with which a series comes back after it was retired.

        Args:
            slots: int32 (n,), n > 0, the series of each reading.
            stream_time: int64 (n,), ns, the partition's at each reading.
        """
        if self._retire_after_ns is None:
            return []
        heard = self.heard[slots]
        oldest = min(int(heard.min(initial=stream_time[0], where=heard != NEVER)), int(stream_time[0]))
        if stream_time[-1] - oldest <= self._retire_after_ns:
            return []
        order = np.argsort(slots, kind="stable")
        segments = Segments(slots[order])
        before = previous(stream_time[order], segments, self.heard[segments.series])
        silent = np.where(before == NEVER, 0, stream_time[order] - before)
        rows: list[int] = np.sort(order[silent > self._retire_after_ns]).tolist()
        return rows

    def expired(self, stream_time: int) -> list[int]:
        """Slots of the series that would start again if they came back at `stream_time`."""
        if self._retire_after_ns is None or stream_time == NEVER:
            return []
        silent = stream_time - np.where(self.heard == NEVER, stream_time, self.heard)
        slots: list[int] = np.flatnonzero(silent > self._retire_after_ns).tolist()
        return slots
