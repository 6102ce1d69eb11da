"""Readings to frames for all series of a partition. Training and serving share this step, to the bit."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from stream.detect.frames.clock import Clock, RawFrames, ReadingClock
from stream.detect.frames.frames import Framer, Frames
from stream.detect.frames.sentinels import MissingValues
from stream.detect.frames.ticks import TickClock
from stream.detect.frames.time_check import CheckedReadings, TimeCheck
from stream.detect.policy import FramePolicy
from stream.detect.slots import Slots
from stream.intake.columns import Int64s, Readings, UInt8s


class Framing:
    """Slots, clocks and carried values of all series.

    Args:
        restarts: False: no clock starts anew. A history has one order of time, and its readings behind it are late.
    """

    def __init__(self, policy: FramePolicy, sensors: tuple[str, ...], restarts: bool = False) -> None:
        self.slots = Slots()
        on_ticks = policy.resample != "none"
        self.clock: Clock = TickClock(policy, len(sensors)) if on_ticks else ReadingClock(len(sensors))
        self.times = TimeCheck(policy, self.clock, restarts)
        self.framer = Framer(policy, sensors)
        self._sentinels = MissingValues(policy.sentinels, sensors)
        self.capacity = 0

    def admit(self, names: Iterable[str]) -> list[tuple[int, str]]:
        """Gives a slot to each series that has none; returns (slot, name) of each. State arrays follow `capacity`."""
        added = [(self.slots.add(name), name) for name in self.slots.missing(names)]
        if self.slots.capacity > self.capacity:
            self.capacity = max(2 * self.capacity, self.slots.capacity, 16)
            self.clock.resize(self.capacity)
            self.framer.resize(self.capacity)
        for slot, name in added:
            self.framer.set_series(slot, name)
        return added

    def checked(self, readings: Readings) -> CheckedReadings:
        """The readings of a batch whose series have slots, once their times are checked: for `raw`, in order."""
        if not len(readings):
            return self.times.push(np.zeros(0, np.int32), readings.time, readings.values)
        slots = self.slots.lookup(readings.names)[readings.series]
        return self.times.push(slots, readings.time, self._sentinels.removed(readings.values))

    def raw(self, checked: CheckedReadings) -> tuple[RawFrames, UInt8s]:
        """Raw frames of m readings, by the rows of the batch, and the disposition of each reading, uint8 (m,)."""
        raw, disposition = self.clock.push(checked.slots, checked.time, checked.values)
        return (raw if checked.row is None else replace(raw, row=checked.row[raw.row])), disposition

    def sentinels(self, readings: Readings) -> Int64s:
        """The number of values of each sensor that mean none, and are missing in `raw`: int64 (F,)."""
        return self._sentinels.count(readings.values)

    def frames(self, raw: RawFrames) -> Frames:
        """Frames of raw frames, as `Framer.push`."""
        return self.framer.push(raw)

    def forget(self, slot: int) -> None:
        """Empties the slot of a series that was released."""
        self.clock.clear(slot)
        self.times.restore(slot, None)
        self.framer.clear(slot)

    def restart(self, slot: int) -> None:
        """Starts a series anew, at any time: its next frame stands after a gap."""
        self.times.restart(slot)
        self.clock.clear(slot)
        self.framer.restart(slot)
