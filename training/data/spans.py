"""Spans of event time that are not learned from: feedback, known incidents, exclusions."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from stream.events.feedback import JudgedSpan
from stream.intake.columns import Bools, Int32s, Int64s


@dataclass(frozen=True, slots=True)
class Span:
    """Frames of `series` with start_ns <= time < end_ns. Series "" means every series."""

    series: str
    start_ns: int
    end_ns: int

    @staticmethod
    def of(judged: JudgedSpan) -> "Span":
        """Takes the span of an alert that people judged."""
        return Span(judged.series, judged.start_ns, judged.end_ns)


def within_spans(spans: Iterable[Span], names: tuple[str, ...], series: Int32s, time: Int64s, lag: int = 0) -> Bools:
    """Mask of frames within a span, or among the `lag` frames of a series before one, bool (T,).

    Args:
        names: name of each series.
        series, time: int32 and int64 (T,), sorted by series, then time.
    """
    inside = np.zeros(len(time), np.bool_)
    begin = np.searchsorted(series, np.arange(len(names) + 1))  # (S + 1,)
    place = {name: index for index, name in enumerate(names)}
    for span in spans:
        indices = range(len(names)) if span.series == "" else [place[span.series]] if span.series in place else []
        for index in indices:
            first, last = int(begin[index]), int(begin[index + 1])
            start, end = np.searchsorted(time[first:last], [span.start_ns, span.end_ns])
            if start < end:
                inside[max(first + start - lag, first) : first + end] = True
    return inside
