"""Thresholds of a batch of frames, and the events of series that have another usual level."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stream.detect.incidents.incidents import Shares
from stream.detect.incidents.scored_frames import ScoredFrames
from stream.intake.columns import Bools, Float64s, Int32s, Int64s


@dataclass(frozen=True, slots=True)
class Judged:
    """The thresholds of n frames, and where a level became the new usual one.

    Attributes:
        threshold: float64 (n,), in units of error.
        since: int64 (n,), ns: the time since which the level was above the threshold, at the frame with which it
            became the usual one, or back below the trained threshold; 0 at all others.
        factor: float64 (n,), at such a frame the new threshold as a multiple of the trained one.
        returned: bool (n,), frames with which a series has its trained usual level again.
    """

    threshold: Float64s
    since: Int64s
    factor: Float64s
    returned: Bools

    @property
    def moved(self) -> Bools:
        """Frames with which a level became the new usual one, bool (n,)."""
        moved: Bools = (self.since != 0) & ~self.returned
        return moved

    def rows(self, rows: Int64s | slice) -> "Judged":
        """Some of the frames; a slice shares their memory."""
        return Judged(self.threshold[rows], self.since[rows], self.factor[rows], self.returned[rows])

    def put(self, rows: Int64s, other: "Judged") -> None:
        """Replaces these frames by those of `other`."""
        self.threshold[rows], self.since[rows] = other.threshold, other.since
        self.factor[rows], self.returned[rows] = other.factor, other.returned


@dataclass(frozen=True, slots=True)
class Batch:
    """Levels of n frames, NaN where there is none, their times and slots, and what becomes of them."""

    level: Float64s
    time: Int64s
    series: Int32s
    judged: Judged

    def rows(self, rows: Int64s | slice) -> "Batch":
        """Some of the frames; a slice shares their memory."""
        return Batch(self.level[rows], self.time[rows], self.series[rows], self.judged.rows(rows))


@dataclass(frozen=True, slots=True)
class UsualEvent:
    """A series has a new usual level, or the trained one again. Times are ns.

    Attributes:
        since, time: the first frame of the new level, and the frame that shows the change.
        factor: the new threshold as a multiple of the trained one.
        returned: it is the trained usual level again.
        sensors: those that the error comes from, as in an alert.
        row: the reading of the batch that completed the frame; -1: a silence completed it.
    """

    series: str
    since: int
    time: int
    factor: float
    sensors: tuple[str, ...]
    row: int
    returned: bool = False


def usual_events(
    judged: Judged, scored: ScoredFrames, name: Callable[[int], str], sensors: Shares
) -> tuple[UsualEvent, ...]:
    """The events of a batch, in the order of the readings that caused them; arguments as in `Incidents.push`."""
    events = [
        UsualEvent(
            series=name(int(scored.series[at])),
            since=int(judged.since[at]),
            time=int(scored.time[at]),
            factor=float(judged.factor[at]),
            returned=bool(judged.returned[at]),
            sensors=tuple(share.name for share in sensors(at)),
            row=int(scored.row[at]),
        )
        for at in np.flatnonzero(judged.since).tolist()
    ]
    return tuple(sorted(events, key=lambda event: event.row))
