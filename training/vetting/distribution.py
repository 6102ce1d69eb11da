"""Odd distributions of good sensors: wild values, coarse steps, and limits that cut values off."""

from collections.abc import Iterator

import numpy as np

from stream.intake.columns import Float64s
from training.vetting.finding import Kind, Seen
from training.vetting.isolated import FEWEST_LEVELS, Sample, levels
from training.vetting.sentinels import shown

# A value is wild if it is farther from the rest than this many times the range of 98 % of the rest. The range of
# 1,000,000 normal values is twice that of 98 % of them.
WILD = 10.0
# Larger shares are a state of the sensor, not wild values.
MOST_WILD = 0.01
# A quantised sensor moves in steps of half a standard deviation or more: its rounding hides a seventh of its spread.
FINEST = 2.0
# Fewer steps are states. More than half of the rows at one step: the sensor counts events or rests.
FEWEST_STEPS, MOST_AT_REST = 5, 0.5
# Values closer than this share of the range of 98 % are at the same step: digitisers and unit conversions dither.
SAME_STEP, EVEN = 0.005, 0.1
# A limit cuts off a share of the values that no other value comes near to, in a sensor of many values.
LEAST_CUT, MOST_CUT, TIMES_OTHERS, FEWEST_VALUES = 0.02, 0.6, 5.0, 100
# A sensor that is cut off also comes close to its limit; a sensor at rest is away from its other values.
NEAR, LEAST_NEAR = 0.05, 0.01


def wild(sample: Sample, sentinels: Float64s) -> Iterator[Seen]:
    """Finds values far outside the rest that are no sentinels."""
    rest = sample.rest
    width = _width(rest)
    if len(sample.below) + len(sample.above) == 0 or width == 0.0 or levels(rest) < FEWEST_LEVELS:
        return
    far = sample.isolated() & ~np.isin(sample.values, sentinels)
    far[far] = np.maximum(rest[0] - sample.values[far], sample.values[far] - rest[-1]) >= WILD * width
    values = np.sort(sample.values[far])
    if 0 < len(values) <= MOST_WILD * len(sample.values):
        span = shown(values[0]) if values[0] == values[-1] else f"{values[0]:.6g} to {values[-1]:.6g}"
        reason = f"{span}; all others are between {rest[0]:.6g} and {rest[-1]:.6g}"
        yield Seen(Kind.WILD, sample.series, reason, sample.rows[far])


def quantised(sample: Sample) -> Iterator[Seen]:
    """Finds a sensor that moves in few even steps, coarse against its spread."""
    rest, width = sample.rest, _width(sample.rest)
    if width == 0.0:
        return
    first = np.flatnonzero(np.diff(rest, prepend=-np.inf) > SAME_STEP * width)  # (n,), where each step begins
    if len(first) < FEWEST_STEPS or np.diff(first, append=len(rest)).max() > MOST_AT_REST * len(rest):
        return
    gaps = np.diff(rest[first])
    step, spread = float(np.median(gaps)), float(rest.std())
    even = np.abs(gaps / step - np.round(gaps / step)) < EVEN
    if spread <= FINEST * step and even.all():
        reason = f"moves in steps of {step:.3g}, its standard deviation is {spread:.3g}: a smaller fault does not show"
        yield Seen(Kind.QUANTISED, sample.series, reason, sample.rows[:0])


def clipped(sample: Sample) -> Iterator[Seen]:
    """Finds a sensor of many values that is cut off at its minimum or maximum.

    A minimum of 0 cuts off nothing: rates, counts and machines that are off end there.
    """
    rest = sample.rest
    sizes = {float(rest[0]): np.searchsorted(rest, rest[0], "right"), float(rest[-1]): len(rest)}
    sizes[float(rest[-1])] -= np.searchsorted(rest, rest[-1])
    cut = {limit: n for limit, n in sizes.items() if LEAST_CUT * len(rest) <= n <= MOST_CUT * len(rest) and limit != 0}
    if not cut:
        return
    starts = np.append(0, np.flatnonzero(np.diff(rest)) + 1)
    counts = np.diff(starts, append=len(rest))
    for limit, size in cut.items():
        near = int((np.abs(rest - limit) <= NEAR * np.ptp(rest)).sum()) - size
        others = np.delete(counts, -1 if limit == rest[-1] else 0)
        if len(starts) >= FEWEST_VALUES and size >= TIMES_OTHERS * others.max() and near >= LEAST_NEAR * len(rest):
            reason = f"cut off at its {'maximum' if limit == rest[-1] else 'minimum'}, {shown(limit)}"
            yield Seen(Kind.CLIPPED, sample.series, reason, sample.rows[sample.values == limit])


def _width(ordered: Float64s) -> float:
    """Range of the middle 98 % of sorted values."""
    cut = len(ordered) // 100
    return float(ordered[-1 - cut] - ordered[cut])
