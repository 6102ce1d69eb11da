"""Newer readings, scored by the detector of a bundle: the input of recalibration."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.frames.frames import Fitness
from stream.detect.incidents.incident import IncidentEvent
from stream.detect.outcome import Verdict
from stream.detect.slots import Segments
from stream.errors import DataError
from stream.events.record import rfc3339
from stream.events.verdict import VERDICTS
from stream.intake.columns import Bools, Float64s, Int32s, Int64s
from stream.intake.tables.reader import Hints
from stream.offline.bad_value_lines import bad_value_lines
from stream.offline.rows import rows_in_order, said
from stream.registry.recalibration_facts import NewerDataFacts
from stream.replay import Step, layout_for
from training.calibration.levels import Levels, incident_events
from training.data.framing import FramedHistory
from training.data.history import History, batch_rows, fingerprint
from training.data.scored_history import scored_history
from training.data.spans import Span

NO_END = np.iinfo(np.int64).max
# Largest relative difference between a score in a file and level / threshold.
SAME_SCORE = 1e-9
SCORES = {"series", "time", "verdict", "score", "level", "imputed"}


@dataclass(frozen=True)
class NewerReadings:
    """T frames of newer readings, sorted by series, then time.

    Attributes:
        frames: the frames; without sensors (F = 0) where only verdicts are known.
        level, score: float64 (T,), NaN where there is none.
        vetoed: bool (T,), frames that the rules keep from opening an incident at any threshold.
        incidents: span of each incident, from its first exceeding to its first quiet frame.
        facts: about the readings, for the manifest.
    """

    frames: FramedHistory
    level: Float64s
    score: Float64s
    vetoed: Bools
    incidents: tuple[Span, ...]
    facts: NewerDataFacts


def score_readings(definition: Definition, data: Path, hints: Hints) -> NewerReadings:
    """Sends readings through the detector of a bundle, as `narrows replay` does.

    Raises:
        BundleError: the data lack sensors of the bundle.
        DataError: the data cannot be read, or make no frame.
    """
    layout = layout_for(data, hints.with_optional_label(data), definition)
    batches = list(rows_in_order(data, layout, definition.sensors, batch_rows(len(definition.sensors))))
    history = History(layout, batches, definition.sensors, 0.0)
    detector = Detector(definition, rules_for_all=True, restarts=False)
    scored = scored_history((Step(batch, Counter(), detector.push(batch.readings)) for batch in batches), detector)
    frames, scores = scored.frames, scored.scores
    if not len(frames):
        raise DataError(
            f"{data}: {history.rows} readings make no frame: {frames.dispositions}; expected newer readings"
        )
    bad = (f"warning: {line}" for line in bad_value_lines(scored.accounts, layout.bad_is_dead))
    return NewerReadings(
        frames=frames,
        level=scores.level,
        score=scores.score,
        vetoed=scores.vetoed,
        incidents=incident_spans(scored.events),
        facts=newer_data_facts(str(data), frames, fingerprint(history), frames.dispositions, (*said(layout), *bad)),
    )


def read_scores(definition: Definition, scores: Path) -> NewerReadings:
    """Reads the verdicts that `narrows replay --scores` wrote with this bundle. Values of sensors are not known.

    Incidents are those that the scores open. Rules of sensors may have vetoed some of them.

    Raises:
        DataError: the file has no verdicts, or those of another bundle.
    """
    table = pq.read_table(scores)
    if not set(table.column_names) >= SCORES or not table.num_rows:
        raise DataError(
            f"{scores}: {table.num_rows} rows with columns {table.column_names}; expected verdicts, as "
            f"`narrows replay --scores` writes them, with {sorted(SCORES)}"
        )
    names = tuple(sorted(set(table["series"].cast(pa.string()).to_pylist())))
    table = table.append_column("of", pc.index_in(table["series"].cast(pa.string()), pa.array(names)))
    table = table.sort_by([("of", "ascending"), ("time", "ascending")])
    series = table["of"].to_numpy().astype(np.int32)
    time = table["time"].cast(pa.timestamp("ns", "UTC")).cast(pa.int64()).to_numpy()
    level, score = (_numbers(table[name]) for name in ("level", "score"))
    _refuse_others(scores, definition, names, series, level, score)
    frames = _frames_of(definition, names, series, time, table)
    none = np.zeros(len(time), np.bool_)
    scored = np.flatnonzero(np.isfinite(score))
    levels = Levels(names, series[scored], time[scored], level[scored], frames.step[scored], 1, none[scored])
    return NewerReadings(
        frames=frames,
        level=level,
        score=score,
        vetoed=none,
        incidents=incident_spans(incident_events(levels, score[scored], definition.rules)),
        facts=newer_data_facts(str(scores), frames, ""),
    )


def incident_spans(events: Iterable[IncidentEvent]) -> tuple[Span, ...]:
    """Finds the span of each incident. One that is still open has no end."""
    spans: dict[tuple[str, int], int] = {}
    for event in events:
        spans[event.series, event.started_at] = NO_END if event.ended_at is None else event.ended_at
    return tuple(Span(series, start, max(end, start + 1)) for (series, start), end in spans.items())


def newer_data_facts(
    path: str,
    framed: FramedHistory,
    fingerprint: str,
    dispositions: dict[str, int] | None = None,
    notes: tuple[str, ...] = (),
) -> NewerDataFacts:
    """Facts about newer readings, for the manifest. Their use is added later."""
    return NewerDataFacts(
        path=path,
        start=rfc3339(int(framed.time.min())),
        end=rfc3339(int(framed.time.max())),
        fingerprint=fingerprint,
        series=len(framed.names),
        dispositions=dispositions,
        frames={},
        excluded_spans=0,
        notes=notes,
    )


def _numbers(column: pa.ChunkedArray) -> Float64s:
    numbers: Float64s = column.to_numpy().astype(np.float64)
    return numbers


def _refuse_others(
    scores: Path, definition: Definition, names: tuple[str, ...], series: Int32s, level: Float64s, score: Float64s
) -> None:
    expected = level / definition.thresholds.of_each(names)[series]
    off = np.abs(score - expected) > SAME_SCORE * np.abs(expected)
    if off.any():
        raise DataError(
            f"{scores}: {int(off.sum())} of {int(np.isfinite(score).sum())} scores are not level / threshold "
            f"of bundle {definition.version}; write them with `narrows replay --scores --bundle {definition.version}`"
        )


def _frames_of(
    definition: Definition, names: tuple[str, ...], series: Int32s, time: Int64s, table: pa.Table
) -> FramedHistory:
    """Makes frames from their verdicts. They have no sensors."""
    policy = definition.policy
    step = np.diff(time, prepend=time[:1])
    after_gap = step > policy.max_gap_ns
    after_gap[Segments(series).start] = True
    verdict = pc.index_in(table["verdict"].cast(pa.string()), pa.array(VERDICTS)).to_numpy()
    fitness = np.full(len(time), Fitness.WHOLE, np.uint8)
    fitness[verdict == Verdict.DEGRADED], fitness[verdict == Verdict.OFF] = Fitness.DEGRADED, Fitness.OFF
    nothing = np.zeros(len(time), np.bool_)
    return FramedHistory(
        names=names,
        series=series,
        time=time,
        values=np.zeros((len(time), 0)),
        fitness=fitness,
        after_gap=after_gap,
        marked=nothing,
        labelled=nothing,
        confirmed=nothing,
        imputed=table["imputed"].to_numpy() > 0,
        step=np.where(after_gap, policy.interval_ns, step),
        dispositions={},
    )
