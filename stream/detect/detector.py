"""The line: readings in, a disposition for each reading, a verdict for each frame, incident events out.

A pure function of a series' readings in order and of the definition. Batch boundaries do not matter, to the bit.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

import msgspec
import numpy as np

from stream.detect.definition import Definition
from stream.detect.ensemble import Reconstruction
from stream.detect.frames import Fitness, Frames
from stream.detect.framing import Framing
from stream.detect.history import History
from stream.detect.incidents import Incident, IncidentEvent, Incidents, Judged, SensorShare
from stream.detect.level import levels
from stream.detect.slots import Segments, grown
from stream.detect.ticks import RawFrames, TickState
from stream.intake.columns import Disposition, Float64s, Int32s, Int64s, Readings, UInt8s


class Verdict(IntEnum):
    """What became of a frame; every frame ends in exactly one."""

    SCORED = 0
    WARMING = 1
    DEGRADED = 2
    OFF = 3


@dataclass(frozen=True, slots=True)
class Verdicts:
    """n frames, judged; sorted by the reading that completed them, then series and time.

    Attributes:
        names: series of each slot in use.
        series: int32 (n,), slots.
        time: int64 (n,), ns.
        row: int64 (n,), the reading of the batch that completed the frame; -1 where a silence did.
        verdict: uint8 (n,), `Verdict`.
        error, level, score, disagreement: float64 (n,); NaN where there is none. Only scored frames have a score.
        imputed: int32 (n,), sensors that are carried or masked.
    """

    names: dict[int, str]
    series: Int32s
    time: Int64s
    row: Int64s
    verdict: UInt8s
    error: Float64s
    level: Float64s
    score: Float64s
    disagreement: Float64s
    imputed: Int32s

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a batch of readings led to: disposition uint8 (n,) per reading, verdicts, events in order of cause."""

    disposition: UInt8s
    verdicts: Verdicts
    events: tuple[IncidentEvent, ...]

    def counts(self) -> Counter[str]:
        """Readings by disposition and frames by verdict, each under its name in small letters."""
        fates = np.bincount(self.disposition, minlength=len(Disposition)).tolist()
        verdicts = np.bincount(self.verdicts.verdict, minlength=len(Verdict)).tolist()
        counted = Counter({fate.name.lower(): fates[fate] for fate in Disposition})
        counted.update({verdict.name.lower(): verdicts[verdict] for verdict in Verdict})
        return counted


class SeriesState(msgspec.Struct):
    """All that a restart needs of one series; errors and levels are derived from it. Arrays are little-endian bytes.

    Attributes:
        time: int64 (n,), values: float64 (n, F): frames since the last gap, oldest first, NaN where masked.
        last_time: time of the last frame, also where a gap or off frame has emptied the history.
        last_off: last frame with `score_when` false.
        carried: float64 (F,), age: int32 (F,): last value of each sensor and how many frames ago.
        ticks: clock and open ticks.
    """

    series: str
    time: bytes
    values: bytes
    last_time: int
    last_off: int
    carried: bytes
    age: bytes
    ticks: TickState
    incident: Incident | None


