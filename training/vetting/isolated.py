"""Values isolated from the rest of their sensor, below or above it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stream.detect.slots import Segments
from stream.intake.columns import Bools, Float64s, Int32s, Int64s

# Fewer values tell nothing about a distribution.
FEWEST = 50
# Distinct values of a sensor that measures. Fewer are states, and any gap between states is as good as another.
FEWEST_LEVELS = 10
# Distinct values that may be more than half of all, if the others measure: codes of a sensor that is mostly absent.
MOST_CODES = 3
# Ends that are cut one after the other, such as 1e20, then -9999, then 65535.
MOST_CUTS = 8


@dataclass(frozen=True, slots=True)
class Sample:
    """Finite values of a sensor in one series.

    Attributes:
        series: its index.
        rows: int64 (n,), of the history, ascending.
        values: float64 (n,), one for each row.
        below, rest, above: float64, together all values, sorted. Between two of them lies a gap wider than all that the
            rest spans.
    """

    series: int
    rows: Int64s
    values: Float64s
    below: Float64s
    rest: Float64s
    above: Float64s

    def isolated(self) -> Bools:
        """Mask of the values below or above the rest, bool (n,)."""
        isolated: Bools = (self.values < self.rest[0]) | (self.values > self.rest[-1])
        return isolated


def samples(column: Float64s, series: Int32s) -> Iterator[Sample]:
    """The sample of each series with enough finite values; the rows of a series stand together.

    Args:
        column: float64 (T,), of one sensor; not finite: missing.
    """
    for index, start, end in Segments(series):
        values = column[start:end]
        finite = np.flatnonzero(np.isfinite(values))
        if len(finite) >= FEWEST:
            values = values if len(finite) == end - start else values[finite]
            yield Sample(index, finite + start, values, *split(np.sort(values)))


def split(ordered: Float64s) -> tuple[Float64s, Float64s, Float64s]:
    """Splits sorted values into those isolated below, the rest, and those isolated above."""
    start, end = 0, len(ordered)
    for _ in range(MOST_CUTS):
        part = ordered[start:end]
        above = _isolated_below(-part[::-1])
        below = 0 if above else _isolated_below(part)
        start, end = start + below, end - above
        if not below and not above:
            break
    return ordered[:start], ordered[start:end], ordered[end:]


def _isolated_below(part: Float64s) -> int:
    """Number of the lowest values that are divided from the rest by a gap wider than the rest; 0: there is none."""
    if len(part) < FEWEST:
        return 0
    with np.errstate(over="ignore"):
        gaps = np.diff(part)
        wide = gaps > part[-1] - part[1:]
    cuts = np.flatnonzero(wide[: len(part) - FEWEST]) + 1
    if not len(cuts):
        return 0
    moves = np.flatnonzero(gaps)
    codes, minority = np.isin(cuts, moves[:MOST_CODES] + 1), 2 * cuts <= len(part)
    # The last cut that leaves enough distinct values.
    last = moves[1 - FEWEST_LEVELS] if len(moves) >= FEWEST_LEVELS - 1 else 0
    measures = cuts[(codes | minority) & (cuts <= last)]
    return int(max(measures if len(measures) else cuts[codes & minority], default=0))


def levels(ordered: Float64s) -> int:
    """Number of distinct values, sorted; at least one value."""
    return 1 + int(np.count_nonzero(np.diff(ordered)))
