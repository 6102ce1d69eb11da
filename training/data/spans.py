"""Spans of event time that a person has named: feedback, known incidents, whatever is not to be learned from."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from stream.events.feedback import JudgedSpan
from stream.intake.columns import Bools, Int32s, Int64s


@dataclass(frozen=True, slots=True)
class Span:
    """Frames of `series` ("": of every series) with start_ns <= time < end_ns."""

    series: str
    start_ns: int
    end_ns: int

    @staticmethod
    def of(judged: JudgedSpan) -> "Span":
        """That of an alert."""
        return Span(judged.series, judged.start_ns, judged.end_ns)


def within_spans(spans: Iterable[Span], names: tuple[str, ...], series: Int32s, time: Int64s, lag: int = 0) -> Bools:
    """bool (T,): frames within a span, or among the `lag` frames of the series before one.

    Args:
        names: series of each index.
        series, time: int32 and int64 (T,), sorted by series, then time.
    """
    inside = np.zeros(len(time), np.bool_)
    begin = np.searchsorted(series, np.arange(len(names) + 1))  # (S + 1,)
    place = {name: index for index, name in enumerate(names)}
    for span in spans:
        meant = range(len(names)) if span.series == "" else [place[span.series]] if span.series in place else []
        for index in meant:
            first, last = int(begin[index]), int(begin[index + 1])
            start, end = np.searchsorted(time[first:last], [span.start_ns, span.end_ns])
            if start < end:
                inside[max(first + start - lag, first) : first + end] = True
    return inside
