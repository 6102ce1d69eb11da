"""A history framed and scored by the online detector, in one pass over its readings."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from stream.counters import Count
from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.incidents.incident import IncidentEvent
from stream.detect.outcome import Verdicts
from stream.detect.series_counts import SeriesCounter
from stream.events.account import SeriesAccount, series_accounts
from stream.intake.columns import Bools, Float64s, Int32s, Int64s
from stream.replay import Step
from training.data.framing import FramedHistory, HistoryFrames
from training.data.history import History


@dataclass(frozen=True)
class FrameScores:
    """Scores of T frames, sorted by series, then time.

    Attributes:
        series: int32 (T,), slots of the detector, in the order of the first readings.
        time: int64 (T,), ns.
        level, score: float64 (T,), NaN where there is none.
        threshold: float64 (T,), as in `Verdicts`.
        vetoed: bool (T,), frames that the rules keep from opening an incident.
    """

    series: Int32s
    time: Int64s
    level: Float64s
    threshold: Float64s
    score: Float64s
    vetoed: Bools

    @property
    def with_forms(self) -> Float64s:
        """The levels; where an odd sensor gives the score, the level of that score: float64 (T,)."""
        return np.where(self.score > self.level / self.threshold, self.score * self.threshold, self.level)

    @staticmethod
    def joined(pieces: Iterable[Verdicts]) -> "FrameScores":
        """Joins the verdicts of consecutive batches. Only these columns of a batch stay in memory."""
        rows = [(v.series, v.time, v.level, v.threshold, v.score, v.vetoed) for v in pieces]
        columns = [np.concatenate(column) for column in zip(*rows, strict=True)]
        order = np.lexsort((columns[1], columns[0]))
        return FrameScores(*(column[order] for column in columns))


@dataclass(frozen=True)
class ScoredHistory:
    """Frames, their scores and the incidents of a history.

    Attributes:
        frames: T frames.
        scores: of each frame.
        events: events of all incidents, in their order.
        counts: readings by disposition, and `received`; frames by verdict.
        accounts: of each series.
    """

    frames: FramedHistory
    scores: FrameScores
    events: tuple[IncidentEvent, ...]
    counts: Counter[Count]
    accounts: tuple[SeriesAccount, ...]


def frame_scores(history: History, definition: Definition, counter: SeriesCounter | None = None) -> FrameScores:
    """Scores a history that is framed already. Rules apply to every scored frame, also below the threshold.

    Args:
        counter: counts the readings and frames of each series; None: they are not asked for.
    """
    detector = Detector(definition, rules_for_all=True, restarts=False)

    def verdicts() -> Iterable[Verdicts]:
        for batch in history.batches:
            outcome = detector.push(batch.readings)
            if counter is not None:
                counter.add(batch.columns, outcome, batch.numberless, batch.bad)
            yield outcome.verdicts

    return FrameScores.joined(verdicts())


def scored_history(steps: Iterable[Step], detector: Detector) -> ScoredHistory:
    """Collects frames, scores and events of a replay.

    Args:
        steps: batches with their outcomes from `detector`, at least one.
        detector: forgets no series on the way.
    """
    frames = HistoryFrames(detector.definition.policy)
    counts: Counter[Count] = Counter()
    events: list[IncidentEvent] = []
    counter = SeriesCounter()

    def verdicts() -> Iterable[Verdicts]:
        """Passes the verdicts on, and collects the rest."""
        for step in steps:
            outcome = step.outcome
            counts.update(step.counts())
            counter.add(step.batch.columns, outcome, step.dead, step.batch.bad)
            events.extend(outcome.events)
            frames.add(step.batch, outcome.ends, outcome.frames, detector.slots)
            yield outcome.verdicts

    scores = FrameScores.joined(verdicts())
    return ScoredHistory(
        frames.joined(), scores, tuple(events), counts, series_accounts(counter.counts(), detector.definition)
    )
