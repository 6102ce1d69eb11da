"""Valid ranges: values that cannot be. A frame is made without them, as if they were missing; they are told instead."""

import numpy as np

from stream.detect.policy import ValidRange
from stream.intake.columns import Float64s


class Ranges:
    """The limits of each sensor.

    Attributes:
        low, high: float64 (F,), in the sensors' units; infinite where there is no limit.
    """

    def __init__(self, valid: tuple[ValidRange, ...], sensors: tuple[str, ...]) -> None:
        by_name = {limits.sensor: limits for limits in valid}
        given = [by_name.get(name, ValidRange(name)) for name in sensors]
        self.low = np.array([-np.inf if limits.low is None else limits.low for limits in given])
        self.high = np.array([np.inf if limits.high is None else limits.high for limits in given])
        self._limited = np.flatnonzero(np.isfinite(self.low) | np.isfinite(self.high))

    def outside(self, values: Float64s) -> Float64s | None:
        """float64 (n, F): the finite values that lie outside, NaN elsewhere. None where there is none, as a rule.

        Args:
            values: float64 (n, F), as the sensors gave them; NaN where missing.
        """
        limited = values[:, self._limited]
        beyond = (limited < self.low[self._limited]) | (limited > self.high[self._limited])
        beyond &= np.isfinite(limited)
        if not beyond.any():
            return None
        outside = np.full(values.shape, np.nan)
        outside[:, self._limited] = np.where(beyond, limited, np.nan)
        return outside

    def broken(self, outside: Float64s) -> Float64s:
        """float64 (F,): the limit that each value of one row of `outside` lies beyond."""
        return np.where(outside > self.high, self.high, self.low)
