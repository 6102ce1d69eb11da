"""Valid ranges: values outside them are missing in the frame, and are reported instead."""

import numpy as np

from stream.detect.policy import ValidRange
from stream.intake.columns import Float64s


class Ranges:
    """The limits of each sensor.

    Attributes:
        low, high: float64 (F,), in the sensors' units; infinite: no limit.
    """

    def __init__(self, valid: tuple[ValidRange, ...], sensors: tuple[str, ...]) -> None:
        by_name = {limits.sensor: limits for limits in valid}
        limits_of = [by_name.get(name, ValidRange(name)) for name in sensors]
        self.low = np.array([-np.inf if limits.low is None else limits.low for limits in limits_of])
        self.high = np.array([np.inf if limits.high is None else limits.high for limits in limits_of])
        self._limited = np.flatnonzero(np.isfinite(self.low) | np.isfinite(self.high))

    def outside(self, values: Float64s) -> Float64s | None:
        """The finite values outside their range, float64 (n, F), NaN elsewhere; None: there are none, the usual case.

        Args:
            values: float64 (n, F), from the sensors; NaN where missing.
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
        """The limit that each value of one row of `outside` is beyond, float64 (F,)."""
        return np.where(outside > self.high, self.high, self.low)
