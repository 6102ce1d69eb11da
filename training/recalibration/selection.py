"""Which levels of newer readings may set thresholds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stream.detect.frames.frames import Fitness
from stream.detect.incidents.incidents import EXCEEDS
from stream.detect.slots import Segments
from stream.intake.columns import Bools
from training.calibration.levels import Levels
from training.data.spans import Span, within_spans
from training.recalibration.observed import NewerReadings

# Where incidents, or what is near them, are more than this share of a series, they are too many to be trouble, all of
# them: leaving them out would leave the quietest stretches only. What exceeds is left out all the same.
MANY, MANY_NEAR = 0.25, 0.05


@dataclass(frozen=True)
class Selection:
    """What is left of T frames.

    Attributes:
        usual: bool (T,), frames that nothing but an incident speaks against: what inputs are judged by.
        levels: those that may set thresholds.
        counts: frames that were left out by the first reason that holds, then `used`; they add up to T.
    """

    usual: Bools
    levels: Levels
    counts: dict[str, int]


def select_levels(
    observed: NewerReadings, spans: Sequence[Span], known: frozenset[str], newer_than: int, block: int
) -> Selection:
    """Takes out what must not set thresholds: levels above the threshold, whole incidents and W + M - 1 frames around.

    Args:
        spans: left out, as labelled frames are: with every level that such a frame has a part in.
        known: the bundle's series.
        newer_than: ns; frames that are not have set these thresholds already.
        block: W + M.
    """
    framed = observed.framed
    reasons = {
        "old": framed.time <= newer_than,
        "unknown_series": np.array([name not in known for name in framed.names], np.bool_)[framed.series],
        "labelled": framed.labelled,
        "excluded": within_spans(spans, framed.names, framed.series, framed.time),
        "off": framed.fitness == Fitness.OFF,
        "degraded": framed.fitness == Fitness.DEGRADED,
    }
    usual = ~np.logical_or.reduce(list(reasons.values()))
    reasons |= {
        "warming": np.isnan(observed.level),
        "exceeding": observed.score > EXCEEDS,
        "incident": _incidents(observed, usual, block),
        "near": framed.run_within(usual) < block - 1,
        "imputed": framed.imputed,
    }
    counts, left = {}, np.ones(len(framed), np.bool_)
    for reason, holds in reasons.items():
        counts[reason] = int((left & holds).sum())
        left = left & ~holds
    counts["used"] = int(left.sum())
    levels = Levels(framed.names, framed.series, framed.time, observed.level, framed.step, block, observed.vetoed).rows(
        left
    )
    return Selection(usual, levels, counts)


def _incidents(observed: NewerReadings, usual: Bools, block: int) -> Bools:
    """bool (T,): frames in incidents, or around, of the series in which these are few."""
    framed = observed.framed
    inside = within_spans(observed.alerts, framed.names, framed.series, framed.time)
    allowed = usual & ~flagged_ahead(inside, block - 1, Segments(framed.series))
    with_near = usual & (framed.run_within(allowed) < block - 1) & (framed.run_within(usual) >= block - 1)
    size = len(framed.names)
    all_of_them = np.bincount(framed.series, usual, size)
    few = np.bincount(framed.series, with_near & ~inside, size) <= MANY_NEAR * all_of_them
    few &= np.bincount(framed.series, usual & inside, size) <= MANY * all_of_them
    found: Bools = (with_near | inside) & few[framed.series]
    return found


def flagged_ahead(flags: Bools, rows: int, segments: Segments) -> Bools:
    """bool (n,): rows that are flagged, or have a flagged one among the `rows` after them in their run."""
    count = np.concatenate([[0], np.cumsum(flags)])
    at = np.arange(len(flags))
    last = np.minimum(at + rows, segments.end[segments.of_row] - 1)
    found: Bools = count[last + 1] > count[at]
    return found
