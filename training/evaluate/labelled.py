"""Labelled rows as the detector saw them: the path of `narrows replay`, with the label of every frame."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stream.counters import Count
from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.incidents.incident import IncidentEvent
from stream.detect.outcome import Verdict
from stream.errors import DataError
from stream.events.account import SeriesAccount, warnings
from stream.intake.columns import Float64s
from stream.intake.tables.reader import Hints, Layout, label_column
from stream.replay import Step, layout_for, steps
from training.data.framing import FramedHistory
from training.data.scored_history import scored_history
from training.data.spans import Span
from training.metrics.events import OPEN_END


@dataclass(frozen=True)
class LabelledScores:
    """T frames of all series, sorted by series, then time, with their scores and incidents.

    Attributes:
        frames: with labels in `marked`: a frame is labelled if one of its readings is.
        score: float64 (T,), NaN where a frame was not scored.
        level: float64 (T,), in units of the trained threshold of the series; NaN likewise. A still sensor has the level
            of its score.
        incidents: the last event of each, ordered by their start.
        counts: readings by disposition and `received`; frames by verdict.
        accounts: of each series.
        labelled_readings: how many readings of known series are labelled, with or without a frame.
    """

    layout: Layout
    frames: FramedHistory
    score: Float64s
    level: Float64s
    incidents: tuple[IncidentEvent, ...]
    counts: Counter[Count]
    accounts: tuple[SeriesAccount, ...]
    labelled_readings: int


def with_label_column(data: Path, hints: Hints) -> Hints:
    """Adds the column of labels to the hints: the configured one, else the one that is named like labels.

    Raises:
        DataError: no column is named like labels, and none is configured.
    """
    return hints if hints.label is not None else replace(hints, label=label_column(data))


def score_labelled(
    definition: Definition, data: Path, hints: Hints, known: frozenset[str] | None = None
) -> LabelledScores:
    """Sends labelled rows through the detector.

    Args:
        known: as in `stream.replay.steps`.

    Raises:
        BundleError: the data lack sensors of the bundle.
        DataError: no labels, no rows, or not one frame with a score.
    """
    layout = layout_for(data, with_label_column(data, hints), definition)
    detector, labelled = Detector(definition), [0]
    scored = scored_history(_counting(steps(detector, data, layout, known=known), labelled), detector)
    score, counts = scored.scores.score, scored.counts
    if np.isnan(score).all():
        seen = ", ".join(f"{counts[Count[kind.name]]:,} {kind.name.lower()}" for kind in Verdict)
        why = "; ".join(warnings(scored.accounts))
        raise DataError(f"{data}: not one of {len(scored.frames):,} frames has a score ({seen}); {why}")
    trained = definition.thresholds.of_each(scored.frames.names)[scored.frames.series]
    return LabelledScores(
        layout,
        scored.frames,
        score,
        scored.scores.with_forms / trained,
        _newest(scored.events),
        counts,
        scored.accounts,
        labelled[0],
    )


def _counting(steps: Iterable[Step], labelled: list[int]) -> Iterator[Step]:
    """The steps as they are; adds the number of their labelled readings to `labelled`."""
    for step in steps:
        labelled[0] += 0 if step.batch.labels is None else int(step.batch.labels.sum())
        yield step


def _newest(events: Iterable[IncidentEvent]) -> tuple[IncidentEvent, ...]:
    newest = {event.alert_id: event for event in events}
    return tuple(sorted(newest.values(), key=lambda event: (event.started_at, event.series)))


def spans(incidents: Iterable[IncidentEvent]) -> list[Span]:
    """The span in which each incident was open."""
    return [Span(one.series, one.started_at, OPEN_END if one.ended_at is None else one.ended_at) for one in incidents]
