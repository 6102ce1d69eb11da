"""Simulated levels: moving means of errors, independent or correlated."""

from collections.abc import Sequence

import numpy as np

from stream.intake.columns import Float64s
from tests.support.builders import a_rules
from training.calibration.levels import Levels

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
WINDOW, SMOOTHING = 8, 4
BLOCK = WINDOW + SMOOTHING
RULES = a_rules(close_after=BLOCK)


def levels_of(series: Sequence[Float64s], step: int = MINUTE) -> Levels:
    """Levels of the series "s0", "s1", ..., each without a gap."""
    sizes = [len(level) for level in series]
    return Levels(
        names=tuple(f"s{i}" for i in range(len(series))),
        series=np.repeat(np.arange(len(series)), sizes).astype(np.int32),
        time=np.concatenate([np.arange(size, dtype=np.int64) * step for size in sizes]),
        level=np.concatenate(series),
        step=np.full(sum(sizes), step, np.int64),
        block=BLOCK,
        vetoed=np.zeros(sum(sizes), np.bool_),
    )


def white(draw: np.random.Generator, rows: int) -> Float64s:
    """Levels of independent errors: each shares M - 1 of its M errors with its neighbour."""
    return smoothed(draw.chisquare(6, rows + SMOOTHING - 1) / 6)


def slow(draw: np.random.Generator, rows: int) -> Float64s:
    """Levels of errors whose size follows an AR(1) in the logarithm, with a half-life of 7 frames."""
    shocks = draw.normal(0.0, 0.25, rows + SMOOTHING - 1)
    size = np.zeros(len(shocks))
    for i in range(1, len(shocks)):
        size[i] = 0.9 * size[i - 1] + shocks[i]
    return smoothed(draw.chisquare(6, len(shocks)) / 6 * np.exp(size))


def smoothed(errors: Float64s) -> Float64s:
    """Moving mean over `SMOOTHING` errors."""
    return np.convolve(errors, np.full(SMOOTHING, 1 / SMOOTHING), "valid")
