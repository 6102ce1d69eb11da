"""Levels with known truth: moving means of errors, white or correlated, with light or heavy tails."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.support.builders import a_rules
from training.calibration.levels import WEEK, Levels

Floats = NDArray[np.float64]
Errors = Callable[[np.random.Generator, int], Floats]

WINDOW, SMOOTHING = 8, 4
BLOCK = WINDOW + SMOOTHING
ROWS_A_WEEK = 1008  # ten minutes a frame: 84 blocks a week
RULES = a_rules(close_after=BLOCK)


def white(draw: np.random.Generator, rows: int) -> Floats:
    """Mean squares of three sensors with Gaussian errors."""
    return draw.chisquare(3, rows) / 3


def bursty(draw: np.random.Generator, rows: int) -> Floats:
    """Errors whose size follows an AR(1) in the logarithm, with a half-life of three blocks."""
    keep = 0.98
    shocks = draw.normal(0.0, 0.5 * np.sqrt(1 - keep**2), rows + 400)
    return white(draw, rows) * np.exp(np.convolve(shocks, keep ** np.arange(401), "valid")[:rows])


def student(draw: np.random.Generator, rows: int) -> Floats:
    """Squares of Student's t with five degrees of freedom: the tail of the levels has shape 0.4."""
    squares: Floats = draw.standard_t(5, rows) ** 2
    return squares


def lognormal(draw: np.random.Generator, rows: int) -> Floats:
    """Errors with a lognormal distribution."""
    return draw.lognormal(0.0, 1.0, rows)


ERRORS: dict[str, Errors] = {"white": white, "bursty": bursty, "student": student, "lognormal": lognormal}


@dataclass(frozen=True)
class World:
    """S series of one kind of error, with true sizes `size` (S,) and `rows` (S,) to calibrate on."""

    errors: Errors
    size: Floats
    rows: NDArray[np.int64]

    def calibration(self, draw: np.random.Generator) -> Levels:
        """Draws the held-out levels of a training."""
        return self._levels(draw, self.rows)

    def afterwards(self, draw: np.random.Generator, weeks: float) -> Levels:
        """Draws later levels of `weeks` of each series, which the promise is judged on."""
        return self._levels(draw, np.full(len(self.size), int(weeks * ROWS_A_WEEK)))

    def _levels(self, draw: np.random.Generator, rows: NDArray[np.int64]) -> Levels:
        step = WEEK // ROWS_A_WEEK
        kernel = np.convolve(np.full(WINDOW, 1 / WINDOW), np.full(SMOOTHING, 1 / SMOOTHING))
        each = [np.convolve(self.errors(draw, int(n) + len(kernel) - 1), kernel, "valid") for n in rows]
        return Levels(
            names=tuple(f"s{i}" for i in range(len(rows))),
            series=np.repeat(np.arange(len(rows)), rows).astype(np.int32),
            time=np.concatenate([np.arange(n, dtype=np.int64) * step for n in rows]),
            level=np.concatenate([size * level for size, level in zip(self.size, each, strict=True)]),
            step=np.full(int(rows.sum()), step, np.int64),
            block=BLOCK,
            vetoed=np.zeros(int(rows.sum()), np.bool_),
        )


def alone(errors: Errors, weeks: float) -> World:
    """One series."""
    return World(errors, np.ones(1), np.array([int(weeks * ROWS_A_WEEK)]))


def fleet(errors: Errors, series: int, weeks: float, spread: float, seed: int) -> World:
    """Many series whose true sizes differ by e^spread. Every second one is short: 5 to 15 blocks."""
    draw = np.random.default_rng(seed)
    rows = np.full(series, int(weeks * ROWS_A_WEEK))
    rows[1::2] = draw.integers(5 * BLOCK, 15 * BLOCK, len(rows[1::2]))
    return World(errors, np.exp(draw.normal(0.0, spread, series)), rows)
