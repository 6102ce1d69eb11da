"""Separability of anomalies from normal data, by the rank of their scores: no threshold has an influence."""

from dataclasses import dataclass

import numpy as np

from stream.detect.definition import Definition
from stream.detect.slots import Segments, last_true
from stream.intake.columns import Bools, Float64s, UInt8s
from stream.registry.manifest_facts import Criterion
from training.calibration.levels import Levels
from training.calibration.tail import block_maxima
from training.data.framing import FramedHistory
from training.data.split import Part
from training.data.synthetic import Kind, inject
from training.gate.criteria import not_judged
from training.gate.segments import FEWEST, HeldOutSegments

# An anomaly that no model may miss: a sensor off by so many standard deviations for half a window and more.
KIND: Kind = "level_shift"
SIZE = 8.0
# Least probability to score above normal data. Labelled anomalies may be small: theirs must only exceed chance.
SYNTHETIC, LABELLED = 0.75, 0.5
# Labelled events that a verdict needs.
FEWEST_EVENTS = 5
# Standard errors to the end of one-sided intervals: of 99 % to refuse, of 90 % to pass.
ONE_SIDED, TO_PASS = 2.326, 1.2816


@dataclass(frozen=True, slots=True)
class Separation:
    """Probability that an anomalous score is above a normal one, its lower end at 90 % and its upper end at 99 %."""

    probability: float
    lower: float
    upper: float


def separation(anomalous: Float64s, normal: Float64s) -> Separation:
    """Estimates the separation of two samples of scores, float64 (n,) and (m,), at least one score each.

    Source: Hanley and McNeil (1982), "The meaning and use of the area under a receiver operating characteristic curve".
    """
    ordered = np.sort(normal)
    below = np.searchsorted(ordered, anomalous, "left") + np.searchsorted(ordered, anomalous, "right")
    area = float(below.mean()) / (2 * len(normal))
    n, m = len(anomalous), len(normal)
    one, other = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + (n - 1) * (one - area**2) + (m - 1) * (other - area**2)) / (n * m)
    deviation = max(variance, 0.0) ** 0.5
    return Separation(area, area - TO_PASS * deviation, area + ONE_SIDED * deviation)


def synthetic_criterion(segments: HeldOutSegments, definition: Definition, seed: int) -> Criterion:
    """Compares normal segments of the gate part with the same segments and one sensor off."""
    name = "separability"
    if len(segments) < FEWEST:
        return not_judged(name, f"{len(segments)} whole strips of held-out frames in the gate part, {FEWEST} needed")
    made = inject(segments.scaled(definition), KIND, SIZE, seed, clip=definition.policy.clip, allowed=segments.free)
    if made.why_none is not None:
        return not_judged(name, made.why_none)
    result = separation(segments.of(made.rows).scores(definition, made.segments), segments.scores(definition))
    text = (
        f"a sensor off by {SIZE:g} standard deviations scores above a normal strip in {result.probability:.1%} of pairs"
    )
    remedy = "the model follows whatever it is given, or normal data are as wild: see the strength of the model"
    return _criterion(name, result, SYNTHETIC, text, remedy)


def labelled_criterion(
    framed: FramedHistory, part: UInt8s, level: Float64s, gate: Levels, definition: Definition
) -> Criterion:
    """Compares labelled events in the span of the gate part with its normal blocks, by the largest score of each.

    An event includes the W + M - 1 frames after it, by which levels lag. So it has no fewer frames than a normal block:
    the maximum of more frames would be larger by chance.

    Args:
        level: float64 (T,), of every frame; NaN where it has none.
        gate: normal levels of the gate part.
    """
    name = "labelled anomalies"
    every = level / definition.thresholds.of_each(framed.names)[framed.series]
    events = _events(framed, _in_span(framed, part), every, gate.block - 1)
    if len(events) < FEWEST_EVENTS or not len(gate):
        return not_judged(
            name, f"{len(events)} labelled events with a score in the span of the gate part, {FEWEST_EVENTS} needed"
        )
    score = gate.level / definition.thresholds.of_each(gate.names)[gate.series]
    normal = block_maxima(score, gate.in_block)
    result = separation(events, normal)
    text = f"{len(events)} labelled events score above a normal stretch in {result.probability:.1%} of pairs"
    return _criterion(
        name, result, LABELLED, text, "are the labels those of this history, and is it normal without them?"
    )


def _criterion(name: str, result: Separation, limit: float, text: str, remedy: str) -> Criterion:
    expected = f"{text}, at least {limit:.0%} expected"
    if result.upper < limit:
        return Criterion(
            name, "refused", result.probability, limit, f"{expected}, at most {result.upper:.1%} likely; {remedy}"
        )
    if result.lower < limit:
        chance = f"{expected}: {result.lower:.1%} to {result.upper:.1%} are likely"
        return Criterion(name, "not judged", result.probability, limit, chance)
    return Criterion(name, "passed", result.probability, limit, expected)


def _in_span(framed: FramedHistory, part: UInt8s) -> Bools:
    """Frames from the first gate frame of their series on: bool (T,)."""
    inside: Bools = last_true(part == Part.GATE, Segments(framed.series)) >= 0
    return inside


def _events(framed: FramedHistory, span: Bools, score: Float64s, after: int) -> Float64s:
    """Largest score of each run of labelled frames with the `after` frames behind it: float64 (n,), finite."""
    rows = np.flatnonzero(framed.marked & span)
    if not len(rows):
        return np.zeros(0)
    runs = Segments(framed.series)
    new = (np.diff(rows, prepend=-2) != 1) | (np.diff(runs.of_row[rows], prepend=-1) != 0)
    last = rows[np.append(new[1:], True)]
    ends = np.minimum(last + after + 1, runs.end[runs.of_row[last]])
    finite = np.where(np.isfinite(score), score, -np.inf)
    largest = [finite[start:end].max() for start, end in zip(rows[new].tolist(), ends.tolist(), strict=True)]
    events: Float64s = np.array(largest)[np.isfinite(largest)]
    return events
