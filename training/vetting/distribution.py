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
# Others are wild though values lie between: FAR times the range of 90 % away, as scales count it, too. Loads of disks
# and networks reach so far day by day. Their quartiles tell: the twentieths are more than LIGHT times as far from the
# median (2.4 times for normal values).
FAR, TWENTIETH, LIGHT = 50.0, 20, 3.0
# Larger shares are a state of the sensor, not wild values.
MOST_WILD = 0.01
# A quantised sensor moves in steps of half a standard deviation or more: its rounding hides a seventh of its spread.
FINEST = 2.0
# Fewer steps are states. More than half of the rows at one step: the sensor counts events or rests.
FEWEST_STEPS, MOST_AT_REST = 5, 0.5
# Values closer than this share of the range of 98 % are at the same step: digitisers and unit conversions dither.
SAME_STEP, EVEN = 0.005, 0.1
# A sensor with another value in fewer rows than this share rarely moves.
MOST_MOVED = 0.01
# A limit cuts off a share of the values that no other value comes near to, in a sensor of many values.
LEAST_CUT, MOST_CUT, TIMES_OTHERS, FEWEST_VALUES = 0.02, 0.6, 5.0, 100
# A sensor that is cut off also comes close to its limit; a sensor at rest is away from its other values.
NEAR, LEAST_NEAR = 0.05, 0.01


def wild(sample: Sample, sentinels: Float64s) -> Iterator[Seen]:
    """Finds values far outside all others that are no sentinels: isolated ones, else very far ones."""
    values = sample.values
    for (low, high), most in _limits(sample):
        far = (values < low) | (values > high)
        far[far] = ~np.isin(values[far], sentinels)
        if 0 < far.sum() <= most * len(values):
            others, out = values[(values >= low) & (values <= high)], np.sort(values[far])
            span = shown(out[0]) if out[0] == out[-1] else f"{out[0]:.6g} to {out[-1]:.6g}"
            reason = f"{span}; all others are between {others.min():.6g} and {others.max():.6g}"
            yield Seen(Kind.WILD, sample.series, reason, sample.rows[far])
            return


def _limits(sample: Sample) -> Iterator[tuple[tuple[float, float], float]]:
    """Limits outside of which values are wild, each with the largest share of values that may be so."""
    rest, wide, usual = sample.rest, _width(sample.rest, 100), _width(sample.rest, TWENTIETH)
    if len(rest) < len(sample.values) and wide > 0.0 and levels(rest) >= FEWEST_LEVELS:
        yield (rest[0] - WILD * wide, rest[-1] + WILD * wide), MOST_WILD
    cut, quarter, half = len(rest) // TWENTIETH, len(rest) // 4, len(rest) // 2
    above = rest[-1 - cut] - rest[half] <= LIGHT * (rest[-1 - quarter] - rest[half])
    below = rest[half] - rest[cut] <= LIGHT * (rest[half] - rest[quarter])
    if usual > 0.0 and above and below:
        yield (rest[cut] - FAR * usual, rest[-1 - cut] + FAR * usual), 1 / TWENTIETH


def quantised(sample: Sample) -> Iterator[Seen]:
    """Finds a sensor that moves in few even steps, coarse against its spread."""
    rest, width = sample.rest, _width(sample.rest, 100)
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


def resting(sample: Sample) -> Iterator[Seen]:
    """Finds a sensor that rarely moves: its deviation is so small that any move is an error of many deviations."""
    ordered = np.sort(sample.values)
    starts = np.append(0, np.flatnonzero(np.diff(ordered)) + 1)
    usual = ordered[starts[np.diff(starts, append=len(ordered)).argmax()]]
    moved = sample.values != usual
    if 0 < moved.sum() < MOST_MOVED * len(moved):
        deviations = float(np.median(np.abs(sample.values[moved] - usual)) / sample.values.std())
        reason = f"{shown(usual)} but for {moved.mean():.2%} of the values; such a move is {deviations:.2g} deviations"
        yield Seen(Kind.RESTING, sample.series, reason, sample.rows[moved])


def _width(ordered: Float64s, tail: int) -> float:
    """Range of sorted values without the lowest and the highest of each `tail` values."""
    cut = len(ordered) // tail
    return float(ordered[-1 - cut] - ordered[cut])
