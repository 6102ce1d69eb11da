"""Readings to frames for all series of a partition. Training and serving share this step, to the bit."""

from collections.abc import Iterable

import numpy as np

from stream.detect.frames.clock import Clock, RawFrames, ReadingClock
from stream.detect.frames.frames import Framer, Frames
from stream.detect.frames.sentinels import MissingValues
from stream.detect.frames.ticks import TickClock
from stream.detect.policy import FramePolicy
from stream.detect.slots import Slots
from stream.intake.columns import Int64s, Readings, UInt8s


class Framing:
    """Slots, clocks and carried values of all series."""

    def __init__(self, policy: FramePolicy, sensors: tuple[str, ...]) -> None:
        self.slots = Slots()
        on_ticks = policy.resample != "none"
        self.clock: Clock = TickClock(policy, len(sensors)) if on_ticks else ReadingClock(len(sensors))
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

    def raw(self, readings: Readings) -> tuple[RawFrames, UInt8s]:
        """Raw frames of a batch whose series have slots, and the disposition of each reading, uint8 (n,)."""
        if not len(readings):
            return self.clock.push(np.zeros(0, np.int32), readings.time, readings.values)
        slots = self.slots.lookup(readings.names)[readings.series]
        return self.clock.push(slots, readings.time, self._sentinels.removed(readings.values))

    def sentinels(self, readings: Readings) -> Int64s:
        """The number of values of each sensor that mean none, and are missing in `raw`: int64 (F,)."""
        return self._sentinels.count(readings.values)

    def frames(self, raw: RawFrames) -> Frames:
        """Frames of raw frames, as `Framer.push`."""
        return self.framer.push(raw)

    def forget(self, slot: int) -> None:
        """Empties the slot of a series that was released."""
        self.clock.clear(slot)
        self.framer.clear(slot)
