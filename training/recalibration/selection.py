"""Selection of the levels of newer readings that may set thresholds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stream.detect.frames.frames import Fitness
from stream.detect.incidents.incidents import EXCEEDS
from stream.detect.slots import Segments
from stream.intake.columns import Bools
from training.calibration.levels import Levels
from training.data.framing import first_reasons
from training.data.spans import Span, within_spans
from training.recalibration.observed import NewerReadings

# Where incidents, or frames near them, are more than this share of a series, most of them are no anomalies. Without
# them only the quietest stretches would remain, so only exceeding frames are left out.
MANY, MANY_NEAR = 0.25, 0.05


@dataclass(frozen=True)
class Selection:
    """Frames and levels that are left of T frames.

    Attributes:
        eligible: bool (T,), frames that nothing excludes, except perhaps an incident. Sensors are judged on them.
        levels: levels that may set thresholds.
        counts: frames left out, by the first reason that holds, then `used`. The sum is T.
    """

    eligible: Bools
    levels: Levels
    counts: dict[str, int]


def select_levels(
    readings: NewerReadings, spans: Sequence[Span], known: frozenset[str], newer_than: int, block: int
) -> Selection:
    """Removes levels that must not set thresholds: above the threshold, or within W + M - 1 frames of an incident.

    Args:
        spans: excluded, with every level that depends on one of their frames.
        known: the series of the bundle.
        newer_than: ns. Older frames have already set these thresholds.
        block: W + M.
    """
    frames = readings.frames
    reasons = {
        "old": frames.time <= newer_than,
        "unknown_series": np.array([name not in known for name in frames.names], np.bool_)[frames.series],
        "labelled": frames.labelled,
        "excluded": within_spans(spans, frames.names, frames.series, frames.time),
        "off": frames.fitness == Fitness.OFF,
        "degraded": frames.fitness == Fitness.DEGRADED,
    }
    eligible = ~np.logical_or.reduce(list(reasons.values()))
    reasons |= {
        "warming": np.isnan(readings.level),
        "exceeding": readings.score > EXCEEDS,
        "incident": _incidents(readings, eligible, block),
        "near": frames.run_within(eligible) < block - 1,
        "imputed": frames.imputed,
    }
    counts, left = first_reasons(reasons, np.ones(len(frames), np.bool_))
    levels = Levels(frames.names, frames.series, frames.time, readings.level, frames.step, block, readings.vetoed)
    return Selection(eligible, levels.rows(left), counts | {"used": int(left.sum())})


def _incidents(readings: NewerReadings, eligible: Bools, block: int) -> Bools:
    """Mask of frames in or near incidents, of the series that have few of them, bool (T,)."""
    frames = readings.frames
    inside = within_spans(readings.incidents, frames.names, frames.series, frames.time)
    allowed = eligible & ~flagged_ahead(inside, block - 1, Segments(frames.series))
    with_near = eligible & (frames.run_within(allowed) < block - 1) & (frames.run_within(eligible) >= block - 1)
    size = len(frames.names)
    all_of_them = np.bincount(frames.series, eligible, size)
    few = np.bincount(frames.series, with_near & ~inside, size) <= MANY_NEAR * all_of_them
    few &= np.bincount(frames.series, eligible & inside, size) <= MANY * all_of_them
    left_out: Bools = (with_near | inside) & few[frames.series]
    return left_out


def flagged_ahead(flags: Bools, rows: int, segments: Segments) -> Bools:
    """Mask of rows that are flagged, or have a flagged row among the next `rows` of their run, bool (n,)."""
    count = np.concatenate([[0], np.cumsum(flags)])
    at = np.arange(len(flags))
    last = np.minimum(at + rows, segments.end[segments.of_row] - 1)
    ahead: Bools = count[last + 1] > count[at]
    return ahead
