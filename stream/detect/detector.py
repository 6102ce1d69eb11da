"""The detector: readings in; a disposition for each reading, a verdict for each frame, and incident events out.

A pure function of a series' readings in order and of the definition. Batch boundaries do not matter, to the bit.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from stream.detect.attribution import Attribution
from stream.detect.definition import Definition
from stream.detect.frames.blindness import Blindness
from stream.detect.frames.clock import NEVER, RawFrames
from stream.detect.frames.frames import Fitness, Frames
from stream.detect.frames.framing import Framing
from stream.detect.frames.history import History
from stream.detect.frames.ranges import Ranges
from stream.detect.incidents.incidents import EXCEEDS, Incidents, ScoredFrames
from stream.detect.incidents.level import ErrorHistory
from stream.detect.incidents.usual import UsualLevels
from stream.detect.incidents.usual_events import usual_events
from stream.detect.incidents.veto import Veto
from stream.detect.outcome import Outcome, Verdict, Verdicts
from stream.detect.retirement import Retirement
from stream.detect.series_state import SeriesState
from stream.detect.slots import Segments
from stream.intake.columns import Bools, Float64s, Int64s, Readings, UInt8s


class Detector:
    """The state of all series of one partition, and the steps from readings to incidents.

    Args:
        retire_after_ns: a series leaves memory when the partition's stream time has gone on for longer than this
            since its last reading, and it has no open incident. If it comes back, it starts warming. The series' own
            time does not matter. None: never.
        blind_after_ns: a series whose frames stay degraded for longer than this, by event time, is reported blind.
            None: no series is.
        rules_for_all: apply the sensors' rules to every scored frame, not only to those that exceed. Calibration
            needs this, as it has no threshold yet.
    """

    def __init__(
        self,
        definition: Definition,
        retire_after_ns: int | None = None,
        blind_after_ns: int | None = None,
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
        self._blindness = Blindness(definition.sensors, blind_after_ns)
        self._retirement = Retirement(retire_after_ns)
        self._errors = ErrorHistory(spec)
        self.usual = UsualLevels(definition.thresholds, definition.learning)

    @property
    def open_incidents(self) -> int:
        """Number of open incidents."""
        return len(self._incidents)

    def push(self, readings: Readings, stream_time: Int64s | None = None) -> Outcome:
        """Takes a batch of readings of this partition, in order.

        Args:
            stream_time: int64 (n,), ns, the partition's stream time at each reading, the reading included. None:
                no series retires.
        """
        self._admit(readings.names)
        if stream_time is None or not len(readings):
            return self._push(readings)
        slots = self.slots.lookup(readings.names)[readings.series]
        returning = self._retirement.returning(slots, stream_time)
        outcome = self._push_in_parts(readings, returning) if returning else self._push(readings)
        self._retirement.note(slots, stream_time)
        return outcome

    def _push(self, readings: Readings) -> Outcome:
        raw, disposition = self._framing.raw(readings)
        return replace(self._score(raw, disposition), sentinels=self._framing.sentinels(readings))

    def _push_in_parts(self, readings: Readings, returning: list[int]) -> Outcome:
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
            parts.append(self._push(part))
        return Outcome.joined(parts, starts)

    def expired(self, stream_time: int) -> list[str]:
        """Series that would start again if they came back at `stream_time`: the caller may forget them."""
        expired = self._retirement.expired(stream_time)
        return [self.slots.name(slot) for slot in expired if not self._incidents.get(slot)]

    def silence(self, series: str) -> Outcome:
        """Closes the open ticks and the incident of a series that has sent nothing for long; none if it is unknown."""
        slot, no_readings = self.slots.find(series), np.zeros(0, np.uint8)
        if slot is None:
            return self._nothing(no_readings)
        raw = self._framing.clock.close(slot)
        outcome = self._score(replace(raw, row=np.full(len(raw.time), -1)), no_readings)
        resolved = self._incidents.silence(slot, series, self._framing.clock.state(slot).last_frame)
        return replace(outcome, events=(*outcome.events, *resolved))

    def has_open(self, series: str) -> bool:
        """True if the series has an open tick or an open incident."""
        slot = self.slots.find(series)
        return slot is not None and bool(self._incidents.get(slot) or self._framing.clock.state(slot).open)

    def restore_open(self, series: str, state: SeriesState | None) -> None:
        """Replaces the open incident and the blindness of a series that has a slot by those of `state`; None: none."""
        slot = int(self.slots.lookup([series])[0])
        self._incidents.clear(slot)
        self._blindness.clear(slot)
        if state is not None:
            self._incidents.restore(slot, state.incident)
            self._blindness.restore(slot, state.degraded_since, state.is_blind)

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
        self._blindness.clear(slot)
        self._errors.clear(slot)
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
            degraded_since=self._blindness.degraded_since(slot),
            is_blind=bool(self._blindness.is_blind[slot]),
            usual=self.usual.snapshot(slot),
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
            self._blindness.restore(slot, state.degraded_since, state.is_blind)
            self.usual.restore(slot, state.usual)
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
            for of in (
                self._history, self._incidents, self._blindness, self._errors, self._retirement, self.usual,
            ):  # fmt: skip
                of.resize(self._framing.capacity)
        for slot, name in added:
            self._history.set_series(slot, name)
            self.usual.set_series(slot, name)

    def _score(self, raw: RawFrames, disposition: UInt8s) -> Outcome:
        """Frames, errors, levels, scores and incidents of raw frames; `disposition` goes into the outcome as it is."""
        if not len(raw.time):
            return self._nothing(disposition)
        spec = self.definition.spec
        frames = self._framing.frames(raw)
        blindness_events = self._blindness.push(frames, self.slots.name)
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
        events = self._incidents.push(scored, self.slots.name, attribution.sensors, attribution.outside)
        self._history.keep(frames, windows)
        return Outcome(
            disposition,
            frames,
            self._verdicts(frames, scored, error),
            events=tuple(sorted(events, key=lambda event: event.row)),
            blindness_events=tuple(sorted(blindness_events, key=lambda event: event.row)),
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

    def _verdicts(self, frames: Frames, scored: ScoredFrames, error: Float64s) -> Verdicts:
        verdict = np.where(np.isnan(scored.score), Verdict.WARMING, Verdict.SCORED)
        verdict[frames.fitness == Fitness.DEGRADED] = Verdict.DEGRADED
        verdict[frames.fitness == Fitness.OFF] = Verdict.OFF
        disagreeing = (scored.disagreement > self.definition.usual_disagreement) & (verdict == Verdict.SCORED)
        order = np.argsort(frames.row, kind="stable")
        return Verdicts(
            names={slot: self.slots.name(slot) for slot in np.unique(frames.series).tolist()},
            series=frames.series[order],
            time=frames.time[order],
            row=frames.row[order],
            verdict=verdict.astype(np.uint8)[order],
            error=error[order],
            level=scored.level[order],
            threshold=scored.threshold[order],
            score=scored.score[order],
            disagreement=scored.disagreement[order],
            imputed=frames.imputed[order],
            vetoed=scored.vetoed[order],
            disagreeing=disagreeing[order],
        )

    def _nothing(self, disposition: UInt8s) -> Outcome:
        """The outcome of readings that complete no frame."""
        nan, slots, times, none = np.zeros(0), np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.bool_)
        verdicts = Verdicts({}, slots, times, times, np.zeros(0, np.uint8), nan, nan, nan, nan, nan, slots, none, none)
        return Outcome(disposition, Frames.none(len(self.definition.sensors)), verdicts, ())
