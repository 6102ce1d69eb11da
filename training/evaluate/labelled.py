"""Labelled rows as the detector saw them: the very line of `narrows replay`, with the label of every frame beside."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stream.detect.definition import Definition
from stream.detect.incidents.incidents import IncidentEvent
from stream.detect.outcome import Verdict, Verdicts
from stream.errors import DataError
from stream.intake.columns import Disposition, Float64s, UInt8s
from stream.intake.parquet import Batch, Hints, Layout, label_column
from stream.replay import Step, layout_for, steps
from training.data.framing import FramedHistory, frame
from training.metrics.events import OPEN_END, Span


@dataclass(frozen=True)
class Labelled:
    """T frames of all series, sorted by series, then time, and what the detector said of them.

    Attributes:
        frames: with their labels in `marked`: a frame is labelled where a labelled reading is in it.
        verdict: uint8 (T,), `Verdict`.
        score: float64 (T,), NaN where a frame was not scored.
        incidents: the last event of each, in order of their start.
        counts: readings by disposition and `received`; frames by verdict.
    """

    layout: Layout
    frames: FramedHistory
    verdict: UInt8s
    score: Float64s
    incidents: tuple[IncidentEvent, ...]
    counts: Counter[str]


def answers(data: Path, hints: Hints) -> Hints:
    """The hints with the column of labels: the one configured, else the one that is named like labels.

    Raises:
        DataError: no column is named like labels, and none is configured.
    """
    return hints if hints.label is not None else replace(hints, label=label_column(data))


def judge(definition: Definition, data: Path, hints: Hints, known: frozenset[str] | None = None) -> Labelled:
    """Sends labelled rows through the detector.

    Args:
        known: as in `stream.replay.steps`.

    Raises:
        BundleError: the data lack sensors of the bundle.
        DataError: no labels, no rows, or not one frame with a score.
    """
    layout = layout_for(data, answers(data, hints), definition)
    counts: Counter[str] = Counter()
    verdicts: list[Verdicts] = []
    events: list[IncidentEvent] = []

    def noted(passed: Iterable[Step]) -> Iterator[Batch]:
        for step in passed:
            counts.update(ignored=step.batch.ignored, dead=len(step.batch.dead) + step.refused)
            counts.update(step.outcome.counts())
            verdicts.append(step.outcome.verdicts)
            events.extend(step.outcome.events)
            yield step.batch

    frames = frame(noted(steps(definition, data, layout, known=known)), definition.policy, definition.sensors)
    counts["received"] = sum(counts[fate.name.lower()] for fate in Disposition)
    verdict, score = _in_order(verdicts, frames)
    if np.isnan(score).all():
        seen = ", ".join(f"{counts[kind.name.lower()]:,} {kind.name.lower()}" for kind in Verdict)
        spec = definition.spec
        raise DataError(
            f"{data}: not one of {len(frames):,} frames has a score ({seen}); expected runs of more than window + "
            f"smoothing / 2 = {spec.window + spec.smoothing // 2} frames without a gap: give more, or a finer bundle"
        )
    return Labelled(layout, frames, verdict, score, _newest(events), counts)


def _in_order(verdicts: list[Verdicts], frames: FramedHistory) -> tuple[UInt8s, Float64s]:
    """Verdicts and scores in the order of the frames."""
    columns = zip(*((v.series, v.time, v.verdict, v.score) for v in verdicts), strict=True)
    series, time, verdict, score = (np.concatenate(column) for column in columns)
    order = np.lexsort((time, series))
    assert np.array_equal(time[order], frames.time), "the detector must frame as the framing did"
    assert np.array_equal(series[order], frames.series), "the detector must frame as the framing did"
    return verdict[order], score[order]


def _newest(events: Iterable[IncidentEvent]) -> tuple[IncidentEvent, ...]:
    newest = {event.alert_id: event for event in events}
    return tuple(sorted(newest.values(), key=lambda event: (event.started_at, event.series)))


def spans(incidents: Iterable[IncidentEvent]) -> list[Span]:
    """When each was open."""
    return [Span(one.series, one.started_at, OPEN_END if one.ended_at is None else one.ended_at) for one in incidents]
