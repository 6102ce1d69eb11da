"""Lost sensors: those that had values and have had none for long, though frames are scored without them."""

import numpy as np

from stream.detect.frames.clock import NEVER
from stream.detect.slots import Segments, grown, last_true
from stream.intake.columns import Bools, Float64s, Int64s

# Time since which a sensor has no value: it has one, or it never had one. The latter is no loss.
HERE, UNSEEN = np.iinfo(np.int64).max, NEVER


class LostSensors:
    """Per series and sensor: event time of the first frame without a value, ns.

    Args:
        sensors: F. limit_ns: event time without a value after which a sensor is lost.
    """

    def __init__(self, sensors: int, limit_ns: int) -> None:
        self._limit = limit_ns
        self._since = np.zeros((0, sensors), np.int64)

    def resize(self, capacity: int) -> None:
        """Makes room for `capacity` slots."""
        self._since = grown(self._since, capacity, UNSEEN)

    def clear(self, slot: int) -> None:
        """Empties a slot."""
        self._since[slot] = UNSEEN

    def restart(self, slot: int, since: int) -> None:
        """Notes that the own time of a series starts anew at `since`, ns."""
        own = self._since[slot]
        self._since[slot] = np.where((own == HERE) | (own == UNSEEN), own, since)

    def state(self, slot: int) -> bytes:
        """State of a slot for its snapshot; empty where all sensors have values."""
        own = self._since[slot]
        return b"" if (own == HERE).all() else own.astype("<i8").tobytes()

    def restore(self, slot: int, state: bytes | None) -> None:
        """Restores a slot from its snapshot; None: no sensor was seen."""
        if state is not None:
            self._since[slot] = np.frombuffer(state, "<i8") if state else HERE

    def push(self, values: Float64s, time: Int64s, segments: Segments) -> tuple[Bools, Int64s] | None:
        """Takes frames, sorted by series, then time.

        Args:
            values: float64 (n, F), NaN where a sensor has no value. time: int64 (n,), ns.

        Returns:
            Sensors that are lost, bool (n, F), and since when each has no value, int64 (n, F); None: none is lost.
        """
        masked, slots = np.isnan(values), segments.series
        if not masked.any():
            self._since[slots] = HERE
            return None
        present = last_true(~masked, segments)
        after = np.minimum(present + 1, len(time) - 1)
        old = self._since[slots][segments.of_row]
        began = np.where(old == HERE, time[segments.start_of_row][:, None], old)
        since = np.where(present >= 0, time[after], began)
        end = segments.end - 1
        self._since[slots] = np.where(masked[end], since[end], HERE)
        lost: Bools = masked & (since != UNSEEN) & (since < (time - self._limit)[:, None])
        return (lost, since) if lost.any() else None
