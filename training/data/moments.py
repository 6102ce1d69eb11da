"""Location and spread of sensors, from the values that are not wild: a few per cent of sentinels cannot move them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.intake.columns import Bools, Float64s, Int64s

# The usual values of a sensor lie between these quantiles. Distances outside are counted in their width.
TAIL = 0.1
# A value is wild farther out than FAR, or where it is APART times as far out as the next nearer value. Heavy tails have
# values between, such as those of disk and network loads. Chosen by seven public data sets together: with a smaller FAR
# the bursts of servers, clipped, hide their faults.
APART, FAR = 5.0, 64.0
# A relative deviation below this is the rounding error of a constant; dividing by it would make noise.
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Moments:
    """Location and spread of F sensors.

    Attributes:
        mean: float64 (F,), in the sensors' units; 0 where there is no value.
        deviation: float64 (F,), standard deviation; 0 where values do not vary.
        count: int64 (F,), finite values.
        wild: int64 (F,), values too far from the others; both leave them out.
    """

    mean: Float64s
    deviation: Float64s
    count: Int64s
    wild: Int64s

    @property
    def columns(self) -> tuple[NDArray[Any], ...]:
        """The arrays, in the order of the fields."""
        return self.mean, self.deviation, self.count, self.wild


def moments(values: Float64s, with_wild: bool = False) -> Moments:
    """Computes the moments of T rows, float64 (T, F); a value that is not finite is missing.

    Where no value is wild, these are the plain mean and standard deviation.

    Args:
        with_wild: wild values count as all others do.
    """
    finite = np.isfinite(values)
    wild = np.zeros_like(finite) if with_wild else wild_values(values, finite)
    kept = finite & ~wild
    count = np.maximum(kept.sum(axis=0), 1)
    mean = np.where(kept, values, 0.0).sum(axis=0) / count
    centred = np.where(kept, values - mean, 0.0)
    deviation = np.sqrt((centred**2).sum(axis=0) / count)
    flat = deviation <= ROUNDING * np.maximum(np.abs(mean), 1e-300)
    return Moments(mean, np.where(flat, 0.0, deviation), finite.sum(axis=0), wild.sum(axis=0))


def wild_values(values: Float64s, finite: Bools) -> Bools:
    """Mask of the values that are far outside the usual ones of their sensor, bool (T, F).

    Where both quantiles are equal, the sensor mostly stands still: any move may be real, and no value is wild.
    """
    wild = np.zeros(values.shape, np.bool_)
    for sensor in range(values.shape[1]):
        column = values[finite[:, sensor], sensor]
        if not len(column):
            continue
        with np.errstate(over="ignore", invalid="ignore"):
            low, high = np.quantile(column, (TAIL, 1.0 - TAIL))
            wild[finite[:, sensor], sensor] = _outlying(column - high, high - low) | _outlying(low - column, high - low)
    return wild


def _outlying(outside: Float64s, width: float) -> Bools:
    """Mask of the wild values on one side, bool (n,); `outside` is how far they are out, negative inside."""
    nearest = np.nan
    if width > 0 and outside.max() > APART * width:
        distances = np.sort(outside[outside > 0])
        nearer = np.maximum(np.append(0.0, distances[:-1]), width)
        is_wild = (distances > FAR * width) | (distances > APART * nearer)
        nearest = distances[is_wild.argmax()] if is_wild.any() else nearest
    wild: Bools = outside >= nearest
    return wild
