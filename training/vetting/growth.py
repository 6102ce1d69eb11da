"""Sensors that can only mislead a model: mostly missing, flat, clocks and counters."""

from typing import TypeAlias

import numpy as np

from stream.intake.columns import Bools, Float64s, Int32s
from training.vetting.finding import Finding, Kind

MAX_MISSING = 0.5  # share of rows
FLAT = 1e-9  # share of the largest value: less variation is none
CLOCK = 0.9999  # correlation with time
COUNTER = 0.001  # share of steps in the other direction: resets
MIN_MOVES = 20  # steps: fewer show no direction
# A counter may start over more often, if each time it goes back by at least so much of its range.
OFTEN, BACK = 0.1, 0.5

Column: TypeAlias = tuple[Float64s, Bools]  # values (T,), and which of them are finite


def misleading(name: str, column: Column, seconds: Float64s, series: Int32s) -> Finding | None:
    """Finds a sensor that is mostly missing, never moves, or only grows.

    Args:
        seconds: float64 (T,), time.
        series: int32 (T,), the rows of a series together.
    """
    values, finite = column
    missing = 1.0 - float(finite.mean())
    if missing > MAX_MISSING:
        return Finding(name, Kind.MISSING, f"missing in {missing:.1%} of {len(values)} rows")
    values, seconds, series = values[finite], seconds[finite], series[finite]
    low, high = float(values.min()), float(values.max())
    if high - low <= FLAT * max(abs(low), abs(high)):
        return Finding(name, Kind.FLAT, f"always {low:g}")
    return _growth(name, values, seconds, series)


def _growth(name: str, values: Float64s, seconds: Float64s, series: Int32s) -> Finding | None:
    steps = np.diff(values)[np.diff(series) == 0]
    rises, falls = int((steps > 0).sum()), int((steps < 0).sum())
    if rises + falls < MIN_MOVES:
        return None
    correlation = _correlation(_centred(values, series), _centred(seconds, series))
    if abs(correlation) >= CLOCK:
        return Finding(name, Kind.CLOCK, f"linear in time (correlation {correlation:.6f})")
    way, back, sign = ("rises", falls, 1) if rises > falls else ("falls", rises, -1)
    moves = f"only {way}: {back} of {rises + falls} moves go the other way"
    if back <= COUNTER * (rises + falls):
        return Finding(name, Kind.COUNTER, moves)
    steps = sign * steps
    half = BACK * float(np.ptp(values))
    if back <= OFTEN * (rises + falls) and steps.max() < half and (steps[steps < 0] <= -half).all():
        return Finding(name, Kind.COUNTER, f"{moves}, each time to start over")
    return None


def _centred(values: Float64s, series: Int32s) -> Float64s:
    """Subtracts the mean of each series."""
    start = np.flatnonzero(np.diff(series, prepend=series[0] - 1))
    count = np.diff(start, append=len(values))
    centred: Float64s = values - np.repeat(np.add.reduceat(values, start) / count, count)
    return centred


def _correlation(left: Float64s, right: Float64s) -> float:
    """Correlation of centred values; 0 where one of them does not vary."""
    size = float(np.sqrt((left * left).sum() * (right * right).sum()))
    return float((left * right).sum()) / size if size > 0 else 0.0
