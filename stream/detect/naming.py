"""Naming: the sensors of an event are those whose deviation a person would see in a plot of their values."""

from dataclasses import dataclass

import numpy as np

from stream.intake.columns import Bools, Float64s, Int64s

# Least deviation: in standard deviations of the sensor, and as a multiple of its usual deviation from what the model
# expects. Chosen by the labelled sensors of public server data.
SPREADS, TIMES = 0.5, 3.0
# Least deviation of a sensor that stood still in training: a part of its unit, which is one by its value.
OF_UNIT = 0.05
# Standard deviations from the mean. An extreme value of one sensor spoils what the model expects of all others, and of
# the frames around it. Beside such a value, ordinary ones are no deviation.
ORDINARY, EXTREME = 1.0, 5.0
# Least share, as a part of the largest one: a tenth of its deviation.
BESIDE = 0.01


@dataclass(frozen=True, slots=True)
class Deviations:
    """Deviations of F sensors in the window of a frame.

    Attributes:
        share: float64 (F,), of the error, in [0, 1].
        size: float64 (frames, F), from what was expected, scaled, >= 0; -1 where masked.
        away: float64 (frames, F), from the mean in training, scaled, >= 0.
        usual: float64 (F,), usual deviation on held-out normal data, scaled.
        still: bool (F,), the sensor stood still in training; the value at which it stood is expected.
    """

    share: Float64s
    size: Float64s
    away: Float64s
    usual: Float64s
    still: Bools


@dataclass(frozen=True, slots=True)
class Named:
    """The sensors to name, largest share first, ties by sensor order.

    Attributes:
        sensors: int64 (n,), places.
        at: int64 (F,), the frame of the window in which each sensor deviates most.
        visible: the deviations stand out. False: none does; `sensors` is the one with the largest share.
    """

    sensors: Int64s
    at: Int64s
    visible: bool


def named(of: Deviations, most: int) -> Named:
    """Chooses the sensors whose deviation stands out, against their own past and against the other sensors."""
    large = of.size >= np.where(of.still, OF_UNIT, np.maximum(SPREADS, TIMES * of.usual))
    large &= of.share > 0
    size = of.size
    if (large & (of.away >= EXTREME)).any():
        size = np.where(of.away >= ORDINARY, size, -1.0)
        large &= of.away >= ORDINARY
    seen, at = large.any(axis=0), size.argmax(axis=0)
    seen &= of.share >= BESIDE * np.max(of.share, where=seen, initial=0.0)
    order = np.argsort(-of.share, kind="stable")
    chosen = order[seen[order]][:most]
    if len(chosen):
        return Named(chosen, at, True)
    moving = ~of.still | (size.max(axis=0) >= OF_UNIT)
    return Named(np.array([*order[moving[order]], *order])[:1], at, False)
