"""The outcome of a batch: a disposition for each reading, a verdict for each frame, incident events."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np

from stream.counters import Count
from stream.detect.frames.frames import Fitness, Frames
from stream.detect.frames.time_check import ends
from stream.detect.incidents.incident import IncidentEvent
from stream.detect.incidents.scored_frames import ScoredFrames
from stream.detect.incidents.usual_events import UsualEvent
from stream.detect.unwatched import CoverageEvent
from stream.intake.columns import Bools, Disposition, Float64s, Int32s, Int64s, UInt8s


class Verdict(IntEnum):
    """The end of a frame; every frame ends in exactly one."""

    SCORED = 0
    WARMING = 1
    DEGRADED = 2
    OFF = 3


def verdict_of(frames: Frames, score: Float64s) -> UInt8s:
    """The verdict of each of n frames with these scores, uint8 (n,)."""
    verdict = np.where(np.isnan(score), Verdict.WARMING, Verdict.SCORED).astype(np.uint8)
    verdict[frames.fitness == Fitness.DEGRADED] = Verdict.DEGRADED
    verdict[frames.fitness == Fitness.OFF] = Verdict.OFF
    return verdict


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The verdicts of n frames, sorted by the reading that completed the frame, then series and time.

    Attributes:
        names: series of each slot in use.
        series: int32 (n,), slots.
        time: int64 (n,), ns.
        row: int64 (n,), the reading of the batch that completed the frame; -1: a silence completed it.
        verdict: uint8 (n,), `Verdict`.
        error, level, score, disagreement: float64 (n,); NaN where there is none. Only scored frames have a score.
        threshold: float64 (n,), the level that the series may reach. The score is level / threshold, or that of a still
            sensor, where it is larger.
        imputed: int32 (n,), sensors that are carried or masked.
        vetoed: bool (n,), frames that exceed, but that the rules let open no incident.
        disagreeing: bool (n,), scored frames on which the members disagree more than is usual.
    """

    names: dict[int, str]
    series: Int32s
    time: Int64s
    row: Int64s
    verdict: UInt8s
    error: Float64s
    level: Float64s
    threshold: Float64s
    score: Float64s
    disagreement: Float64s
    imputed: Int32s
    vetoed: Bools
    disagreeing: Bools

    def __len__(self) -> int:
        return len(self.time)

    @staticmethod
    def none() -> "Verdicts":
        """No verdict."""
        nan, slots, times, none = np.zeros(0), np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.bool_)
        return Verdicts({}, slots, times, times, np.zeros(0, np.uint8), nan, nan, nan, nan, nan, slots, none, none)

    @staticmethod
    def of(
        frames: Frames,
        scored: ScoredFrames,
        verdict: UInt8s,
        error: Float64s,
        usual_disagreement: float,
        name: Callable[[int], str],
    ) -> "Verdicts":
        """Verdicts of n frames; `verdict` and `error`, (n,), of each. `name` gives the series of a slot."""
        disagreeing = (scored.disagreement > usual_disagreement) & (verdict == Verdict.SCORED)
        order = np.argsort(frames.row, kind="stable")
        return Verdicts(
            names={slot: name(slot) for slot in np.unique(frames.series).tolist()},
            series=frames.series[order],
            time=frames.time[order],
            row=frames.row[order],
            verdict=verdict[order],
            error=error[order],
            level=scored.level[order],
            threshold=scored.threshold[order],
            score=scored.score[order],
            disagreement=scored.disagreement[order],
            imputed=frames.imputed[order],
            vetoed=scored.vetoed[order],
            disagreeing=disagreeing[order],
        )

    @staticmethod
    def joined(parts: Sequence["Verdicts"], starts: Sequence[int]) -> "Verdicts":
        """Verdicts of consecutive parts of a batch, of which part i begins at reading starts[i]."""
        plain = [name for name in Verdicts.__slots__ if name not in ("names", "row")]
        columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in plain}
        row = np.concatenate([part.row + start for part, start in zip(parts, starts, strict=True)])
        return Verdicts(names={k: v for part in parts for k, v in part.names.items()}, row=row, **columns)


def in_order(events: Iterable[IncidentEvent]) -> tuple[IncidentEvent, ...]:
    """Events in the order of the readings that caused them; a reading may end incidents of several series."""
    return tuple(sorted(events, key=lambda event: (event.row, event.series)))


