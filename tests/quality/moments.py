"""Moments to look at: missed events and alerts that are not true, each with its scores and leading sensors."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from stream.events.record import rfc3339
from stream.intake.columns import Bools, Float64s, Int64s
from training.data.spans import Span
from training.evaluate.evaluation import Evaluation
from training.evaluate.figures import alert_class
from training.evaluate.labelled import spans
from training.evaluate.outcomes import EventOutcome
from training.evaluate.summary import duration
from training.evaluate.worst import WorstWindow, window_around

# Simple detectors that rank by what they see; the others are senseless.
SIMPLE = ("max abs z", "PCA", "isolation forest")
# Frames shown before and after, at least.
AROUND = 200
# Kept of each case, by either order.
KEPT = 5
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Moment:
    """One missed event or false alert, with n frames around it.

    Attributes:
        what: it in words.
        height: of a miss: how many times its threshold a simple detector reached inside. Of an alert: its peak score.
        frames: its length.
        time, score, after_gap: int64, float64 and bool (n,).
        events, alerts: of this series.
        window: the frames around its highest score; None where it has no score.
    """

    group: str
    series: str
    what: str
    height: float
    frames: int
    time: Int64s
    score: Float64s
    after_gap: Bools
    events: Sequence[Span]
    alerts: Sequence[Span]
    window: WorstWindow | None

    @property
    def place(self) -> tuple[str, str]:
        """Data set and series."""
        return self.group, self.series


def worst(moments: Sequence[Moment], most: int = 10) -> list[Moment]:
    """Half of them by height, the others by length; by either order one of a series."""
    chosen: list[Moment] = []
    orders: tuple[Callable[[Moment], float], ...] = (lambda one: one.height, lambda one: one.frames)
    for part, order in enumerate(orders, 1):
        places = set()
        for one in sorted(moments, key=order, reverse=True):
            if len(chosen) < most * part // len(orders) and one.place not in places and one not in chosen:
                places.add(one.place)
                chosen.append(one)
    return chosen


def misses(group: str, of: Evaluation) -> Iterator[Moment]:
    """Events of this evaluation in which no alert opened: the longest, and those that simple detectors see best."""
    missed = [one for one in of.outcomes if one.outcome != "found"]
    seen = {one.span: _seen_by_simple(of, one.span) for one in missed}
    for one in _kept(missed, lambda one: seen[one.span], lambda one: one.frames):
        yield _moment(group, of, one.span, _missed(of, one, seen[one.span]), seen[one.span], one.frames)


def false_alerts(group: str, of: Evaluation) -> Iterator[Moment]:
    """Alerts of this evaluation that are not true: the longest, and those with the highest peaks."""
    pairs = zip(of.labelled.incidents, spans(of.labelled.incidents), strict=True)
    untrue = [(one, span, alert_class(of.truth, span)) for one, span in pairs if alert_class(of.truth, span) != "true"]
    length = {span: _inside(of, span).stop - _inside(of, span).start for _, span, _ in untrue}
    for one, span, kind in _kept(untrue, lambda of_one: of_one[0].peak_score, lambda of_one: length[of_one[1]]):
        end = int(of.truth.time[_inside(of, span).stop - 1])
        said = f"{'false alert' if kind == 'false' else 'alert that an event met'}, {one.severity}, open for "
        said += f"{duration((end - span.start_ns) / 1e9)}; peak {one.peak_score:.3g} times the threshold"
        yield _moment(group, of, span, said, one.peak_score, length[span])


def _kept(found: Iterable[T], *orders: Callable[[T], float]) -> list[T]:
    """The first few of each order, without repetitions."""
    some = list(found)
    best = [sorted(range(len(some)), key=lambda at: -order(some[at]))[:KEPT] for order in orders]
    return [some[at] for at in dict.fromkeys(at for order in best for at in order)]


def _missed(of: Evaluation, one: EventOutcome, seen: float) -> str:
    peak = "no score" if one.peak_score is None else f"{one.peak_score:.2g} times the threshold at most"
    met = "; an older alert was open" if one.outcome == "open before" else ""
    said = f"missed event of {one.frames:,} frames, {peak}{met}; a simple detector reaches {seen:.3g} times its own"
    return f"{said}; {_farthest(of, one.span)}"


def _farthest(of: Evaluation, event: Span) -> str:
    """The sensor that is farthest from its mean inside an event, in its own deviations."""
    definition = of.bundle.definition
    row, values = definition.scales.row(event.series), of.labelled.frames.values[_inside(of, event)]
    off = np.nan_to_num(np.abs(values - definition.scales.mean[row]) / definition.scales.scale[row]).max(axis=0)
    return f"{definition.sensors[int(off.argmax())]} is {off.max():.3g} deviations from its mean"


def _seen_by_simple(of: Evaluation, event: Span) -> float:
    """Highest score of a simple detector with a threshold inside an event; 0 without one."""
    floors = () if of.baselines is None else of.baselines.detections
    simple = [one.score[_inside(of, event)] for one in floors if one.name in SIMPLE and one.incidents is not None]
    return max((float(np.nan_to_num(score).max(initial=0.0)) for score in simple), default=0.0)


def _inside(of: Evaluation, span: Span) -> slice:
    """Rows of the frames within a span, one at least."""
    at = of.truth.rows[span.series]
    first, last = np.searchsorted(of.truth.time[at], [span.start_ns, span.end_ns]).tolist()
    return slice(at.start + first, at.start + max(last, first + 1))


def _moment(group: str, of: Evaluation, span: Span, what: str, height: float, frames: int) -> Moment:
    at, inside = of.truth.rows[span.series], _inside(of, span)
    around = max(AROUND, 2 * frames)
    shown = slice(max(at.start, inside.start - around), min(at.stop, inside.stop + around))
    score = np.nan_to_num(of.labelled.score[inside], nan=-1.0)
    peak = inside.start + int(np.argmax(score))
    window = window_around(of.labelled, of.bundle.definition, peak, at.start, at.stop) if score.max() >= 0 else None
    first, last = int(of.truth.time[shown.start]), int(of.truth.time[shown.stop - 1])
    return Moment(
        group=group,
        series=span.series,
        what=f"{rfc3339(span.start_ns)}: {what}",
        height=height,
        frames=frames,
        time=of.truth.time[shown],
        score=of.labelled.score[shown],
        after_gap=of.labelled.frames.after_gap[shown],
        events=_visible(of.truth.events[span.series], first, last),
        alerts=_visible([one for one in spans(of.labelled.incidents) if one.series == span.series], first, last),
        window=window,
    )


def _visible(found: Iterable[Span], first: int, last: int) -> list[Span]:
    return [one for one in found if one.start_ns <= last and one.end_ns > first]
