"""What feedback on alerts takes out of a history."""

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import numpy as np

from stream.detect.frames.frames import Fitness
from stream.detect.slots import Segments
from stream.events.feedback import JudgedSpan, Judgements, Verdict
from stream.intake.columns import Bools
from stream.registry.manifest_facts import FeedbackCount, FeedbackFacts
from training.data.framing import FramedHistory, carried_from
from training.data.spans import Span, within_spans


def apply_feedback(framed: FramedHistory, spans: Sequence[JudgedSpan], lag: int, max_carry: int) -> FramedHistory:
    """The history with the frames of confirmed alerts marked as such, and those of maintenance off.

    False alerts were normal operation, which is what is to be learnt: their frames stay as they are.

    Args:
        lag: frames before an alert that are taken out with it, W + M - 1: by so many may it come after the trouble.
        max_carry: frames for which a missing sensor keeps its last value.
    """
    confirmed = _inside(framed, [span for span in spans if span.verdict == "confirmed"], lag)
    maintenance = _inside(framed, [span for span in spans if span.verdict == "maintenance"], lag)
    fitness = np.where(maintenance, Fitness.OFF, framed.fitness).astype(np.uint8)
    confirmed |= carried_from(confirmed, framed.imputed, Segments(framed.series), max_carry)
    return replace(framed, confirmed=confirmed, fitness=fitness)


def facts(framed: FramedHistory, judgements: Judgements) -> FeedbackFacts:
    """For the manifest: alerts by verdict, those with a frame in this history, and verdicts on alerts nobody knows."""
    spans = judgements.spans()
    counts = {}
    for verdict in get_args(Verdict):
        own = [span for span in spans if span.verdict == verdict]
        in_history = sum(bool(_inside(framed, [span], 0).any()) for span in own)
        counts[verdict] = FeedbackCount(len(own), in_history)
    return FeedbackFacts(**counts, unknown=len(judgements.unknown))


def _inside(framed: FramedHistory, spans: Sequence[JudgedSpan], lag: int) -> Bools:
    """bool (T,): frames in one of the spans, or among the `lag` frames of the series before one."""
    return within_spans(map(Span.of, spans), framed.names, framed.series, framed.time, lag)