@dataclass(frozen=True, slots=True)
class ClockRestart:
    """A series starts anew, as its readings stay behind its clock. Times are ns.

    Attributes:
        seen: time of the reading that starts it anew, `row` of the batch. expected: time that the clock had.
        behind: readings in a row behind the clock, this one included.
    """

    series: str
    seen: int
    expected: int
    behind: int
    row: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The detector's answer to a batch of readings.

    Attributes:
        disposition: uint8 (n,), a `Disposition` per reading.
        frames: the frames that the batch completed, sorted by series, then time.
        verdicts: a verdict for each of `frames`, in the order of the verdicts.
        events: of incidents, in the order of the readings that caused them.
        coverage_events: of series that are no longer watched, or watched again, in the same order.
        usual_events: of series whose level has become the new usual one, in the same order.
        sentinels: int64 (F,), values of each sensor that mean none; of a silence there are none, (0,).
        clock_restarts: of series that start anew, in the same order.
        confirmed: the series of each reading of an earlier batch that was unconfirmed then, and is used now.
    """

    disposition: UInt8s
    frames: Frames
    verdicts: Verdicts
    events: tuple[IncidentEvent, ...]
    coverage_events: tuple[CoverageEvent, ...] = ()
    usual_events: tuple[UsualEvent, ...] = ()
    sentinels: Int64s = field(default_factory=lambda: np.zeros(0, np.int64))
    clock_restarts: tuple[ClockRestart, ...] = ()
    confirmed: tuple[str, ...] = ()

    @property
    def series_events(self) -> tuple[CoverageEvent | UsualEvent | ClockRestart, ...]:
        """All events about a series that are no incidents."""
        return (*self.coverage_events, *self.usual_events, *self.clock_restarts)

    @property
    def ends(self) -> Int64s:
        """Readings by disposition, int64 (len(Disposition),)."""
        return ends(self.disposition, len(self.confirmed))

    def at_row(self, row: int) -> "Outcome":
        """The same outcome, completed by reading `row`."""
        rows = np.full(len(self.frames), row, np.int64)
        return replace(
            self,
            frames=replace(self.frames, row=rows),
            verdicts=replace(self.verdicts, row=rows),
            events=tuple(replace(event, row=row) for event in self.events),
            coverage_events=tuple(replace(event, row=row) for event in self.coverage_events),
            usual_events=tuple(replace(event, row=row) for event in self.usual_events),
        )

    @staticmethod
    def joined(parts: Sequence["Outcome"], starts: Sequence[int]) -> "Outcome":
        """Outcome of consecutive parts of a batch, of which part i begins at reading starts[i]."""
        placed = list(zip(parts, starts, strict=True))
        moved = (replace(event, row=event.row + start) for part, start in placed for event in part.usual_events)
        return Outcome(
            disposition=np.concatenate([part.disposition for part in parts]),
            frames=Frames.joined([part.frames for part in parts], starts),
            verdicts=Verdicts.joined([part.verdicts for part in parts], starts),
            events=tuple(replace(event, row=event.row + start) for part, start in placed for event in part.events),
            coverage_events=tuple(
                replace(event, row=event.row + start) for part, start in placed for event in part.coverage_events
            ),
            usual_events=tuple(moved),
            sentinels=np.sum([part.sentinels for part in parts if len(part.sentinels)], axis=0, dtype=np.int64),
            clock_restarts=tuple(
                replace(event, row=event.row + start) for part, start in placed for event in part.clock_restarts
            ),
            confirmed=tuple(series for part in parts for series in part.confirmed),
        )

    def counts(self) -> Counter[Count]:
        """Readings by disposition, frames by verdict, and frames whose members disagree."""
        dispositions = self.ends.tolist()
        verdicts = np.bincount(self.verdicts.verdict, minlength=len(Verdict)).tolist()
        counted = Counter({Count[kind.name]: dispositions[kind] for kind in Disposition})
        counted.update({Count[verdict.name]: verdicts[verdict] for verdict in Verdict})
        if sentinels := int(self.sentinels.sum()):
            counted[Count.SENTINELS] = sentinels
        counted[Count.DISAGREEING] = int(self.verdicts.disagreeing.sum())
        return counted
