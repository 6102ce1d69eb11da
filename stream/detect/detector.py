"""The detector: readings in; a disposition for each reading, a verdict for each frame, and incident events out.

A pure function of a series' readings in order and of the definition. Batch boundaries do not matter, to the bit.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from stream.detect.attribution import Attribution
from stream.detect.coverage import Coverage
from stream.detect.definition import Definition
from stream.detect.frames.clock import NEVER, RawFrames
from stream.detect.frames.frames import Fitness, Frames
from stream.detect.frames.framing import Framing
from stream.detect.frames.history import History
from stream.detect.frames.ranges import Ranges
from stream.detect.incidents.incidents import EXCEEDS, Incidents
from stream.detect.incidents.level import ErrorHistory
from stream.detect.incidents.scored_frames import ScoredFrames
from stream.detect.incidents.usual import UsualLevels
from stream.detect.incidents.usual_events import usual_events
from stream.detect.incidents.veto import Veto
from stream.detect.lapses import Lapses, Passage
from stream.detect.last_verdicts import LastVerdicts
from stream.detect.outcome import Outcome, Verdicts, in_order, verdict_of
from stream.detect.retirement import Retirement
from stream.detect.series_state import SeriesState
from stream.detect.slots import Segments
from stream.intake.columns import Bools, Int64s, Readings, UInt8s


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
    """

    def __init__(
        self,
        definition: Definition,
        retire_after_ns: int | None = None,
        unwatched_after_ns: int | None = None,
        rules_for_all: bool = False,
    ) -> None:
        self.definition = definition
        spec, policy = definition.spec, definition.policy
        self._framing = Framing(policy, definition.sensors)
        self.slots = self._framing.slots
        self._history = History(spec, policy, definition.scales)
        self._ranges = Ranges(policy.valid, definition.sensors)
        self._veto = Veto(definition.rules.sensors, definition.sensors)
        self._rules_for_all = rules_for_all
        self._incidents = Incidents(definition.detector, definition.rules)
        self.coverage = Coverage(policy, definition.sensors, spec.receptive_field, unwatched_after_ns, retire_after_ns)
        self._retirement = Retirement(retire_after_ns)
        self._errors, self.last_verdicts = ErrorHistory(spec), LastVerdicts()
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

    def _push(self, readings: Readings, times: tuple[Int64s, Int64s] | None) -> Outcome:
        raw, disposition = self._framing.raw(readings)
        passage = None
        if times is not None:
            slots = self.slots.lookup(readings.names)[readings.series]
            self._retirement.note(slots, times[0])
            passage = Passage(slots, readings.time, disposition, *times)
        return replace(self._score(raw, disposition, passage), sentinels=self._framing.sentinels(readings))

    def _push_in_parts(self, readings: Readings, times: tuple[Int64s, Int64s], returning: list[int]) -> Outcome:
        """Takes the readings up to each return; then the series starts again, unless it has an open incident."""
        starts = [0, *returning]
        parts: list[Outcome] = []
        rows = np.arange(len(readings))
        for nth, (start, end) in enumerate(zip(starts, [*returning, len(readings)], strict=True)):
            name = readings.names[readings.series[start]]
            if nth and not self._incidents.get(int(self.slots.lookup([name])[0])):
                self.forget(name)
            part = readings.rows((rows >= start) & (rows < end))
            self._admit(part.names)
            parts.append(self._push(part, (times[0][start:end], times[1][start:end])))
        return Outcome.joined(parts, starts)

    def expired(self, stream_time: int) -> list[str]:
        """Series that would start again if they came back at `stream_time`: the caller may forget them."""
        expired = self._retirement.expired(stream_time)
        return [self.slots.name(slot) for slot in expired if not self._incidents.get(slot)]

    def silence(self, series: str) -> Outcome:
        """Closes the open ticks and the incident of a series that has sent nothing for long; none if it is unknown."""
        slot, no_readings = self.slots.find(series), np.zeros(0, np.uint8)
        if slot is None:
            return self._without_frames(no_readings, None)
        raw = self._framing.clock.close(slot)
        raw = replace(raw, row=np.full(len(raw.time), -1))
        outcome = self._score(raw, no_readings, Passage.none())
        resolved = self._incidents.silence(slot, series, self._framing.clock.state(slot).last_frame)
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
        """True if the series has an open tick or an open incident."""
        slot = self.slots.find(series)
        return slot is not None and bool(self._incidents.get(slot) or self._framing.clock.state(slot).open)

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
        self._history.clear(slot)
        self._incidents.clear(slot)
        self.coverage.clear(slot)
        self._errors.clear(slot)
        self.last_verdicts.clear(slot)
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
        )

    def restore(self, states: Iterable[SeriesState]) -> None:
        """Restores series from their snapshots; computes their errors again, to the same bits."""
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
            self._retirement.restore(slot, state.heard_at)
            self._incidents.restore(slot, state.incident)
            self.coverage.restore(slot, state.coverage, state.ticks.last_frame)
            self.usual.restore(slot, state.usual)
            self.last_verdicts.restore(slot, state.verdict)
        self._derive_errors(slots)

    def _derive_errors(self, slots: Int64s) -> None:
        """Computes the last M - 1 errors of `slots` from their kept frames."""
        self._errors.clear(slots)
        if self.definition.spec.smoothing == 1 or not len(slots):
            return
        kept, of = self._history.window_frames(slots)
        assert kept.masked is not None
        whole = kept.masked[kept.at].sum(axis=1) <= self.definition.policy.max_missing
        due = whole & (kept.run >= self.definition.spec.window)
        errors = np.full(len(of), np.nan)
        errors[due] = self.definition.ensemble.errors(kept.scaled, kept.at[due], kept.masked).error
        self._errors.remember(errors, Segments(of.astype(np.int32)))

    def _admit(self, names: Iterable[str]) -> None:
        """Gives new series a slot in every array."""
        added = self._framing.admit(names)
        if self._framing.capacity > len(self.usual.trained):
            for of in (self._history, self._incidents, self.coverage, self._errors, self._retirement, self.usual):
                of.resize(self._framing.capacity)
            self.last_verdicts.resize(self._framing.capacity)
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
            self.definition, self._history, self._ranges, frames, windows, due, reconstruction,
            level / judged.threshold, odd, np.minimum(oddness, odd_level / judged.threshold), form,
        )  # fmt: skip
        scored = ScoredFrames(
            frames.series, frames.time, level, attribution.score, disagreement, frames.imputed, frames.row,
            judged.threshold, self._vetoed(attribution), frames.is_outside, attribution.view, judged.moved,
        )  # fmt: skip
        verdict = verdict_of(frames, scored.score)
        self.last_verdicts.push(frames.series, verdict)
        lapses = self._lapses(passage, frames, verdict, windows.run)
        events = self._incidents.push(
            scored, self.slots.name, attribution.sensors, attribution.outside, lapses.ends
        )  # fmt: skip
        self._history.keep(frames, windows)
        return Outcome(
            disposition,
            frames,
            Verdicts.of(frames, scored, verdict, error, self.definition.usual_disagreement, self.slots.name),
            events=in_order(events),
            coverage_events=lapses.in_order,
            usual_events=usual_events(judged, scored, self.slots.name, attribution.sensors),
        )

    def _vetoed(self, attribution: Attribution) -> Bools:
        """Frames that the rules keep from opening an incident, bool (n,)."""
        score, vetoed = attribution.score, np.zeros(len(attribution.score), np.bool_)
        if not self._veto.is_on:
            return vetoed
        rows = np.flatnonzero(~np.isnan(score) if self._rules_for_all else score > EXCEEDS)
        if len(rows):
            vetoed[rows] = attribution.vetoed(self._veto, rows)
        return vetoed

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