class Detector:
    """The state of all series of one partition."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        spec, policy = definition.spec, definition.policy
        self._framing = Framing(policy, definition.sensors)
        self.slots = self._framing.slots
        self._history = History(spec, policy, definition.scales)
        self._incidents = Incidents(definition.detector, definition.rules)
        # The errors before the next frame's, oldest first: derived from the history.
        self._errors = np.zeros((0, spec.smoothing - 1), np.float64)
        self._threshold = np.zeros(0, np.float64)

    def units(self, slot: int) -> tuple[Float64s, Float64s]:
        """Mean and scale (F,) of a series, in the sensors' units."""
        return self._history.units(slot)

    @property
    def open_incidents(self) -> int:
        return len(self._incidents)

    def push(self, readings: Readings) -> Outcome:
        """Takes a batch of readings of this partition, in order."""
        self._admit(readings.names)
        raw, disposition = self._framing.raw(readings)
        verdicts, events = self._judge(raw)
        return Outcome(disposition, verdicts, tuple(events))

    def silence(self, series: str) -> Outcome:
        """The series has sent nothing for long: closes its open ticks and its incident. Unknown series: nothing."""
        slot = self.slots.find(series)
        if slot is None:
            return Outcome(np.zeros(0, np.uint8), self._nothing()[0], ())
        raw = self._framing.clock.close(slot)
        verdicts, events = self._judge(RawFrames(raw.series, raw.time, raw.values, np.full(len(raw.time), -1)))
        events += self._incidents.silence(slot, series, int(self._framing.framer.last_time[slot]))
        return Outcome(np.zeros(0, np.uint8), verdicts, tuple(events))

    def has_open(self, series: str) -> bool:
        """Whether the series has an open tick or an open incident."""
        slot = self.slots.find(series)
        return slot is not None and bool(self._incidents.get(slot) or self._framing.clock.state(slot).open)

    def forget(self, series: str) -> None:
        """The series leaves memory; should it come back, it starts warming."""
        slot = self.slots.release(series)
        self._framing.forget(slot)
        self._history.clear(slot)
        self._incidents.clear(slot)
        self._errors[slot] = np.nan

    def snapshot(self, series: str) -> SeriesState:
        """State of a series that has a slot."""
        slot = self.slots.lookup([series])[0]
        time, values = self._history.frames(slot)
        return SeriesState(
            series=series,
            time=time.astype("<i8").tobytes(),
            values=values.astype("<f8").tobytes(),
            last_time=int(self._framing.framer.last_time[slot]),
            last_off=int(self._framing.framer.last_off[slot]),
            carried=self._framing.framer.carried[slot].astype("<f8").tobytes(),
            age=self._framing.framer.age[slot].astype("<i4").tobytes(),
            ticks=self._framing.clock.state(slot),
            incident=self._incidents.get(slot),
        )

    def restore(self, states: Iterable[SeriesState]) -> None:
        """Puts series back as `snapshot` found them; their errors are computed anew, to the same bits."""
        states = list(states)
        self._admit(state.series for state in states)
        slots = self.slots.lookup(state.series for state in states).astype(np.int64)
        sensors = self.definition.spec.sensors
        for slot, state in zip(slots.tolist(), states, strict=True):
            values = np.frombuffer(state.values, "<f8").reshape(-1, sensors)
            self._history.restore(slot, np.frombuffer(state.time, "<i8"), values)
            self._framing.framer.last_time[slot], self._framing.framer.last_off[slot] = state.last_time, state.last_off
            self._framing.framer.carried[slot] = np.frombuffer(state.carried, "<f8")
            self._framing.framer.age[slot] = np.frombuffer(state.age, "<i4")
            self._framing.clock.restore(slot, state.ticks)
            self._incidents.restore(slot, state.incident)
        self._derive_errors(slots)

    def _derive_errors(self, slots: Int64s) -> None:
        """Errors of the last M - 1 frames of `slots` from their kept frames."""
        keep = self._errors.shape[1]
        self._errors[slots] = np.nan
        if not keep or not len(slots):
            return
        strip, of = self._history.strip(slots)
        assert strip.masked is not None
        whole = strip.masked[strip.at].sum(axis=1) <= self.definition.policy.max_missing
        due = whole & (strip.run >= self.definition.spec.window)
        errors = np.full(len(of), np.nan)
        errors[due] = self.definition.ensemble.errors(strip.scaled, strip.at[due], strip.masked).error
        self._remember(errors, Segments(of.astype(np.int32)))

    def _admit(self, names: Iterable[str]) -> None:
        """Gives new series a slot in every array."""
        added = self._framing.admit(names)
        if self._framing.capacity > len(self._threshold):
            self._history.resize(self._framing.capacity)
            self._incidents.resize(self._framing.capacity)
            self._errors = grown(self._errors, self._framing.capacity, np.nan)
            self._threshold = grown(self._threshold, self._framing.capacity, np.nan)
        for slot, name in added:
            self._history.name(slot, name)
            self._threshold[slot] = self.definition.thresholds.of(name)

    def _judge(self, raw: RawFrames) -> tuple[Verdicts, list[IncidentEvent]]:
        if not len(raw.time):
            return self._nothing()
        spec = self.definition.spec
        frames = self._framing.frames(raw)
        strip = self._history.push(frames)
        due = np.flatnonzero((frames.fitness == Fitness.WHOLE) & (strip.run >= spec.window))
        seen = self.definition.ensemble.errors(strip.scaled, strip.at[due], strip.masked)
        error, disagreement = np.full((2, len(frames)), np.nan)
        error[due], disagreement[due] = seen.error, seen.disagreement
        level = self._level(frames, error, strip.run)
        level[np.isnan(error)] = np.nan
        score = level / self._threshold[frames.series]
        judged = Judged(frames.series, frames.time, level, score, disagreement, frames.imputed, frames.row)
        events = self._incidents.push(judged, self.slots.name, _Witness(self, frames, due, seen).sensors)
        return self._verdicts(frames, judged, error), sorted(events, key=lambda event: event.row)

    def _level(self, frames: Frames, error: Float64s, run: Int64s) -> Float64s:
        spec = self.definition.spec
        segments = Segments(frames.series)
        back = spec.smoothing - 1
        at = np.arange(len(frames), dtype=np.int64) + (segments.of_row + 1) * back
        old = (segments.start + np.arange(len(segments.start)) * back)[:, None] + np.arange(back)  # (G, M - 1)
        joined = np.empty(len(frames) + old.size)
        joined[at], joined[old] = error, self._errors[segments.series]
        self._remember(error, segments)
        return levels(joined, at, run, spec.window, spec.smoothing)

    def _remember(self, error: Float64s, segments: Segments) -> None:
        """Keeps the last M - 1 errors of each series, oldest first."""
        back = self._errors.shape[1]
        if not back:
            return
        place = segments.end[:, None] - back + np.arange(back)  # (G, M - 1): rows of this batch, or before its start
        older = np.minimum(np.arange(back) + segments.length[:, None], back - 1)
        kept = np.take_along_axis(self._errors[segments.series], older, axis=1)
        new = place >= segments.start[:, None]
        self._errors[segments.series] = np.where(new, error[np.maximum(place, 0)], kept)

    def _verdicts(self, frames: Frames, judged: Judged, error: Float64s) -> Verdicts:
        verdict = np.where(np.isnan(judged.score), Verdict.WARMING, Verdict.SCORED)
        verdict[frames.fitness == Fitness.DEGRADED] = Verdict.DEGRADED
        verdict[frames.fitness == Fitness.OFF] = Verdict.OFF
        order = np.argsort(frames.row, kind="stable")
        return Verdicts(
            names={slot: self.slots.name(slot) for slot in np.unique(frames.series).tolist()},
            series=frames.series[order],
            time=frames.time[order],
            row=frames.row[order],
            verdict=verdict.astype(np.uint8)[order],
            error=error[order],
            level=judged.level[order],
            score=judged.score[order],
            disagreement=judged.disagreement[order],
            imputed=frames.imputed[order],
        )

    def _nothing(self) -> tuple[Verdicts, list[IncidentEvent]]:
        nan, slots, times = np.zeros(0), np.zeros(0, np.int32), np.zeros(0, np.int64)
        return Verdicts({}, slots, times, times, np.zeros(0, np.uint8), nan, nan, nan, nan, slots), []


class _Witness:
    """What a frame looked like, sensor by sensor, asked for only at peaks."""

    def __init__(self, detector: Detector, frames: Frames, due: Int64s, seen: Reconstruction) -> None:
        self._detector = detector
        self._frames = frames
        self._due = due
        self._seen = seen

    def sensors(self, row: int) -> tuple[SensorShare, ...]:
        """The sensors with the largest share of the error of frame `row`, largest first, ties by sensor order."""
        definition = self._detector.definition
        seen = int(np.searchsorted(self._due, row))
        error, values = self._seen.per_sensor(seen), self._frames.values[row]
        error = np.where(np.isnan(values), 0.0, error)
        mean, scale = self._detector.units(int(self._frames.series[row]))
        expected = self._seen.expected(seen) * scale + mean
        top = np.argsort(-error, kind="stable")[: definition.rules.top_sensors]
        total = max(float(error.sum()), np.finfo(np.float64).tiny)
        return tuple(
            SensorShare(
                name=definition.sensors[f],
                share=float(error[f] / total),
                observed=None if np.isnan(values[f]) else float(values[f]),
                expected=float(expected[f]),
                direction="unknown" if np.isnan(values[f]) else "high" if values[f] > expected[f] else "low",
            )
            for f in top.tolist()
        )
