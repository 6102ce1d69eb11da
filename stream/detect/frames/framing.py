"""Readings to frames for all series of a partition: the step that training and serving share to the bit."""

from collections.abc import Iterable

import numpy as np

from stream.detect.frames.clock import Clock, Ordered, RawFrames
from stream.detect.frames.frames import Framer, Frames
from stream.detect.frames.ticks import Ticked
from stream.detect.policy import FramePolicy
from stream.detect.slots import Slots
from stream.intake.columns import Readings, UInt8s


class Framing:
    """Slots, clocks, carried values."""

    def __init__(self, policy: FramePolicy, sensors: tuple[str, ...]) -> None:
        self.slots = Slots()
        on_ticks = policy.resample != "none"
        self.clock: Clock = Ticked(policy, len(sensors)) if on_ticks else Ordered(len(sensors))
        self.framer = Framer(policy, sensors)
        self.capacity = 0

    def admit(self, names: Iterable[str]) -> list[tuple[int, str]]:
        """Gives series that have none a slot; returns (slot, name) of each. Later state arrays follow `capacity`."""
        added = [(self.slots.add(name), name) for name in self.slots.missing(names)]
        if self.slots.capacity > self.capacity:
            self.capacity = max(2 * self.capacity, self.slots.capacity, 16)
            self.clock.resize(self.capacity)
            self.framer.resize(self.capacity)
        for slot, name in added:
            self.framer.name(slot, name)
        return added

    def raw(self, readings: Readings) -> tuple[RawFrames, UInt8s]:
        """Raw frames of a batch whose series have slots, and the disposition of each reading, uint8 (n,)."""
        if not len(readings):
            return self.clock.push(np.zeros(0, np.int32), readings.time, readings.values)
        slots = self.slots.lookup(readings.names)[readings.series]
        return self.clock.push(slots, readings.time, readings.values)

    def frames(self, raw: RawFrames) -> Frames:
        return self.framer.push(raw)

    def forget(self, slot: int) -> None:
        self.clock.clear(slot)
        self.framer.clear(slot)
