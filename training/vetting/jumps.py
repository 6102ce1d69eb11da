"""Jumps within a history: the level or spread of a sensor changes for good, as by another unit or another gauge."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stream.intake.columns import Float64s
from training.vetting.finding import Kind, Seen
from training.vetting.isolated import Sample

# Blocks of a series. Their medians do not see an hour of a fault, and hardly a day of a month.
BLOCKS, FEWEST_BLOCKS, FEWEST_ROWS = 24, 8, 30
# Blocks on each side: less than an eighth of the history is an episode, not for good.
EDGE = 3
# A jump is so many times the range of the levels on either side, and the spread within blocks. No random walk of 600
# jumped so far.
TIMES_LEVELS, TIMES_SPREAD = 2.0, 3.0
# The least factor between the spreads before and after, beyond the range of spreads on either side.
LEAST_FACTOR = 3.0


@dataclass(frozen=True, slots=True)
class _Jump:
    """The medians of blocks differ before and after the block `at`: by `gap` at least, in units of `beside`."""

    at: int
    gap: float
    beside: float


def jumps(sample: Sample) -> Iterator[Seen]:
    """Finds a level, else a spread, that changes once and for good.

    A daily cycle, a sensor that is switched on and off, a trend and a random walk do not jump: their blocks differ as
    much on one side of any time.
    """
    count = min(BLOCKS, len(sample.values) // FEWEST_ROWS)
    if count < FEWEST_BLOCKS:
        return
    size = len(sample.values) // count
    ordered = np.sort(sample.values[: count * size].reshape(count, size), axis=1)
    level, spread = ordered[:, size // 2], ordered[:, -1 - size // 4] - ordered[:, size // 4]
    jump = _largest(level)
    if jump.gap > 0:
        before, after = np.median(spread[: jump.at]), np.median(spread[jump.at + 1 :])
        beside = max(TIMES_LEVELS * jump.beside, TIMES_SPREAD * float(max(before, after)))
        # Two levels without any spread are two settings.
        if jump.gap >= beside > 0:
            levels = np.median(level[: jump.at]), np.median(level[jump.at + 1 :])
            reason = (
                f"stays at {levels[1]:.6g} after {levels[0]:.6g}; its spread is {after:.3g} after {before:.3g}: "
                "another unit, another gauge, or another state"
            )
            yield _seen(Kind.LEVEL_JUMP, sample, jump.at * size, size, reason, sample.values)
            return
    if spread.min() > 0:
        jump = _largest(np.log(spread))
        if jump.gap >= max(np.log(LEAST_FACTOR), jump.beside):
            before, after = np.median(spread[: jump.at]), np.median(spread[jump.at + 1 :])
            distance = np.abs(sample.values - np.median(sample.values))
            reason = f"its spread stays {after:.3g} after {before:.3g}"
            yield _seen(Kind.SPREAD_JUMP, sample, jump.at * size, size, reason, distance)


def _largest(of: Float64s) -> _Jump:
    """The block at which the values before and after, float64 (n,), are farthest apart."""
    most, least = np.maximum.accumulate(of)[:-2], np.minimum.accumulate(of)[:-2]  # before each block but the first
    after = of[::-1]
    most_after, least_after = np.maximum.accumulate(after)[-3::-1], np.minimum.accumulate(after)[-3::-1]
    gap = np.maximum(least_after - most, least - most_after)[EDGE - 1 : len(of) - EDGE - 1]
    place = int(gap.argmax())
    at = place + EDGE - 1
    beside = max(most[at] - least[at], most_after[at] - least_after[at])
    return _Jump(place + EDGE, float(gap[place]), float(beside))


def _seen(kind: Kind, sample: Sample, start: int, size: int, reason: str, values: Float64s) -> Seen:
    """Finds the first row after the jump: where sums of distances to the levels before and after are smallest."""
    first, last = max(start - size, 0), min(start + 2 * size, len(values))
    near = values[first:last]
    before, after = np.median(values[first:start]), np.median(values[start + size : last])
    cost = np.cumsum(np.abs(near - before) - np.abs(near - after))
    row = first + int(cost.argmin()) + 1
    return Seen(kind, sample.series, reason, sample.rows[min(row, len(values) - 1) :][:1])
