"""The veto on openings: an exceeding frame opens an incident only if a sensor deviates by enough.

The model works in scaled units; the rules are in the sensors' own units.
"""

import numpy as np

from stream.detect.policy import SensorRule
from stream.intake.columns import Bools, Float64s

# Least share of a frame's error with which a sensor's rule counts.
MIN_SHARE = 0.2


def shares(errors: Float64s) -> Float64s:
    """Share of each sensor in the error of its frame, float64 (F, n), in [0, 1]; 0: left out.

    Args:
        errors: float64 (F, n); NaN: left out.
    """
    known = np.where(np.isnan(errors), 0.0, errors)
    total = np.zeros(errors.shape[1])
    for error in known:  # sensor by sensor: numpy's own order depends on n, and a batch must not change a bit
        total += error
    return known / np.maximum(total, np.finfo(np.float64).tiny)


class Veto:
    """The rules of all sensors; a sensor without a rule always passes."""

    def __init__(self, rules: tuple[SensorRule, ...], sensors: tuple[str, ...]) -> None:
        by_name = {rule.sensor: rule for rule in rules}
        rules_of = [by_name.get(name, SensorRule.permissive(name)) for name in sensors]
        self.is_on = bool(rules)
        self._only_above, self._only_below = (
            np.array([[rule.direction == direction] for rule in rules_of]) for direction in ("above", "below")
        )  # (F, 1), as all of them
        self._absolute = np.array([[rule.min_absolute] for rule in rules_of])
        self._relative = np.array([[rule.min_relative] for rule in rules_of])

    def vetoed(self, share: Float64s, observed: Float64s, expected: Float64s) -> Bools:
        """Frames in which no sensor with at least a fifth of the error passes its rule, bool (n,).

        If no sensor has a fifth, the error is spread out, and any sensor that passes is enough.

        Args:
            share: float64 (F, n).
            observed, expected: float64 (F, n), in the sensors' units; NaN where masked.
        """
        deviation = observed - expected
        wrong = (self._only_above & (deviation <= 0)) | (self._only_below & (deviation >= 0))
        size = np.abs(deviation)
        passes = ~wrong & (size >= self._absolute) & (size >= self._relative * np.abs(expected))
        counts = share >= MIN_SHARE
        counts |= ~counts.any(axis=0)
        vetoed: Bools = np.logical_not((counts & passes).any(axis=0))
        return vetoed
