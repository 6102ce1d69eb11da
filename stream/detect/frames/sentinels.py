"""Sentinels: values by which a source says that it has none. They are missing, before anything else sees them."""

import numpy as np

from stream.detect.policy import Sentinels
from stream.intake.columns import Bools, Float64s, Int64s


class MissingValues:
    """The sentinels of each sensor.

    A sentinel is also found where the source rounded it to single precision: -999.99 comes as -999.989990234375 from a
    column of 32 bits.
    """

    def __init__(self, sentinels: tuple[Sentinels, ...], sensors: tuple[str, ...]) -> None:
        by_name = {of.sensor: of.values for of in sentinels}
        self._listed = np.array([f for f, name in enumerate(sensors) if by_name.get(name)], np.int64)
        forms = [_forms(by_name[sensors[f]]) for f in self._listed]
        # float64 (K, L), a column per sensor that has sentinels; NaN, which equals nothing, fills short ones.
        self._values = np.full((max(map(len, forms), default=0), len(forms)), np.nan)
        for place, values in enumerate(forms):
            self._values[: len(values), place] = values

    def removed(self, values: Float64s) -> Float64s:
        """`values`, float64 (n, F), with NaN for every sentinel; the same array where there is none, the usual case."""
        found = self._found(values)
        if not found.any():
            return values
        without = values.copy()
        without[:, self._listed] = np.where(found, np.nan, values[:, self._listed])
        return without

    def count(self, values: Float64s) -> Int64s:
        """The number of sentinels of each sensor in `values`, float64 (n, F): int64 (F,)."""
        counts = np.zeros(values.shape[1], np.int64)
        counts[self._listed] = self._found(values).sum(axis=0)
        return counts

    def _found(self, values: Float64s) -> Bools:
        """The sentinels of the sensors that have some, bool (n, number of these)."""
        listed = values[:, self._listed]
        found = np.zeros(listed.shape, np.bool_)
        for sentinel in self._values:
            found |= listed == sentinel
        return found


def _forms(values: tuple[float, ...]) -> list[float]:
    """The values in double and in single precision; a number too large for single precision is infinite there."""
    with np.errstate(over="ignore"):
        single: list[float] = np.array(values).astype(np.float32).tolist()
    return [*values, *single]
