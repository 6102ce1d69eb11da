"""Checks sensors before training: finds those that can only mislead a model, with the reason."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np

from stream.errors import DataError
from stream.intake.columns import Bools, Float64s, Int32s, Int64s

MAX_MISSING = 0.5  # share of rows
FLAT = 1e-9  # share of the largest value: less variation is none
CLOCK = 0.9999  # correlation with time
COUNTER = 0.001  # share of steps in the other direction: resets
MIN_MOVES = 20  # steps: fewer show no direction
COPY = 0.999999  # correlation with another sensor
CHUNK = 65_536  # rows standardised at once

Column: TypeAlias = tuple[Float64s, Bools]  # values (T,), and which of them are finite


class Kind(StrEnum):
    """Fault of a sensor."""

    MISSING = "missing"
    FLAT = "flat"
    CLOCK = "clock"
    COUNTER = "counter"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Finding:
    """A sensor that should be left out. `reason` is for people and has the numbers."""

    sensor: str
    kind: Kind
    reason: str


def vet(values: Float64s, time: Int64s, names: tuple[str, ...], series: Int32s | None = None) -> tuple[Finding, ...]:
    """Lists sensors that are mostly missing, flat, clocks, counters or copies. Gives one finding per sensor.

    A sensor that only grows leaves the range of training as soon as training is over. A copy counts twice in every
    error. Takes time O(T F), and O(T F²) for copies, in one matrix product.

    Args:
        values: float64 (T, F); a value that is not finite is missing.
        time: int64 (T,), ns, ascending within a series.
        names: the F sensors.
        series: int32 (T,), the rows of a series together; None for a single series.

    Returns:
        Findings in the order of the sensors.

    Raises:
        DataError: there are no rows, or sizes do not fit.
    """
    if values.ndim != 2 or values.shape != (len(time), len(names)) or not len(time):
        raise DataError(f"values {values.shape} for {len(time)} rows and {len(names)} sensors; there must be some rows")
    series = np.zeros(len(time), np.int32) if series is None else series
    seconds = (time - time[0]) / 1e9
    findings: dict[int, Finding] = {}
    for sensor, name in enumerate(names):
        column = np.ascontiguousarray(values[:, sensor])
        found = _vet_one(name, (column, np.isfinite(column)), seconds, series)
        if found is not None:
            findings[sensor] = found
    others = [sensor for sensor in range(len(names)) if sensor not in findings]
    findings |= _copies(values, names, others)
    return tuple(findings[sensor] for sensor in sorted(findings))


def _vet_one(name: str, column: Column, seconds: Float64s, series: Int32s) -> Finding | None:
    values, finite = column
    missing = 1.0 - float(finite.mean())
    if missing > MAX_MISSING:
        return Finding(name, Kind.MISSING, f"missing in {missing:.1%} of {len(values)} rows")
    values, seconds, series = values[finite], seconds[finite], series[finite]
    low, high = float(values.min()), float(values.max())
    if high - low <= FLAT * max(abs(low), abs(high)):
        return Finding(name, Kind.FLAT, f"always {low:g}")
    return _vet_growth(name, values, seconds, series)


def _vet_growth(name: str, values: Float64s, seconds: Float64s, series: Int32s) -> Finding | None:
    steps = np.diff(values)[np.diff(series) == 0]
    rises, falls = int((steps > 0).sum()), int((steps < 0).sum())
    if rises + falls < MIN_MOVES:
        return None
    correlation = _correlation(_centred(values, series), _centred(seconds, series))
    if abs(correlation) >= CLOCK:
        return Finding(name, Kind.CLOCK, f"linear in time (correlation {correlation:.6f})")
    if min(rises, falls) <= COUNTER * (rises + falls):
        way, back = ("rises", falls) if rises > falls else ("falls", rises)
        return Finding(name, Kind.COUNTER, f"only {way}: {back} of {rises + falls} moves go the other way")
    return None


def _centred(values: Float64s, series: Int32s) -> Float64s:
    """Subtracts the mean of each series."""
    _, where = np.unique(series, return_inverse=True)
    centred: Float64s = values - (np.bincount(where, values) / np.bincount(where))[where]
    return centred


def _correlation(left: Float64s, right: Float64s) -> float:
    """Correlation of centred values; 0 where one of them does not vary."""
    size = float(np.sqrt((left * left).sum() * (right * right).sum()))
    return float((left * right).sum()) / size if size > 0 else 0.0


def _copies(values: Float64s, names: tuple[str, ...], sensors: list[int]) -> dict[int, Finding]:
    """Finds sensors that copy an earlier one, up to scale and offset. Missing values count as the mean."""
    correlation = np.abs(_correlations(values, sensors))
    findings: dict[int, Finding] = {}
    for place, sensor in enumerate(sensors):
        earlier = np.flatnonzero(correlation[place, :place] >= COPY)
        same = [first for first in earlier if sensors[first] not in findings]
        if same:
            value = correlation[place, same[0]]
            reason = f"a copy of {names[sensors[same[0]]]!r}, up to scale and offset (correlation {value:.6f})"
            findings[sensor] = Finding(names[sensor], Kind.DUPLICATE, reason)
    return findings


def _correlations(values: Float64s, sensors: list[int]) -> Float64s:
    """Correlations of the sensors, float64 (n, n)."""
    size = len(sensors)
    if size < 2:
        return np.zeros((size, size))
    total, count = np.zeros(size), np.zeros(size)
    chunks = [slice(first, first + CHUNK) for first in range(0, len(values), CHUNK)]
    for rows in chunks:
        finite = np.isfinite(values[rows][:, sensors])
        total += np.where(finite, values[rows][:, sensors], 0.0).sum(axis=0)
        count += finite.sum(axis=0)
    mean = total / count
    products = np.zeros((size, size))
    for rows in chunks:
        centred = values[rows][:, sensors] - mean
        centred[~np.isfinite(centred)] = 0.0
        products += centred.T @ centred
    spread = np.sqrt(np.diag(products))
    correlation: Float64s = products / spread[:, None] / spread
    return correlation
