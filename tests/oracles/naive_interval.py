"""An interval with the classical mistake: neighbouring levels taken for independent samples."""

import math
from collections.abc import Sequence


def independent_interval(values: Sequence[float], q: float, deviations: float) -> tuple[float, float]:
    """Order statistics around the q-quantile, as if the values were independent."""
    ordered, count = sorted(values), len(values)
    spread = deviations * math.sqrt(count * q * (1.0 - q))
    low, high = math.floor(count * q - spread), math.ceil(count * q + spread)
    return ordered[max(low, 0)], ordered[min(high, count - 1)]
