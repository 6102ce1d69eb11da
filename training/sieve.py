"""Which levels of newer readings may set thresholds, and the same choice among those that a bundle keeps.

Levels in incidents are left out, since nobody can tell a normal one that exceeds from trouble; so are those near them.
That cuts the sample off at the threshold and thins it out below: what is left must never be compared with all levels
of the calibration, or thresholds would fall from run to run. So the kept levels go through the same sieve.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stream.detect.frames import Fitness
from stream.detect.policy import Rules
from stream.detect.slots import Segments, last_true
from stream.intake.columns import Bools, Float64s
from training.levels import Levels, incident_events
from training.observe import Observed
from training.spans import Span, within_spans


@dataclass(frozen=True)
class Sifted:
    """What is left of T frames.

    Attributes:
        usual: bool (T,), frames that nothing but an incident speaks against: what inputs are judged by.
        alerting: bool (T,), those of them that are in an incident, or W + M - 1 before one.
        levels: those that may set thresholds.
        counts: frames that were left out by the first reason that holds, then `used`; they add up to T.
    """

    usual: Bools
    alerting: Bools
    levels: Levels
    counts: dict[str, int]


def sift(observed: Observed, spans: Sequence[Span], known: frozenset[str], newer_than: int, block: int) -> Sifted:
    """Takes out what must not set thresholds.

    Args:
        spans: left out, as labelled frames are: with every level that such a frame has a part in.
        known: the bundle's series.
        newer_than: ns; frames that are not have set these thresholds already.
        block: W + M.
    """
    framed, segments = observed.framed, Segments(observed.framed.series)
    strange = np.array([name not in known for name in framed.names], np.bool_)[framed.series]
    reasons = {
        "old": framed.time <= newer_than,
        "unknown_series": strange,
        "labelled": framed.labelled,
        "excluded": within_spans(spans, framed.names, framed.series, framed.time),
        "off": framed.fitness == Fitness.OFF,
        "degraded": framed.fitness == Fitness.DEGRADED,
    }
    usual = ~np.logical_or.reduce(list(reasons.values()))
    alert = within_spans(observed.alerts, framed.names, framed.series, framed.time)
    allowed = usual & ~before_any(alert, block - 1, segments)
    near = framed.run_within(allowed) < block - 1
    reasons |= {
        "incident": ~allowed,
        "warming": np.isnan(observed.level),
        "near": near,
        "imputed": observed.imputed,
    }
    counts, left = {}, np.ones(len(framed), np.bool_)
    for reason, holds in reasons.items():
        counts[reason] = int((left & holds).sum())
        left = left & ~holds
    counts["used"] = int(left.sum())
    levels = Levels(
        names=framed.names,
        series=framed.series[left],
        time=framed.time[left],
        level=observed.level[left],
        step=framed.step[left],
        block=block,
        vetoed=observed.vetoed[left],
    )
    return Sifted(usual, usual & ~allowed, levels, counts)


def before_any(flags: Bools, rows: int, segments: Segments) -> Bools:
    """bool (n,): rows that are flagged, or have a flagged one among the `rows` after them in their run."""
    count = np.concatenate([[0], np.cumsum(flags)])
    at = np.arange(len(flags))
    last = np.minimum(at + rows, segments.end[segments.of_row] - 1)
    found: Bools = count[last + 1] > count[at]
    return found


def after_any(flags: Bools, rows: int, segments: Segments) -> Bools:
    """bool (n,): rows that are flagged, or have a flagged one among the `rows` before them in their run."""
    last = last_true(flags, segments)
    found: Bools = (last >= 0) & (np.arange(len(flags)) - last <= rows)
    return found


def near_incidents(levels: Levels, score: Float64s, rules: Rules) -> Bools:
    """bool (n,): levels in the incidents that the scores open, W + M - 1 before one, or with support in one."""
    inside = np.zeros(len(levels), np.bool_)
    segments = Segments(levels.series)
    end_of = dict(zip(segments.series.tolist(), segments.end.tolist(), strict=True))
    opened: dict[str, int] = {}
    for event in incident_events(levels, score, rules):
        if event.state == "opened":
            opened[event.series] = event.row
        elif event.state == "resolved":
            quiet = rules.close_after - 1 if event.reason == "recovered" else 0
            inside[opened.pop(event.series) : event.row - quiet] = True
    place = {name: index for index, name in enumerate(levels.names)}
    for name, row in opened.items():
        inside[row : end_of[place[name]]] = True
    return before_any(inside, levels.block - 1, segments) | after_any(inside, levels.block - 2, segments)
