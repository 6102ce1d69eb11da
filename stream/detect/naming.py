"""Naming: the sensors of an event are those whose deviation a person would see in a plot of their values."""

from dataclasses import dataclass

import numpy as np

from stream.intake.columns import Bools, Float64s, Int64s

# Least deviation: in standard deviations of the sensor, and as a multiple of its usual deviation from what the model
# expects. Chosen by the labelled sensors of public server data.
SPREADS, TIMES = 0.5, 3.0
# Least deviation of a sensor that stood still in training: a part of its unit, which is one by its value.
OF_UNIT = 0.05
# Standard deviations from the mean. An extreme value of one sensor spoils what the model expects of all others: beside
# it, a sensor with ordinary values is not named.
ORDINARY, EXTREME = 1.0, 5.0
# Least share, as a part of the largest one: a tenth of its deviation.
BESIDE = 0.01


@dataclass(frozen=True, slots=True)
class Deviations:
    """The largest deviations of F sensors in the window of a frame.

    Attributes:
        share: float64 (F,), of the error, in [0, 1].
        size: float64 (F,), scaled, >= 0.
        usual: float64 (F,), usual deviation on held-out normal data, scaled.
        still: bool (F,), the sensor stood still in training; `size` is the distance from the value at which it stood.
        distance: float64 (F,), of the farthest value from the mean in training, scaled, >= 0.
    """

    share: Float64s
    size: Float64s
    usual: Float64s
    still: Bools
    distance: Float64s

    @property
    def unmoved(self) -> Bools:
        """Mask of the sensors that stand where they always stood."""
        unmoved: Bools = self.still & (self.size < OF_UNIT)
        return unmoved

    @property
    def visible(self) -> Bools:
        """Mask of the sensors whose deviation stands out, against their own past and against the other sensors."""
        least = np.maximum(SPREADS, TIMES * self.usual)
        seen: Bools = np.where(self.still, ~self.unmoved, self.size >= least) & (self.share > 0)
        if (seen & (self.distance >= EXTREME)).any():
            seen &= self.distance >= ORDINARY
        return seen & (self.share >= BESIDE * np.max(self.share, where=seen, initial=0.0))


def named(deviations: Deviations, most: int) -> tuple[Int64s, bool]:
    """The sensors to name, largest share first, ties by sensor order, and whether their deviations can be seen.

    Where no deviation stands out, this is the sensor with the largest share, if possible one that moves.
    """
    order = np.argsort(-deviations.share, kind="stable")
    seen = order[deviations.visible[order]][:most]
    if len(seen):
        return seen, True
    return np.array([*order[~deviations.unmoved[order]], *order])[:1], False
