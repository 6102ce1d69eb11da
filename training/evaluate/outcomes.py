"""Outcome of each labelled event: found, met by an alert that was open before, or missed; and counts by its length."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stream.intake.columns import Bools, Float64s
from training.data.framing import FramedHistory
from training.data.spans import Span, within_spans
from training.evaluate.figures import GroundTruth
from training.metrics.frames import runs

Outcome = Literal["found", "open before", "missed"]
# Longest events of each class, in labelled frames; the last class has no end.
LENGTHS = (5, 32)


@dataclass(frozen=True)
class EventOutcome:
    """One labelled event.

    Attributes:
        span: from its first frame to the end of its grace.
        frames: number of labelled frames.
        outcome: "found": an alert opened inside. "open before": none did, and an alert that was open before met it.
        delay_s: event time from its start to the first alert that opened inside; None where none did.
        peak_score: highest score inside, grace included; None where no frame has a score.
    """

    span: Span
    frames: int
    outcome: Outcome
    delay_s: float | None
    peak_score: float | None


@dataclass(frozen=True)
class LengthCount:
    """Number of events of `shortest` to `longest` labelled frames (None: no end), and how many of them were found."""

    shortest: int
    longest: int | None
    events: int
    found: int

    @property
    def name(self) -> str:
        """The class in words."""
        return f"more than {self.shortest - 1}" if self.longest is None else f"{self.shortest} to {self.longest}"


def event_outcomes(truth: GroundTruth, score: Float64s, incidents: Sequence[Span]) -> list[EventOutcome]:
    """Compares each labelled event with the incidents of its series.

    Args:
        score: float64 (T,), NaN where there is none.
    """
    of: dict[str, list[Span]] = defaultdict(list)
    for span in incidents:
        of[span.series].append(span)
    return [one for name in truth.rows for one in _of_series(truth, name, score, of[name])]


def _of_series(truth: GroundTruth, name: str, score: Float64s, incidents: list[Span]) -> Iterator[EventOutcome]:
    at = truth.rows[name]
    time, levels = truth.time[at], np.nan_to_num(score[at], nan=-1.0)
    for event, (first, last) in zip(truth.events[name], runs(truth.labels[at]).tolist(), strict=True):
        inside = [one.start_ns for one in incidents if event.start_ns <= one.start_ns < event.end_ns]
        met = any(one.start_ns < event.end_ns and one.end_ns > event.start_ns for one in incidents)
        held = levels[first:][(time[first:] < event.end_ns) & (time[first:] >= event.start_ns)]
        peak = float(held.max(initial=-1.0))
        yield EventOutcome(
            span=event,
            frames=last - first,
            outcome="found" if inside else "open before" if met else "missed",
            delay_s=(min(inside) - event.start_ns) / 1e9 if inside else None,
            peak_score=peak if peak >= 0 else None,
        )


def by_length(outcomes: Sequence[EventOutcome]) -> list[LengthCount]:
    """Counts events and found ones by their number of labelled frames."""
    counts = []
    for shortest, longest in zip((1, *(edge + 1 for edge in LENGTHS)), (*LENGTHS, None), strict=True):
        these = [one for one in outcomes if shortest <= one.frames <= (longest or one.frames)]
        counts.append(LengthCount(shortest, longest, len(these), sum(one.outcome == "found" for one in these)))
    return counts


def while_open(frames: FramedHistory, incidents: Sequence[Span]) -> Bools:
    """Mask of frames at which an incident of their series is open, bool (T,)."""
    return within_spans(incidents, tuple(frames.names), frames.series, frames.time)
