"""Cuts each series in time order into parts. Parts share no frame, not even through a window."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from stream.errors import ConfigError, DataError
from stream.intake.columns import Bools, Int32s, Int64s, UInt8s


class Part(IntEnum):
    """Use of a row. NONE: unusable, or too near to a cut."""

    NONE = 0
    FIT = 1
    STOP = 2
    CALIBRATE = 3
    GATE = 4


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of the usable rows, in time order. `fit`, `calibrate` and `gate` add up to 1.

    Attributes:
        fit: weights are trained on these, > 0.
        calibrate: thresholds are set on these, > 0.
        gate: the gate judges the model on these; 0 for no gate.
        stop: share of `fit`, at its end, that decides when training stops; in (0, 1).
    """

    fit: float
    calibrate: float
    gate: float
    stop: float = 0.1

    def by_part(self) -> dict[Part, float]:
        """Share of each part, in time order."""
        return {
            Part.FIT: self.fit * (1.0 - self.stop),
            Part.STOP: self.fit * self.stop,
            Part.CALIBRATE: self.calibrate,
            Part.GATE: self.gate,
        }


def split(series: Int32s, time: Int64s, usable: Bools, shares: Shares, purge: int) -> UInt8s:
    """Assigns each row to a part.

    Each series is cut by itself. The `purge` frames after a cut belong to no part. With purge = W + M - 1, no level of
    one part depends on a frame of another. Shares are of the usable rows that remain. A series too short for a row in
    each part is for `fit` alone.

    Args:
        series: int32 (T,), rows in any order.
        time: int64 (T,), ns.
        usable: bool (T,). Other rows (labelled, off, degraded) belong to no part, but count as frames of a purge.
        purge: frames, >= 0.

    Returns:
        uint8 (T,), `Part`.

    Raises:
        ConfigError: shares are negative or do not add up to 1.
        DataError: a part with a share has no row in any series.
    """
    _check_shares(shares)
    order = np.lexsort((time, series))
    parts = np.empty(len(series), np.uint8)
    parts[order] = _split_sorted(series[order], usable[order], shares, purge)
    _check_parts(parts, series, usable, shares, purge)
    return parts


def _split_sorted(series: Int32s, usable: Bools, shares: Shares, purge: int) -> UInt8s:
    """Assigns rows that are sorted by series, then time."""
    first = np.flatnonzero(np.diff(series, prepend=series[:1] - 1))  # (S,) where each series begins
    of_row = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(series))))  # (T,)
    place = np.arange(len(series)) - first[of_row]  # (T,) frames since the series began
    usable_rows = np.flatnonzero(usable)
    first_usable = np.searchsorted(usable_rows, first)  # (S,) into usable_rows
    count = np.diff(np.append(first_usable, len(usable_rows)))
    parts = np.full(len(series), Part.FIT, np.uint8)
    purged = np.zeros(len(series), np.bool_)
    long_enough, ranks = _cuts(count, shares, purge)
    for part, rank in zip((Part.STOP, Part.CALIBRATE, Part.GATE), ranks, strict=False):
        cut = np.full(len(first), len(series))  # (S,) frames before the cut
        last = usable_rows[first_usable[long_enough] + rank[long_enough] - 1]
        cut[long_enough] = last - first[long_enough] + 1
        after = place >= cut[of_row]
        parts[after] = part
        purged |= after & (place < cut[of_row] + purge)
    parts[purged | ~usable] = Part.NONE
    return parts


def _cuts(count: Int64s, shares: Shares, purge: int) -> tuple[Bools, list[Int64s]]:
    """Finds the series that can be cut, bool (S,), and for each cut the usable rows before it, int64 (S,).

    Args:
        count: int64 (S,), usable rows.
    """
    wanted = [share for share in shares.by_part().values() if share > 0]
    left = count - purge * (len(wanted) - 1)
    ends = [np.floor(left * reached + 0.5).astype(np.int64) for reached in np.cumsum(wanted)]
    sizes = np.diff(ends, axis=0, prepend=0)  # (parts, S)
    enough: Bools = np.min(sizes, axis=0) > 0
    return enough, [end + purge * cut for cut, end in enumerate(ends[:-1])]


def _check_shares(shares: Shares) -> None:
    total = shares.fit + shares.calibrate + shares.gate
    if min(shares.fit, shares.calibrate) <= 0 or shares.gate < 0 or abs(total - 1.0) > 1e-9:
        raise ConfigError(
            f"shares: fit {shares.fit:g} and calibrate {shares.calibrate:g} must be above 0, gate {shares.gate:g} "
            f"at least 0, and they must add up to 1, seen {total:g}"
        )
    if not 0.0 < shares.stop < 1.0:
        raise ConfigError(f"shares: stop is a share of fit, between 0 and 1, seen {shares.stop:g}")


def _check_parts(parts: UInt8s, series: Int32s, usable: Bools, shares: Shares, purge: int) -> None:
    counts = np.bincount(parts, minlength=len(Part))
    empty = [part.name.lower() for part, share in shares.by_part().items() if share > 0 and not counts[part]]
    if empty:
        wanted = ", ".join(f"{part.name.lower()} {share:.0%}" for part, share in shares.by_part().items())
        raise DataError(
            f"no row is left for {' and '.join(empty)}: {int(usable.sum())} usable of {len(usable)} rows in "
            f"{len(np.unique(series))} series, cut into {wanted}, with {purge} frames dropped after each cut "
            f"(window + smoothing - 1); give longer history, or a shorter window"
        )
