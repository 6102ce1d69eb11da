"""Sensors that copy another one, to the bit or nearly."""

import numpy as np

from stream.intake.columns import Float64s
from training.vetting.finding import Finding, Kind

COPY = 0.999999  # correlation with another sensor
NEAR = 0.9999  # of its spread, one part in seventy is a near copy's own
CHUNK = 65_536  # rows standardised at once


def copies(values: Float64s, names: tuple[str, ...], sensors: list[int]) -> dict[int, Finding]:
    """Finds sensors that copy an earlier one, up to scale and offset. Missing values count as the mean.

    Args:
        values: float64 (T, F).
        sensors: indices of the sensors to compare; each varies.
    """
    correlation = np.abs(_correlations(values, sensors))
    findings: dict[int, Finding] = {}
    duplicates: set[int] = set()
    for place, sensor in enumerate(sensors):
        for kind, least, told in ((Kind.DUPLICATE, COPY, "a copy"), (Kind.NEAR_COPY, NEAR, "nearly a copy")):
            earlier = np.flatnonzero(correlation[place, :place] >= least)
            same = [sensors[first] for first in earlier if sensors[first] not in duplicates]
            if kind == Kind.NEAR_COPY:
                same = [first for first in same if _correlate_in_the_middle(values[:, first], values[:, sensor])]
            if same:
                value = correlation[place, sensors.index(same[0])]
                reason = f"{told} of {names[same[0]]!r}, up to scale and offset (correlation {value:.6f})"
                findings[sensor] = Finding(names[sensor], kind, reason)
                duplicates |= {sensor} if kind == Kind.DUPLICATE else set()
                break
    return findings


def _correlate_in_the_middle(one: Float64s, other: Float64s) -> bool:
    """True for sensors that are near copies without their largest and smallest values, which one event may share."""
    both = np.isfinite(one) & np.isfinite(other)
    middle = [np.clip(of[both], *np.quantile(of[both], (0.01, 0.99))) for of in (one, other)]
    if min(np.ptp(of) for of in middle) == 0.0:
        return False
    correlation = np.asarray(np.corrcoef(middle))
    return bool(abs(correlation[0, 1]) >= NEAR)


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
