"""Feedback on alerts, applied to a history."""

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import numpy as np

from stream.detect.frames.frames import Fitness
from stream.detect.slots import Segments
from stream.events.people.feedback import JudgedSpan, Judgements, Verdict
from stream.intake.columns import Bools
from stream.registry.manifest_facts import FeedbackCount, FeedbackFacts
from training.data.framing import FramedHistory, carried_from
from training.data.spans import Span, within_spans


def apply_feedback(framed: FramedHistory, spans: Sequence[JudgedSpan], lag: int, max_carry: int) -> FramedHistory:
    """Marks the frames of confirmed alerts as confirmed, and sets the frames of maintenance to off.

    Frames of false alerts do not change: they are normal operation, which a model should learn.

    Args:
        lag: frames before an alert that are treated like it. An alert may lag its cause by W + M - 1 frames.
        max_carry: frames for which a missing sensor keeps its last value.
    """
    confirmed = _inside(framed, [span for span in spans if span.verdict == "confirmed"], lag)
    maintenance = _inside(framed, [span for span in spans if span.verdict == "maintenance"], lag)
    fitness = np.where(maintenance, Fitness.OFF, framed.fitness).astype(np.uint8)
    confirmed |= carried_from(confirmed, framed.imputed, Segments(framed.series), max_carry)
    return replace(framed, confirmed=confirmed, fitness=fitness)


def feedback_facts(framed: FramedHistory, judgements: Judgements) -> FeedbackFacts:
    """Counts alerts by verdict, those with a frame in the history, and verdicts on unknown alerts, for the manifest."""
    spans = judgements.spans()
    counts = {}
    for verdict in get_args(Verdict):
        own = [span for span in spans if span.verdict == verdict]
        in_history = sum(bool(_inside(framed, [span], 0).any()) for span in own)
        counts[verdict] = FeedbackCount(len(own), in_history)
    return FeedbackFacts(**counts, unknown=len(judgements.unknown))


def _inside(framed: FramedHistory, spans: Sequence[JudgedSpan], lag: int) -> Bools:
    """Mask of frames in one of the spans, or among the `lag` frames of a series before one, bool (T,)."""
    return within_spans(map(Span.of, spans), framed.names, framed.series, framed.time, lag)
