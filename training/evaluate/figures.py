"""What one detector was worth on labelled frames: ranking and incidents, per series, as their mean, and together.

Never point-adjusted. A frame without a score counts as 0, the lowest score, and as a frame without an alarm.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stream.detect.slots import Segments
from stream.intake.columns import Bools, Float64s, Int64s
from training.data.framing import FramedHistory
from training.metrics.events import EventMetrics, Span, compare, days_outside, spans_of
from training.metrics.period import strongest_period
from training.metrics.ranking import Ranking, rank
from training.metrics.vus import Volume, vus

AlertClass = Literal["true", "false", "open before"]


@dataclass(frozen=True)
class GroundTruth:
    """The labels of T frames, and what follows from them alone, for every detector the same.

    Attributes:
        rows: of each series with frames, by name.
        labels: bool (T,).
        events: labelled events of each series, `grace` frames included.
        normal_days: of each series, outside of events and their grace.
        buffers: of each series, frames: the period of its first sensor, for the range-aware volume.
        grace: frames after an event in which windows and levels still hold some of it: W + M - 1.
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
    """What a detector said of T frames.

    Attributes:
        score: float64 (T,), >= 0, NaN where there is none; above 1 is above the threshold.
        incidents: what it would have published; None where it has no threshold, and its scores rank only.
    """

    name: str
    score: Float64s
    incidents: Sequence[Span] | None


@dataclass(frozen=True)
class SeriesFigures:
    """Figures of one series; `found` is None without a threshold."""

    frames: int
    ranking: Ranking
    volume: Volume
    found: EventMetrics | None

    def figure(self, name: str) -> float | None:
        """One of `FIGURES`; None where the series has none."""
        of = {"auc_roc": self.ranking, "auc_pr": self.ranking, "vus_pr": self.volume}.get(name, self.found)
        value: float | None = None if of is None else getattr(of, name)
        return value


@dataclass(frozen=True)
class Figures:
    """Everything that is measured of one detector.

    Attributes:
        found: of all series together.
    """

    name: str
    series: Mapping[str, SeriesFigures]
    found: EventMetrics | None

    def mean(self, figure: str) -> tuple[float | None, int]:
        """A figure of `FIGURES` as mean over the series that have it, and how many do."""
        values = [value for one in self.series.values() if (value := one.figure(figure)) is not None]
        return (float(np.mean(values)) if values else None), len(values)


# Figures of a series, by name.
FIGURES = ("auc_roc", "auc_pr", "vus_pr", "precision", "recall", "f1", "median_delay_s", "false_per_day")


def rows_of(frames: FramedHistory) -> dict[str, slice]:
    """The rows of each series that has frames."""
    runs = Segments(frames.series)
    return {
        frames.names[series]: slice(start, end)
        for series, start, end in zip(runs.series.tolist(), runs.start.tolist(), runs.end.tolist(), strict=True)
    }


def ground_truth(frames: FramedHistory, grace: int) -> GroundTruth:
    """What the labels of these frames say."""
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


def alert_class(known: GroundTruth, incident: Span) -> AlertClass:
    """true: it opened inside an event, grace included; false: it overlaps none; open before: it reaches into one."""
    events = known.events[incident.series]
    if any(event.start <= incident.start < event.end for event in events):
        return "true"
    return "open before" if any(incident.start < event.start < incident.end for event in events) else "false"


def measure(known: GroundTruth, said: Detections) -> Figures:
    """The figures of one detector."""
    of: dict[str, list[Span]] = defaultdict(list)
    for span in said.incidents or ():
        of[span.series].append(span)
    series = {name: _of_series(known, said, name, of[name]) for name in known.rows}
    everything = [event for events in known.events.values() for event in events]
    days = sum(known.normal_days.values())
    return Figures(
        name=said.name,
        series=series,
        found=None if said.incidents is None else compare(everything, said.incidents, days),
    )


def _of_series(known: GroundTruth, said: Detections, name: str, incidents: Sequence[Span]) -> SeriesFigures:
    at = known.rows[name]
    score, labels, days = said.score[at], known.labels[at], known.normal_days[name]
    return SeriesFigures(
        frames=len(labels),
        ranking=rank(score, labels),
        volume=vus(score, labels, known.buffers[name]),
        found=None if said.incidents is None else compare(known.events[name], incidents, days),
    )
