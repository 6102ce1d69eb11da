"""Held-out levels of normal frames: what thresholds are set on, and judged by."""

from dataclasses import dataclass, replace

import numpy as np

from stream.detect.incidents.incident import IncidentEvent
from stream.detect.incidents.incidents import Incidents, Judged
from stream.detect.policy import Rules
from stream.detect.slots import Segments, last_true
from stream.intake.columns import Bools, Float64s, Int32s, Int64s
from training.calibration.tail import blocks

WEEK = 7 * 86400 * 1_000_000_000


@dataclass(frozen=True)
class Levels:
    """n levels of held-out normal frames, sorted by series, then time, of S series.

    Attributes:
        names: series of each index.
        series: int32 (n,), index into `names`.
        time: int64 (n,), ns.
        level: float64 (n,), finite, >= 0, in units of error.
        step: int64 (n,), ns that the frame stands for: since the frame before it.
        block: frames that share support, W + M.
        vetoed: bool (n,), frames that the rules keep from opening an incident, however small the threshold.
    """

    names: tuple[str, ...]
    series: Int32s
    time: Int64s
    level: Float64s
    step: Int64s
    block: int
    vetoed: Bools

    def __len__(self) -> int:
        return len(self.level)

    def rows(self, which: Bools | Int64s) -> "Levels":
        """Some of them, by mask or place; what lay between is not known of."""
        columns = ("series", "time", "level", "step", "vetoed")
        return replace(self, **{name: getattr(self, name)[which] for name in columns})

    @property
    def place(self) -> Int64s:
        """int64 (n,): which level of its series each one is."""
        found: Int64s = np.arange(len(self)) - Segments(self.series).start_of_row
        return found

    @property
    def in_block(self) -> Int64s:
        """int64 (n,): numbers of blocks, 0, 1, 2, ...: levels of one shared their frames where none was left out."""
        return blocks(self.series.astype(np.int64), self.place, self.block)

    @property
    def weeks(self) -> float:
        """Series-weeks covered."""
        return float(self.step.sum(dtype=np.float64) / WEEK)

    @property
    def reach(self) -> float:
        """The ratio level / scale down to which every level is there; 0: all are."""
        return 0.0

    @property
    def rate(self) -> float:
        """How often levels go as far as those near the threshold today, times as often as these did; > 0."""
        return 1.0


def incidents(levels: Levels, score: Float64s, rules: Rules) -> int:
    """How many incidents the scores float64 (n,) open, counted by the code that opens them online.

    A value outside its valid range opens one whatever the threshold: such incidents are not counted here, and no
    threshold is raised because a sensor is broken.
    """
    return sum(event.state == "opened" for event in incident_events(levels, score, rules))


def incident_events(levels: Levels, score: Float64s, rules: Rules) -> list[IncidentEvent]:
    """What the code that opens incidents online makes of the scores float64 (n,)."""
    counter = Incidents("calibrate", rules)
    counter.resize(len(levels.names))
    rows = _relevant(levels.series, score, rules)
    nothing = np.zeros(len(rows))
    judged = Judged(
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
    )
    return counter.push(judged, levels.names.__getitem__, lambda row: ())


def _relevant(series: Int32s, score: Float64s, rules: Rules) -> Int64s:
    """int64: the rows at which an incident can be open, open or close; the others are most, and change nothing.

    An open incident has seen a score that is not quiet within its last `close_after` frames.
    """
    loud = last_true(score >= rules.close_ratio, Segments(series))
    return np.flatnonzero((loud >= 0) & (np.arange(len(score)) - loud <= rules.close_after))
