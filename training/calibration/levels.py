"""Held-out levels of normal frames: thresholds are set on them and judged by them."""

from dataclasses import dataclass, replace

import numpy as np

from stream.detect.incidents.incident import IncidentEvent
from stream.detect.incidents.incidents import Incidents
from stream.detect.incidents.scored_frames import ScoredFrames
from stream.detect.policy import Rules
from stream.detect.slots import Segments, last_true
from stream.intake.columns import Bools, Float64s, Int32s, Int64s
from training.calibration.tail import blocks

WEEK = 7 * 86400 * 1_000_000_000


@dataclass(frozen=True)
class Levels:
    """n levels of held-out normal frames, sorted by series, then time, of S series.

    Attributes:
        names: name of each series.
        series: int32 (n,), index into `names`.
        time: int64 (n,), ns.
        level: float64 (n,), finite, >= 0, in units of error.
        step: int64 (n,), ns since the frame before.
        block: frames of a block, W + M. Levels of different blocks have hardly a frame in common.
        vetoed: bool (n,), frames that the rules keep from opening an incident at any threshold.
        complete_from: ratio level / scale from which on every level is known; 0: all levels are known.
        rate: today's rate of levels near the threshold, as a multiple of their rate in this sample; > 0.
    """

    names: tuple[str, ...]
    series: Int32s
    time: Int64s
    level: Float64s
    step: Int64s
    block: int
    vetoed: Bools
    complete_from: float = 0.0
    rate: float = 1.0

    def __len__(self) -> int:
        return len(self.level)

    def rows(self, which: Bools | Int64s) -> "Levels":
        """Selects some levels, by mask or index."""
        columns = ("series", "time", "level", "step", "vetoed")
        return replace(self, **{name: getattr(self, name)[which] for name in columns})

    @property
    def index_in_series(self) -> Int64s:
        """int64 (n,): index of each level within its series."""
        index: Int64s = np.arange(len(self)) - Segments(self.series).start_of_row
        return index

    @property
    def in_block(self) -> Int64s:
        """int64 (n,): block of each level, numbered from 0."""
        return blocks(self.series.astype(np.int64), self.index_in_series, self.block)

    @property
    def weeks(self) -> float:
        """Series-weeks covered."""
        return float(self.step.sum(dtype=np.float64) / WEEK)


def incidents(levels: Levels, score: Float64s, rules: Rules) -> int:
    """Counts the incidents that the scores float64 (n,) open, with the online code.

    Incidents of values outside their valid range do not count: they do not depend on the threshold, and a broken sensor
    must not raise it.
    """
    return sum(event.state == "opened" for event in incident_events(levels, score, rules))


def incident_events(levels: Levels, score: Float64s, rules: Rules) -> list[IncidentEvent]:
    """Lists the incident events of the scores float64 (n,), with the online code."""
    counter = Incidents("calibrate", rules)
    counter.resize(len(levels.names))
    rows = _relevant(levels.series, score, rules)
    nothing = np.zeros(len(rows))
    judged = ScoredFrames(
        series=levels.series[rows],
        time=levels.time[rows],
        level=levels.level[rows],
        score=score[rows],
        disagreement=nothing,
        imputed=nothing.astype(np.int32),
        row=rows,
        threshold=nothing,
        vetoed=levels.vetoed[rows],
        outside=np.zeros(len(rows), np.bool_),
        view=np.zeros(len(rows), np.int8),
    )
    return counter.push(judged, levels.names.__getitem__, lambda row: ())


def _relevant(series: Int32s, score: Float64s, rules: Rules) -> Int64s:
    """Rows where an incident can open, be open or close: int64. The other rows, most of all, have no effect.

    An open incident has a score of at least `close_ratio` within its last `close_after` frames.
    """
    loud = last_true(score >= rules.close_ratio, Segments(series))
    return np.flatnonzero((loud >= 0) & (np.arange(len(score)) - loud <= rules.close_after))
