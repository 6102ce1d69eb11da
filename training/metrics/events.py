"""Incidents beside labelled events: events found, delays, false incidents.

An event includes its grace: it lasts until its last frame has left windows and levels. An incident is true if it opened
inside an event, and false if it overlaps none. An incident that was open before the event is neither. The event cannot
have caused it, and an alarm that is always on overlaps every event. Every event and every incident counts once, however
long it is.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from stream.intake.columns import Bools, Int64s
from training.data.spans import Span
from training.metrics.frames import runs

DAY = 86_400 * 1_000_000_000
# End of an incident that is still open.
OPEN_END = int(np.iinfo(np.int64).max)


@dataclass(frozen=True)
class EventMetrics:
    """Counts of events and incidents, and the rates that follow from them.

    Attributes:
        events: number of labelled events.
        found: number of events that an incident overlaps, even one that was open before.
        opened_inside: number of events in which an incident opened.
        delays_s: for each event of `opened_inside`, event time from its start to the first incident that opened inside.
        incidents: number of incidents.
        true: number of incidents that opened inside an event.
        false: number of incidents that overlap no event.
        normal_days: series-days outside of all events.
    """

    events: int
    found: int
    opened_inside: int
    delays_s: tuple[float, ...]
    incidents: int
    true: int
    false: int
    normal_days: float

    @property
    def precision(self) -> float | None:
        """Share of incidents that opened inside an event; None where there are no incidents."""
        return self.true / self.incidents if self.incidents else None

    @property
    def recall(self) -> float | None:
        """Share of events in which an incident opened; None where there are no events."""
        return self.opened_inside / self.events if self.events else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall, 0 where none opened inside; None where there are no events."""
        if self.recall is None:
            return None
        precision = self.precision or 0.0
        return 2 * precision * self.recall / (precision + self.recall) if self.true else 0.0

    @property
    def false_per_day(self) -> float | None:
        """False incidents per series and day of normal data; None where there is none."""
        return self.false / self.normal_days if self.normal_days else None

    @property
    def median_delay_s(self) -> float | None:
        """Median of the delays, seconds; None where no incident opened inside an event."""
        return float(np.median(self.delays_s)) if self.delays_s else None


def usual_step(time: Int64s) -> int:
    """Median step between frames of one series, ns, > 0; 1 where there are no two frames."""
    return max(int(np.median(np.diff(time))), 1) if len(time) > 1 else 1


def spans_of(series: str, time: Int64s, flags: Bools, grace: int) -> list[Span]:
    """Spans of runs of flagged frames: events from labels, or incidents from alarms where no rule makes them.

    Args:
        time: int64 (T,), ns, in the order of the frames.
        flags: bool (T,).
        grace: frames after a run that belong to it until the next run starts: W + M - 1 for events, 0 for incidents.
    """
    after = usual_step(time) * (grace + 1)
    first, last = time[runs(flags) - [0, 1]].T
    following = np.append(first[1:], OPEN_END)
    # After a clock was set back the next run may begin earlier; then it does not end this one.
    end = np.where(following > last, np.minimum(last + after, following), last + after)
    return [Span(series, start, stop) for start, stop in zip(first.tolist(), end.tolist(), strict=True)]


def days_outside(time: Int64s, events: Sequence[Span]) -> float:
    """Days of one series outside of its events: frames times their usual step.

    Args:
        time: int64 (T,), ns, of all frames.
        events: of this series.
    """
    return (len(time) - _inside(time, events)) * usual_step(time) / DAY


def compare(events: Iterable[Span], incidents: Iterable[Span], normal_days: float) -> EventMetrics:
    """Compares the incidents of all series with their events.

    Args:
        events: of every series, grace included.
        incidents: in any order; they may overlap.
        normal_days: of all series together.
    """
    by_series: dict[str, tuple[list[Span], list[Span]]] = defaultdict(lambda: ([], []))
    for kind, spans in enumerate((events, incidents)):
        for span in spans:
            by_series[span.series][kind].append(span)
    found = true = false = 0
    delays: list[float] = []
    for labelled, opened in by_series.values():
        true += _inside(_sides(opened)[0], labelled)
        found += int((_overlaps(labelled, opened) > 0).sum())
        false += int((_overlaps(opened, labelled) == 0).sum())
        delays += _delays(labelled, opened)
    counts = [sum(len(pair[kind]) for pair in by_series.values()) for kind in (0, 1)]
    return EventMetrics(counts[0], found, len(delays), tuple(delays), counts[1], true, false, normal_days)


def _inside(time: Int64s, spans: Sequence[Span]) -> int:
    """Number of these times that lie inside a span."""
    starts, ends = _sides(spans)
    return int((np.searchsorted(starts, time, side="right") > np.searchsorted(ends, time, side="right")).sum())


def _overlaps(these: Sequence[Span], those: Sequence[Span]) -> Int64s:
    """int64: for each of `these`, the number of `those` that overlap it: begun before its end, less already ended."""
    starts, ends = _sides(those)
    begun = np.searchsorted(starts, [span.end_ns for span in these])
    over = np.searchsorted(ends, [span.start_ns for span in these], side="right")
    return np.subtract(begun, over, dtype=np.int64)


def _delays(events: Sequence[Span], incidents: Sequence[Span]) -> list[float]:
    """Seconds from the start of each event to the first incident that opened inside, where one did."""
    starts = np.append(_sides(incidents)[0], OPEN_END)
    first = starts[np.searchsorted(starts, [event.start_ns for event in events])].tolist()
    return [(start - event.start_ns) / 1e9 for start, event in zip(first, events, strict=True) if start < event.end_ns]


def _sides(spans: Sequence[Span]) -> tuple[Int64s, Int64s]:
    """Starts and ends, int64, each in ascending order."""
    starts, ends = np.array([(span.start_ns, span.end_ns) for span in spans], np.int64).reshape(-1, 2).T
    return np.sort(starts), np.sort(ends)
