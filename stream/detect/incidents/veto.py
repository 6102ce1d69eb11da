"""The veto on openings: an exceeding frame opens an incident only where a sensor's deviation is worth one.

The model sees scaled units; what is worth an alert is known in the sensors' own.
"""

import numpy as np

from stream.detect.policy import SensorRule
from stream.intake.columns import Bools, Float64s

# Part of a frame's error from which on a sensor is one of those that the frame is about.
PART = 0.2


def shares(errors: Float64s) -> Float64s:
    """Each sensor's part of the error of its frame, in [0, 1]; 0 where it is left out.

    Args:
        errors: float64 (F, n), NaN where a sensor is left out.
    """
    known = np.where(np.isnan(errors), 0.0, errors)
    total = np.zeros(errors.shape[1])
    for error in known:  # sensor by sensor: numpy's own order depends on n, and a batch must not change a bit
        total += error
    return known / np.maximum(total, np.finfo(np.float64).tiny)


class Veto:
    """The rules of all sensors; one without a rule always passes."""

    def __init__(self, rules: tuple[SensorRule, ...], sensors: tuple[str, ...]) -> None:
        by_name = {rule.sensor: rule for rule in rules}
        given = [by_name.get(name, SensorRule.permissive(name)) for name in sensors]
        self.is_on = bool(rules)
        self._only_above, self._only_below = (
            np.array([[rule.direction == direction] for rule in given]) for direction in ("above", "below")
        )  # (F, 1), as all of them
        self._absolute = np.array([[rule.min_absolute] for rule in given])
        self._relative = np.array([[rule.min_relative] for rule in given])

    def vetoed(self, share: Float64s, observed: Float64s, expected: Float64s) -> Bools:
        """bool (n,): frames of which no sensor with at least a fifth of the error passes its rule.

        Where none has a fifth, the error is spread, and any sensor that passes will do.

        Args:
            share: float64 (F, n). observed, expected: float64 (F, n), in the sensors' units; NaN where masked.
        """
        deviation = observed - expected
        wrong = (self._only_above & (deviation <= 0)) | (self._only_below & (deviation >= 0))
        size = np.abs(deviation)
        passes = ~wrong & (size >= self._absolute) & (size >= self._relative * np.abs(expected))
        asked = share >= PART
        asked |= ~asked.any(axis=0)
        vetoed: Bools = np.logical_not((asked & passes).any(axis=0))
        return vetoed
