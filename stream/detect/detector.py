"""The line: readings in, a disposition for each reading, a verdict for each frame, incident events out.

A pure function of a series' readings in order and of the definition. Batch boundaries do not matter, to the bit.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from stream.detect.definition import Definition
from stream.detect.ensemble import Reconstruction
from stream.detect.frames import Fitness, Frames
from stream.detect.framing import Framing
from stream.detect.history import History
from stream.detect.incidents import Incident, IncidentEvent, Incidents, Judged, SensorShare
from stream.detect.level import levels
from stream.detect.outcome import Outcome, Verdict, Verdicts
from stream.detect.series_state import SeriesState
from stream.detect.slots import Segments, grown
from stream.detect.ticks import NEVER, RawFrames
from stream.intake.columns import Float64s, Int32s, Int64s, Readings


class Detector:
    """The state of all series of one partition.

    Args:
        retire_after_ns: a series leaves memory when the partition's stream time has gone on for longer than this
            since it was last heard of and no incident of it is open; should it come back, it starts warming. How far
            its own time lags behind does not matter. None: never.
    """

    def __init__(self, definition: Definition, retire_after_ns: int | None = None) -> None:
        self.definition = definition
        self._retire_after_ns = retire_after_ns
        spec, policy = definition.spec, definition.policy
        self._framing = Framing(policy, definition.sensors)
        self.slots = self._framing.slots
        self._history = History(spec, policy, definition.scales)
        self._incidents = Incidents(definition.detector, definition.rules)
        # The errors before the next frame's, oldest first: derived from the history.
        self._errors = np.zeros((0, spec.smoothing - 1), np.float64)
        self._threshold = np.zeros(0, np.float64)
        # Stream time when each series was last heard of; NEVER for a slot that is free.
        self._heard_at = np.zeros(0, np.int64)

    def units(self, slot: int) -> tuple[Float64s, Float64s]:
        """Mean and scale (F,) of a series, in the sensors' units."""
        return self._history.units(slot)

    @property
    def open_incidents(self) -> int:
        return len(self._incidents)

    def push(self, readings: Readings, stream_time: Int64s | None = None) -> Outcome:
        """Takes a batch of readings of this partition, in order.

        Args:
            stream_time: int64 (n,), the partition's at each reading, itself included. None: nothing retires.
        """
        self._admit(readings.names)
        if stream_time is None or not len(readings):
            return self._push(readings)
        slots = self.slots.lookup(readings.names)[readings.series]
        returned = self._returned(slots, stream_time)
        outcome = self._push_in_parts(readings, returned) if returned else self._push(readings)
        np.maximum.at(self._heard_at, slots, stream_time)
        return outcome

    def _push(self, readings: Readings) -> Outcome:
        raw, disposition = self._framing.raw(readings)
        verdicts, events = self._judge(raw)
        return Outcome(disposition, verdicts, tuple(events))

    def _returned(self, slots: Int32s, stream_time: Int64s) -> list[int]:
        """Rows whose series comes back after the stream has gone on for longer than `retire_after_ns`."""
        if self._retire_after_ns is None:
            return []
        heard = self._heard_at[slots]
        oldest = min(int(heard.min(initial=stream_time[0], where=heard != NEVER)), int(stream_time[0]))
        if stream_time[-1] - oldest <= self._retire_after_ns:
            return []
        order = np.argsort(slots, kind="stable")
        segments = Segments(slots[order])
        before = np.empty(len(slots), np.int64)
        before[1:] = stream_time[order][:-1]
        before[segments.start] = self._heard_at[segments.series]
        silent = np.where(before == NEVER, 0, stream_time[order] - before)
        rows: list[int] = np.sort(order[silent > self._retire_after_ns]).tolist()
        return rows

    def _push_in_parts(self, readings: Readings, returned: list[int]) -> Outcome:
        """Takes the readings up to each return, then the series starts anew, unless an incident of it is open."""
        starts = [0, *returned]
        parts: list[Outcome] = []
        rows = np.arange(len(readings))
        for nth, (start, end) in enumerate(zip(starts, [*returned, len(readings)], strict=True)):
            name = readings.names[readings.series[start]]
            if nth and not self._incidents.get(int(self.slots.lookup([name])[0])):
                self.forget(name)
            part = readings.rows((rows >= start) & (rows < end))
            self._admit(part.names)
            parts.append(self._push(part))
        events = [
            replace(event, row=event.row + start)
            for part, start in zip(parts, starts, strict=True)
            for event in part.events
        ]
        verdicts = Verdicts.joined([part.verdicts for part in parts], starts)
        return Outcome(np.concatenate([part.disposition for part in parts]), verdicts, tuple(events))

    def expired(self, stream_time: int) -> list[str]:
        """Series that would start anew should they come back at `stream_time`: they may be forgotten."""
        if self._retire_after_ns is None or stream_time == NEVER:
            return []
        silent = stream_time - np.where(self._heard_at == NEVER, stream_time, self._heard_at)
        gone = np.flatnonzero(silent > self._retire_after_ns).tolist()
        return [self.slots.name(slot) for slot in gone if not self._incidents.get(slot)]

    def silence(self, series: str) -> Outcome:
        """The series has sent nothing for long: closes its open ticks and its incident. Unknown series: nothing."""
        slot = self.slots.find(series)
        if slot is None:
            return Outcome(np.zeros(0, np.uint8), self._nothing()[0], ())
        raw = self._framing.clock.close(slot)
        verdicts, events = self._judge(RawFrames(raw.series, raw.time, raw.values, np.full(len(raw.time), -1)))
        events += self._incidents.silence(slot, series, self._framing.clock.state(slot).last_frame)
        return Outcome(np.zeros(0, np.uint8), verdicts, tuple(events))

    def has_open(self, series: str) -> bool:
        """Whether the series has an open tick or an open incident."""
        slot = self.slots.find(series)
        return slot is not None and bool(self._incidents.get(slot) or self._framing.clock.state(slot).open)

    def put_back(self, series: str, incident: Incident | None) -> None:
        """The incident of a series that has a slot is this one, or none, whatever has been derived."""
        self._incidents.restore(int(self.slots.lookup([series])[0]), incident)

    def last_heard(self, series: Iterable[str]) -> Int64s:
        """int64 (n,): newest event time of each of n series, ns; NEVER where there is no such series."""
        slots = [self.slots.find(name) for name in series]
        known = np.array([slot for slot in slots if slot is not None], np.int32)
        heard = np.full(len(slots), NEVER, np.int64)
        heard[[slot is not None for slot in slots]] = self._framing.clock.newest(known)
        return heard

    def forget(self, series: str) -> None:
        """The series leaves memory; should it come back, it starts warming."""
        slot = self.slots.release(series)
        self._framing.forget(slot)
        self._history.clear(slot)
        self._incidents.clear(slot)
        self._errors[slot] = np.nan
        self._heard_at[slot] = NEVER

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
            heard_at=int(self._heard_at[slot]),
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
            self._heard_at[slot] = state.heard_at
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
            self._heard_at = grown(self._heard_at, self._framing.capacity, NEVER)
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
