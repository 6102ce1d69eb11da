"""The detector: readings in; a disposition for each reading, a verdict for each frame, and incident events out.

A pure function of a series' readings in order and of the definition. Batch boundaries do not matter, to the bit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from stream.detect.attribution import Attribution
from stream.detect.coverage import Coverage
from stream.detect.definition import Definition
from stream.detect.frames.clock import NEVER, RawFrames
from stream.detect.frames.frames import Fitness, Frames
from stream.detect.frames.framing import Framing
from stream.detect.frames.history import History
from stream.detect.frames.time_check import Restart
from stream.detect.incidents.incident import Reason
from stream.detect.incidents.incidents import Incidents
from stream.detect.incidents.level import ErrorHistory
from stream.detect.incidents.scored_frames import ScoredFrames
from stream.detect.incidents.usual import UsualLevels
from stream.detect.incidents.usual_events import usual_events
from stream.detect.incidents.veto import Veto
from stream.detect.lapses import Lapses, Passage
from stream.detect.last_verdicts import LastVerdicts
from stream.detect.outcome import ClockRestart, Outcome, Verdicts, in_order, verdict_of
from stream.detect.retirement import Retirement
from stream.detect.series_state import SeriesState
from stream.detect.slots import Segments
from stream.intake.columns import Int64s, Readings, UInt8s

# Stream time and watch time at each reading, see `Detector.push`.
Times: TypeAlias = tuple[Int64s, Int64s]


class Detector:
    """The state of all series of one partition, and the steps from readings to incidents.

    Args:
        retire_after_ns: a series leaves memory when the partition's stream time has gone on for longer than this
            since its last reading, and it has no open incident. If it comes back, it starts warming. The series' own
            time does not matter. None: never.
        unwatched_after_ns: a series without a score for longer than this is reported, and its incident ends. None: none
            is. See `unwatched_limit`.
        rules_for_all: apply the sensors' rules to every scored frame, not only to those that exceed. Calibration
            needs this, as it has no threshold yet.
        restarts: False: no series starts anew, see `Framing`.
    """

    def __init__(
        self,
        definition: Definition,
        retire_after_ns: int | None = None,
        unwatched_after_ns: int | None = None,
        rules_for_all: bool = False,
        restarts: bool = True,
    ) -> None:
        self.definition = definition
        spec, policy = definition.spec, definition.policy
        self._framing = Framing(policy, definition.sensors, restarts)
        self.slots = self._framing.slots
        self._history = History(spec, policy, definition.scales)
        self._veto, self._rules_for_all = Veto(definition.rules.sensors, definition.sensors), rules_for_all
        self._incidents = Incidents(definition.detector, definition.rules, self._framing.times.restarts)
        self.coverage = Coverage(policy, definition.sensors, spec.receptive_field, unwatched_after_ns, retire_after_ns)
        self._retirement, self._errors = Retirement(retire_after_ns), ErrorHistory(spec)
        self.last_verdicts = LastVerdicts()
        self._by_slot = (self._history, self._incidents, self.coverage, self._errors, self.last_verdicts)
        self.usual = UsualLevels(definition.thresholds, definition.learning)

    @property
    def open_incidents(self) -> int:
        """Number of open incidents."""
        return len(self._incidents)

    def push(self, readings: Readings, stream_time: Int64s | None = None, watch_time: Int64s | None = None) -> Outcome:
        """Takes a batch of readings of this partition, in order.

        Args:
            stream_time: int64 (n,), ns, the partition's stream time at each reading, the reading included. None:
                no series retires or is unwatched.
            watch_time: int64 (n,), ns, its watch time, see `StreamClock`. None: it is the stream time.
        """
        self._admit(readings.names)
        if stream_time is None or not len(readings):
            return self._push(readings, None)
        times = stream_time, stream_time if watch_time is None else watch_time
        returning = self._retirement.returning(self.slots.lookup(readings.names)[readings.series], stream_time)
        return self._push_in_parts(readings, times, returning) if returning else self._push(readings, times)

    def _push(self, readings: Readings, times: Times | None) -> Outcome:
        checked = self._framing.checked(readings)
        if checked.restarts:
            return self._push_in_parts(readings, times, checked.restarts)
        raw, disposition = self._framing.raw(checked)
        disposition, passage = checked.of_batch(disposition), None
        if times is not None:
            slots = self.slots.lookup(readings.names)[readings.series]
            self._retirement.note(slots, times[0])
            passage = Passage(slots, readings.time, checked.as_held(disposition), *times)
        confirmed = tuple(map(self.slots.name, checked.confirmed))
        sentinels = self._framing.sentinels(readings)
        return replace(self._score(raw, disposition, passage), sentinels=sentinels, confirmed=confirmed)

    def _anew(self, restart: Restart) -> Outcome:
        """Starts a series anew: closes what is open, and forgets its frames."""
        slot, series = restart.slot, self.slots.name(restart.slot)
        outcome = self._close(slot, series, "clock_restarted").at_row(0)
        self._framing.restart(slot)
        self._history.clear(slot)
        self._errors.clear(slot)
        self.coverage.restart(slot, restart.seen)
        event = ClockRestart(series, restart.seen, restart.expected, restart.behind, 0)
        return replace(outcome, clock_restarts=(event,))

    def _push_in_parts(self, readings: Readings, times: Times | None, cuts: Sequence[int | Restart]) -> Outcome:
        """Takes the readings up to each cut: there a series starts anew, or comes back after it was retired."""
        parts, starts = list[Outcome](), list[int]()
        rows = [cut.row if isinstance(cut, Restart) else cut for cut in cuts]
        for cut, start, end in zip((None, *cuts), [0, *rows], [*rows, len(readings)], strict=True):
            name = readings.names[readings.series[start]]
            if isinstance(cut, Restart):
                parts.append(self._anew(cut))
            elif cut is not None and not self._incidents.get(int(self.slots.lookup([name])[0])):
                self.forget(name)
            part = readings.rows(slice(start, end))
            self._admit(part.names)
            parts.append(self._push(part, times and (times[0][start:end], times[1][start:end])))
            starts += [start] * (len(parts) - len(starts))
        return Outcome.joined(parts, starts)

    def expired(self, stream_time: int) -> list[str]:
        """Series that would start again if they came back at `stream_time`: the caller may forget them."""
        return [
            self.slots.name(slot) for slot in self._retirement.expired(stream_time) if not self._incidents.get(slot)
        ]

    def silence(self, series: str) -> Outcome:
        """Closes the open ticks and the incident of a series that has sent nothing for long; none if it is unknown."""
        slot = self.slots.find(series)
        if slot is None:
            return self._without_frames(np.zeros(0, np.uint8), None)
        self._framing.times.drop(slot)
        return self._close(slot, series, "silent")

    def _close(self, slot: int, series: str, reason: Reason) -> Outcome:
        """Closes the open ticks and the incident of a series; no reading does."""
        raw = self._framing.clock.close(slot)
        outcome = self._score(replace(raw, row=np.full(len(raw.time), -1)), np.zeros(0, np.uint8), Passage.none())
        resolved = self._incidents.close(slot, series, self._framing.clock.state(slot).last_frame, reason)
        return replace(outcome, events=(*outcome.events, *resolved))

    def with_incident(self) -> list[str]:
        """Series with an open incident."""
        return [name for name in self.slots.names() if self._incidents.get(self.slots.lookup([name])[0]) is not None]

    def watched(self) -> list[str]:
        """Series that count as watched."""
        names = list(self.slots.names())
        unwatched = self.coverage.is_unwatched[self.slots.lookup(names)]
        return [name for name, is_unwatched in zip(names, unwatched, strict=True) if not is_unwatched]

    def has_open(self, series: str) -> bool:
        """True if the series has an open tick, an open incident, or a reading that is held."""
        slot, of = self.slots.find(series), self._framing
        return slot is not None and bool(self._incidents.get(slot) or of.times.holds(slot) or of.clock.state(slot).open)

    def restore_open(self, series: str, state: SeriesState | None) -> None:
        """Replaces the open incident and the coverage of a series that has a slot by those of `state`; None: none."""
        slot = int(self.slots.lookup([series])[0])
        self._incidents.clear(slot)
        if state is not None:
            self._incidents.restore(slot, state.incident)
        last_frame = self._framing.clock.state(slot).last_frame
        self.coverage.restore(slot, None if state is None else state.coverage, last_frame)

    def last_heard(self, series: Iterable[str]) -> Int64s:
        """Newest event time of each of n series, int64 (n,), ns; NEVER for an unknown series."""
        slots = [self.slots.find(name) for name in series]
        known = np.array([slot for slot in slots if slot is not None], np.int32)
        heard = np.full(len(slots), NEVER, np.int64)
        heard[[slot is not None for slot in slots]] = self._framing.clock.newest(known)
        return heard

    def forget(self, series: str) -> None:
        """Removes the series from memory; if it comes back, it starts warming."""
        slot = self.slots.release(series)
        self._framing.forget(slot)
        for of in self._by_slot:
            of.clear(slot)
        self._retirement.restore(slot, NEVER)

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
            heard_at=self._retirement.heard_at(slot),
            incident=self._incidents.get(slot),
            coverage=self.coverage.state(slot),
            usual=self.usual.snapshot(slot),
            verdict=self.last_verdicts.of(slot),
            times=self._framing.times.state(int(slot)),
        )

    def restore(self, states: Iterable[SeriesState]) -> None:
        """Restores series from their snapshots; computes their errors again, to the same bits."""
        states = list(states)
        self._admit(state.series for state in states)
        slots = self.slots.lookup(state.series for state in states).astype(np.int64)
        for slot, state in zip(slots.tolist(), states, strict=True):
            values = np.frombuffer(state.values, "<f8").reshape(-1, self.definition.spec.sensors)
            self._history.restore(slot, np.frombuffer(state.time, "<i8"), values)
            self._framing.framer.restore(slot, state.last_time, state.last_off, state.carried, state.age)
            self._framing.clock.restore(slot, state.ticks)
            self._framing.times.restore(slot, state.times)
            self._retirement.restore(slot, state.heard_at)
            self._incidents.restore(slot, state.incident)
            self.coverage.restore(slot, state.coverage, state.ticks.last_frame)
            self.usual.restore(slot, state.usual)
            self.last_verdicts.restore(slot, state.verdict)
        self._errors.derive(slots, self._history, self.definition)

    def _admit(self, names: Iterable[str]) -> None:
        """Gives new series a slot in every array."""
        added = self._framing.admit(names)
        if self._framing.capacity > len(self.usual.trained):
            for of in (*self._by_slot, self._retirement, self.usual):
                of.resize(self._framing.capacity)
        for slot, name in added:
            self._history.set_series(slot, name)
            self.usual.set_series(slot, name)

    def _score(self, raw: RawFrames, disposition: UInt8s, passage: Passage | None) -> Outcome:
        """Frames, errors, levels, scores and incidents of raw frames; `disposition` goes into the outcome as it is."""
        if not len(raw.time):
            return self._without_frames(disposition, passage)
        spec = self.definition.spec
        frames = self._framing.frames(raw)
        windows = self._history.with_old(frames)
        due = np.flatnonzero((frames.fitness == Fitness.WHOLE) & (windows.run >= spec.window))
        reconstruction = self.definition.ensemble.errors(windows.scaled, windows.at[due], windows.masked)
        error, disagreement = np.full((2, len(frames)), np.nan)
        error[due], disagreement[due] = reconstruction.error, reconstruction.disagreement
        segments = Segments(frames.series)
        level = self._errors.push(error, windows.run, segments)
        level[np.isnan(error)] = np.nan
        odd = self.definition.forms.of(windows.scaled, windows.at[due], windows.masked)
        oddness, form = np.zeros(len(frames)), np.full(len(frames), -1, np.int8)
        oddness[due], form[due] = odd.scores(len(due))
        # In training's terms, so that a level that has become usual covers odd sensors too.
        odd_level = oddness * self.usual.trained[frames.series]
        judged = self.usual.push(np.maximum(level, odd_level), frames.time, segments)
        attribution = Attribution(
            self.definition, self._history, self._framing.framer.ranges, frames, windows, due, reconstruction,
            level / judged.threshold, odd, np.minimum(oddness, odd_level / judged.threshold), form,
        )  # fmt: skip
        scored = ScoredFrames(
            frames.series, frames.time, level, attribution.score, disagreement, frames.imputed, frames.row,
            judged.threshold, attribution.vetoed(self._veto, self._rules_for_all), frames.is_outside, attribution.view,
            judged.moved,
        )  # fmt: skip
        verdict = verdict_of(frames, scored.score)
        self.last_verdicts.push(frames.series, verdict)
        lapses = self._lapses(passage, odd.alive(frames, due), verdict, windows.run)
        events = self._incidents.push(scored, self.slots.name, attribution.sensors, attribution.outside, lapses.ends)
        self._history.keep(frames, windows)
        return Outcome(
            disposition,
            frames,
            Verdicts.of(frames, scored, verdict, error, self.definition.usual_disagreement, self.slots.name),
            events=in_order(events),
            coverage_events=lapses.in_order,
            usual_events=usual_events(judged, scored, self.slots.name, attribution.sensors),
        )

    def _lapses(self, passage: Passage | None, frames: Frames, verdict: UInt8s, run: Int64s) -> Lapses:
        """Series that are no longer watched, or watched again; without stream time there are none."""
        if passage is None or not self.coverage.is_on:
            return Lapses()
        heard, masked = self._retirement.heard, self._history.masked_last
        return self.coverage.push(passage, frames, verdict, run, heard, masked, self.slots.name)

    def _without_frames(self, disposition: UInt8s, passage: Passage | None) -> Outcome:
        """The outcome of readings that complete no frame."""
        frames = Frames.none(len(self.definition.sensors))
        lapses = self._lapses(passage, frames, np.zeros(0, np.uint8), np.zeros(0, np.int64))
        events = in_order(self._incidents.end(lapses.ends, self.slots.name))
        return Outcome(disposition, frames, Verdicts.none(), events, lapses.in_order)
