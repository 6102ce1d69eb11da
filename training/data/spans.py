"""Spans of event time that are not learned from: feedback, known incidents, exclusions."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from stream.events.people.feedback import JudgedSpan
from stream.events.record import rfc3339
from stream.intake.columns import Bools, Int32s, Int64s
from stream.messages import some


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
    for _, first, start, end in _runs(spans, names, series, time):
        inside[max(start - lag, first) : end] = True
    return inside


def _runs(
    spans: Iterable[Span], names: tuple[str, ...], series: Int32s, time: Int64s
) -> Iterator[tuple[Span, int, int, int]]:
    """Each span with the rows of a series that it covers: first row of the series, first one covered, one past them."""
    begin = np.searchsorted(series, np.arange(len(names) + 1))  # (S + 1,)
    place = {name: index for index, name in enumerate(names)}
    for span in spans:
        indices = range(len(names)) if span.series == "" else [place[span.series]] if span.series in place else []
        for index in indices:
            first, last = int(begin[index]), int(begin[index + 1])
            start, end = np.searchsorted(time[first:last], [span.start_ns, span.end_ns])
            if start < end:
                yield span, first, first + int(start), first + int(end)


def of_unknown_series(named: Iterable[str], names: Sequence[str]) -> Iterator[str]:
    """A sentence for each series that spans name and that is not among `names`, with names that are close to it."""
    for unknown in sorted({*named} - {"", *names}):
        close = get_close_matches(unknown, names, n=3)
        there = f"close to it: {', '.join(close)}" if close else f"there are {some(sorted(names), 5)}"
        yield f"no reading is of series {unknown!r}; {there}"


def without_readings(spans: Iterable[Span], names: tuple[str, ...], series: Int32s, time: Int64s) -> Iterator[str]:
    """A sentence about the spans in which there is no frame, of any of the series; none where there are no such spans.

    Args:
        names, series, time: as in `within_spans`.
    """
    known = [span for span in spans if span.series in ("", *names)]
    covering = {span for span, *_ in _runs(known, names, series, time)}
    empty = [span for span in known if span not in covering]
    if empty:
        shown = [f"{s.series or 'every series'} {rfc3339(s.start_ns)} to {rfc3339(s.end_ns)}" for s in empty]
        yield (
            f"spans that cover no reading: {len(empty):,}, {some(shown)}; "
            f"the readings are from {rfc3339(int(time.min()))} to {rfc3339(int(time.max()))}"
        )
