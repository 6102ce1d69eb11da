"""Figures of one detector on labelled frames: ranking and incidents, per series, as mean, and of all series together.

No figure is point-adjusted. A frame without a score counts as score 0, the lowest, and as no alarm.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stream.detect.slots import Segments
from stream.intake.columns import Bools, Float64s, Int64s
from training.data.framing import FramedHistory
from training.data.spans import Span
from training.metrics.events import EventMetrics, compare, days_outside, spans_of
from training.metrics.period import strongest_period
from training.metrics.ranking import Ranking, rank
from training.metrics.vus import Volume, vus

AlertClass = Literal["true", "false", "open before"]


@dataclass(frozen=True)
class GroundTruth:
    """The labels of T frames, and everything that follows from them alone. The same for every detector.

    Attributes:
        time: int64 (T,), ns.
        labels: bool (T,).
        rows: rows of each series with frames, by name.
        events: labelled events of each series, each with its `grace` frames.
        normal_days: days of each series outside of events and their grace.
        buffers: for the range-aware volume, frames of each series: the period of its first sensor.
        grace: frames after an event whose windows and levels still hold some of it: W + M - 1.
    """

    time: Int64s
    labels: Bools
    rows: Mapping[str, slice]
    events: Mapping[str, list[Span]]
    normal_days: Mapping[str, float]
    buffers: Mapping[str, int]
    grace: int


@dataclass(frozen=True)
class Detections:
    """Scores and incidents of a detector on T frames.

    Attributes:
        score: float64 (T,), >= 0, NaN where there is none; above 1 is above the threshold.
        incidents: the incidents it would publish; None where it has no threshold and can only be ranked.
        level: float64 (T,), levels in units of the trained threshold, NaN where there is none. They rank the frames:
            a score that has learned a new usual level cannot. None: the scores rank them.
    """

    name: str
    score: Float64s
    incidents: Sequence[Span] | None
    level: Float64s | None = None

    @property
    def order(self) -> Float64s:
        """The values that rank the frames, float64 (T,)."""
        return self.score if self.level is None else self.level


@dataclass(frozen=True)
class SeriesFigures:
    """Figures of one series; `events` is None without a threshold."""

    frames: int
    ranking: Ranking
    volume: Volume
    events: EventMetrics | None

    def figure(self, name: str) -> float | None:
        """The value of one of `FIGURES`; None where the series has none."""
        of = {"auc_roc": self.ranking, "auc_pr": self.ranking, "vus_pr": self.volume}.get(name, self.events)
        value: float | None = None if of is None else getattr(of, name)
        return value


@dataclass(frozen=True)
class Figures:
    """Figures of one detector; `events` counts all series together."""

    name: str
    series: Mapping[str, SeriesFigures]
    events: EventMetrics | None

    def mean(self, figure: str) -> tuple[float | None, int]:
        """Mean of one of `FIGURES` over the series that have it, and the number of these series."""
        values = [value for one in self.series.values() if (value := one.figure(figure)) is not None]
        return (float(np.mean(values)) if values else None), len(values)


# Figures of a series, by name.
FIGURES = ("auc_roc", "auc_pr", "vus_pr", "precision", "recall", "f1", "median_delay_s", "false_per_day")


def rows_of(frames: FramedHistory) -> dict[str, slice]:
    """The rows of each series that has frames."""
    return {frames.names[series]: slice(start, end) for series, start, end in Segments(frames.series)}


def ground_truth(frames: FramedHistory, grace: int) -> GroundTruth:
    """Computes events, normal days and buffers from the labels of these frames."""
    rows = rows_of(frames)
    events = {name: spans_of(name, frames.time[at], frames.marked[at], grace) for name, at in rows.items()}
    return GroundTruth(
        time=frames.time,
        labels=frames.marked,
        rows=rows,
        events=events,
        normal_days={name: days_outside(frames.time[at], events[name]) for name, at in rows.items()},
        buffers={name: strongest_period(frames.values[at, 0]) for name, at in rows.items()},
        grace=grace,
    )


def alert_class(truth: GroundTruth, incident: Span) -> AlertClass:
    """Compares an incident with the events of its series, grace included.

    Returns:
        "true": it opened inside an event. "false": it overlaps none. "open before": it was open when one began.
    """
    events = truth.events[incident.series]
    if any(event.start_ns <= incident.start_ns < event.end_ns for event in events):
        return "true"
    return "open before" if any(incident.start_ns < event.start_ns < incident.end_ns for event in events) else "false"


def measure(truth: GroundTruth, detections: Detections) -> Figures:
    """Computes the figures of one detector."""
    of: dict[str, list[Span]] = defaultdict(list)
    for span in detections.incidents or ():
        of[span.series].append(span)
    series = {name: _series_figures(truth, detections, name, of[name]) for name in truth.rows}
    everything = [event for events in truth.events.values() for event in events]
    days = sum(truth.normal_days.values())
    return Figures(
        name=detections.name,
        series=series,
        events=None if detections.incidents is None else compare(everything, detections.incidents, days),
    )


def _series_figures(truth: GroundTruth, detections: Detections, name: str, incidents: Sequence[Span]) -> SeriesFigures:
    at = truth.rows[name]
    score, labels, days = detections.order[at], truth.labels[at], truth.normal_days[name]
    return SeriesFigures(
        frames=len(labels),
        ranking=rank(score, labels),
        volume=vus(score, labels, truth.buffers[name]),
        events=None if detections.incidents is None else compare(truth.events[name], incidents, days),
    )
