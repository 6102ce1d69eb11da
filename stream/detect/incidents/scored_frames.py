"""Scored frames of a batch, as arrays, and those of one series as plain numbers."""

from dataclasses import dataclass

import numpy as np

from stream.detect.policy import STILL, VIEWS, View
from stream.intake.columns import Bools, Float64s, Int8s, Int32s, Int64s


@dataclass(frozen=True, slots=True)
class ScoredFrames:
    """n frames with their levels and scores, sorted by series, then time; NaN where a frame has none.

    Attributes:
        series: int32 (n,), slots.
        time: int64 (n,), ns.
        level: float64 (n,), in units of error.
        score: float64 (n,), level / threshold, or that of a still sensor, where it is larger.
        disagreement: float64 (n,), of the members.
        imputed: int32 (n,), sensors that are carried or masked.
        row: int64 (n,), the reading of the batch that completed the frame.
        threshold: float64 (n,), the level that the series may reach.
        vetoed: bool (n,), frames that open no incident by their score.
        outside: bool (n,), frames with a value outside its valid range.
        view: int8 (n,), the view of each error, by `VIEWS`.
        moved: bool (n,), frames with which the level became the new usual one. None: there are none.
    """

    series: Int32s
    time: Int64s
    level: Float64s
    score: Float64s
    disagreement: Float64s
    imputed: Int32s
    row: Int64s
    threshold: Float64s
    vetoed: Bools
    outside: Bools
    view: Int8s
    moved: Bools | None = None


@dataclass(frozen=True, slots=True)
class ScoredFrame:
    """One frame of `ScoredFrames`; `opens`: it opens an incident if none is open."""

    time: int
    row: int
    score: float
    level: float
    disagreement: float
    imputed: int
    threshold: float
    outside: bool
    opens: bool
    view: View
    moved: bool

    @property
    def scored(self) -> bool:
        """True if the frame has a score."""
        return not np.isnan(self.score)


class SeriesRows:
    """Rows of one series in a batch, from `start` on, as plain numbers."""

    def __init__(self, scored: ScoredFrames, opens: Bools, start: int, end: int) -> None:
        self.slot = int(scored.series[start])
        self.start, self.end = start, end
        self._scored, self._opens = scored, opens

    def frame(self, i: int) -> ScoredFrame:
        """Row i of the batch."""
        s = self._scored
        return ScoredFrame(
            time=int(s.time[i]),
            row=int(s.row[i]),
            score=float(s.score[i]),
            # A still sensor counts as the level of its score.
            level=float(s.score[i] * s.threshold[i] if s.view[i] >= STILL else s.level[i]),
            disagreement=float(s.disagreement[i]),
            imputed=int(s.imputed[i]),
            threshold=float(s.threshold[i]),
            outside=bool(s.outside[i]),
            opens=bool(self._opens[i]),
            view=VIEWS[s.view[i]],
            moved=s.moved is not None and bool(s.moved[i]),
        )
