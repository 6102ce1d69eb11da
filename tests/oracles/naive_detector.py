"""The detector once more, slow and obvious: one reading at a time, plain lists. Imports nothing of the product.

For the same readings it must give the same dispositions, verdicts, levels and events as `stream.detect`.
"""

import math
from collections.abc import Callable, Sequence
from functools import reduce
from operator import add

from tests.oracles.naive_coverage import NaiveCoverage
from tests.oracles.naive_incidents import NaiveIncidents
from tests.oracles.naive_records import NAN, NaiveEvent, NaiveFrame, NaivePolicy, NaiveSeries
from tests.oracles.naive_usual import NaiveUsual


class NaiveDetector:
    """The detector, one reading at a time.

    Args:
        error: the model: from a window of scaled rows and the masks of these rows.
        scale: mean and scale of each sensor of a series.
        threshold: of a series.
        usual: the threshold of a series that learns; None: thresholds do not.
        parts: each sensor's error and its scaled reconstruction, from the same as `error`; only `rules` need it.
    """

    def __init__(
        self,
        detector: str,
        policy: NaivePolicy,
        error: Callable[[list[list[float]], list[list[bool]]], float],
        scale: Callable[[str], tuple[list[float], list[float]]],
        threshold: Callable[[str], float],
        parts: Callable[[list[list[float]], list[list[bool]]], tuple[list[float], list[float]]] | None = None,
        usual: Callable[[str], NaiveUsual] | None = None,
    ) -> None:
        self.coverage = NaiveCoverage(policy)
        self.policy = policy
        self.error, self.scale, self.threshold, self.parts = error, scale, threshold, parts
        self.new_usual, self.usual = usual, dict[str, NaiveUsual]()
        self.series: dict[str, NaiveSeries] = {}
        self.frames, self.incidents = list[NaiveFrame](), NaiveIncidents(detector, policy)
        self.stream_time: int | None = None
        self.is_silence = False
        # Of each reading; that of an unconfirmed one changes once it is confirmed.
        self.dispositions: list[str] = []
        # Series, time seen and expected, and readings behind, of each clock that started anew.
        self.clock_restarts: list[tuple[str, int, int, int]] = []

    @property
    def events(self) -> list[NaiveEvent]:
        """All events of incidents, in order."""
        return self.incidents.events

    def push(self, series: str, time: int, values: Sequence[float]) -> str:
        """Takes one reading and returns its disposition so far; frames and events are added to the lists."""
        p = self.coverage.policy = self.policy
        self.stream_time = time if self.stream_time is None else max(self.stream_time, time)
        known = self.series.get(series)
        if known is not None and self._is_retired(known):
            del self.series[series]
            del self.coverage.of[series]
            self.usual.pop(series, None)
        state = self.series.setdefault(series, self._fresh())
        leap, held, state.held = max(p.max_gap, 10 * p.interval), state.held, None
        if held is not None and time < held[1]:
            held = None
        newest = state.believed if held is None else held[1]
        if newest is not None and time < newest - leap:
            state = self._behind(series, state, time, newest, leap)
        else:
            state.behind = []
        self.coverage.pass_(series, time)
        state.heard = self.stream_time
        if held is not None:
            self.dispositions[held[0]] = self._take(series, state, held[1], held[2])
        if p.sentinels:
            values = [NAN if v in missing else v for v, missing in zip(values, p.sentinels, strict=True)]
        self.dispositions.append("unconfirmed")
        if newest is not None and time > newest + leap:
            state.held = (len(self.dispositions) - 1, time, values)
        else:
            self.dispositions[-1] = self._take(series, state, time, values)
        if self.dispositions[-1] != "used":
            self._end(series, self.coverage.unused(series, self.dispositions[-1]))
        heard = {name: of.heard for name, of in self.series.items() if of.heard is not None}
        for name, at in self.coverage.look(heard):
            self._end(name, at)
        return self.dispositions[-1]

    def _fresh(self) -> NaiveSeries:
        p = self.policy
        return NaiveSeries(carried=[NAN] * p.sensors, age=[p.max_carry + 1] * p.sensors)

    def _behind(self, series: str, state: NaiveSeries, time: int, newest: int, leap: int) -> NaiveSeries:
        """Notes a reading far behind its series; returns the state of the series, a new one where it starts anew."""
        p = self.policy
        if state.behind and time < max(state.behind) - leap:
            state.behind = []
        state.behind.append(time)
        is_enough = 0 < p.restart_after <= len(state.behind)
        if not is_enough or time - state.behind[0] < (p.restart_after - 1) * p.interval:
            return state
        self.clock_restarts.append((series, time, newest, len(state.behind)))
        self._close(series, state, "clock_restarted")
        fresh = self._fresh()
        fresh.restarts = state.restarts + 1
        self.series[series] = fresh
        self.coverage.restart(series, time)
        return fresh

    def _take(self, series: str, state: NaiveSeries, time: int, values: Sequence[float]) -> str:
        """Takes a reading whose time is believed, and returns its disposition."""
        state.believed = time if state.believed is None else max(state.believed, time)
        if self.policy.resample != "none":
            return self._tick(series, state, time, values)
        if state.last is not None and time <= state.last:
            return "duplicate" if time == state.last else "late"
        self._frame(series, state, time, list(values))
        return "used"

    def _end(self, series: str, at: int | None) -> None:
        """Ends the open incident of a series that nothing has watched since `at`; None: it is watched."""
        state = self.series[series]
        if at is not None and state.incident is not None:
            ended = max(at, state.incident.reported_at)
            self.incidents.publish(series, state.incident, "resolved", ended, "unwatched", ended)
            state.incident = None

    def _is_retired(self, state: NaiveSeries) -> bool:
        after = self.policy.retire_after
        if after is None or state.heard is None or state.incident is not None:
            return False
        assert self.stream_time is not None
        return self.stream_time - state.heard > after

    def silence(self, series: str) -> None:
        """Closes the open ticks and the incident of a series."""
        state = self.series.get(series)
        if state is not None:
            state.held = None
            self._close(series, state, "silent")

    def _close(self, series: str, state: NaiveSeries, reason: str) -> None:
        self.is_silence = True
        for tick in sorted(state.ticks):
            self._close_tick(series, state, tick)
        self.is_silence = False
        if state.incident is not None:
            assert state.last is not None
            self.incidents.publish(series, state.incident, "resolved", state.last, reason, state.last)
            state.incident = None

    def _tick(self, series: str, state: NaiveSeries, time: int, values: Sequence[float]) -> str:
        p = self.policy
        tick = time // p.interval * p.interval
        if state.last is not None and tick <= state.last:
            return "late"
        state.newest = time if state.newest is None else max(state.newest, time)
        cells = state.ticks.setdefault(tick, [[] for _ in range(p.sensors)])
        dispositions = []
        for cell, value in zip(cells, values, strict=True):
            if not math.isfinite(value):
                continue
            newest = max((at for at, _ in cell), default=None)
            if newest == time:
                dispositions.append("duplicate")
            elif newest is not None and time < newest and p.resample == "last":
                dispositions.append("late")
            else:
                cell.append((time, value))
                dispositions.append("used")
        while state.ticks:
            oldest = min(state.ticks)
            complete = p.close_complete and all(state.ticks[oldest])
            if not complete and state.newest < oldest + p.interval + p.grace:
                break
            self._close_tick(series, state, oldest)
        ranked = [kind for kind in ("used", "late", "duplicate") if kind in dispositions]
        return ranked[0] if ranked else "used"

    def _close_tick(self, series: str, state: NaiveSeries, tick: int) -> None:
        p = self.policy
        row = []
        for cell in state.ticks.pop(tick):
            if not cell:
                row.append(NAN)
            elif p.resample == "last":
                row.append(cell[-1][1])
            else:
                # Not `sum`, which makes up for rounding from Python 3.12 on.
                row.append(reduce(add, (value for _, value in cell), 0.0) / len(cell))
        if state.last is not None and tick - state.last <= p.max_gap:
            for empty in range(state.last + p.interval, tick, p.interval):
                self._frame(series, state, empty, [NAN] * p.sensors)
        self._frame(series, state, tick, row)

    def _frame(self, series: str, state: NaiveSeries, time: int, values: list[float]) -> None:
        p = self.policy
        if state.last is None or time - state.last > p.max_gap:
            state.window, state.errors, state.run = [], [], 0
            state.carried, state.age = [NAN] * p.sensors, [p.max_carry + 1] * p.sensors
        state.last = time
        outside = []
        for f, (low, high) in enumerate(p.valid):
            if math.isfinite(values[f]) and not low <= values[f] <= high:
                outside.append(f)
                values[f] = NAN
        imputed = 0
        for f, value in enumerate(values):
            if math.isfinite(value):
                state.carried[f], state.age[f] = value, 0
            else:
                state.age[f] += 1
                imputed += 1
                if state.age[f] > p.max_carry:
                    state.carried[f] = NAN
        row = list(state.carried)
        masks = [math.isnan(value) for value in row]
        level, verdict = self._level(series, state, time, row, masks)
        threshold, moved = self.threshold(series), 0
        if self.new_usual is not None:
            self.usual[series] = self.usual[series] if series in self.usual else self.new_usual(series)
            threshold, moved = self.usual[series].push(level, time)
        score = level / threshold
        self.frames.append(NaiveFrame(series, time, verdict, level, score, imputed))
        state.run = 0 if verdict == "off" else state.run + 1
        masked = [f for f, mask in enumerate(masks) if mask]
        self._end(series, self.coverage.frame(series, time, verdict, state.run, bool(outside), masked, self.is_silence))
        if verdict == "off":
            outside = []
        state.incident = self.incidents.step(
            series, state.incident, time, score, lambda: self._is_vetoed(series, state, row, masks), outside, moved > 0,
            state.restarts,
        )  # fmt: skip

    def _level(
        self, series: str, state: NaiveSeries, time: int, row: list[float], masks: list[bool]
    ) -> tuple[float, str]:
        p = self.policy
        if self._is_off(series, state, time, row):
            state.window, state.errors = [], []
            return NAN, "off"
        mean, scale = self.scale(series)
        z = [
            0.0 if masked else p.limited((value - m) / s)
            for value, m, s, masked in zip(row, mean, scale, masks, strict=True)
        ]
        state.window = [*state.window, (z, masks)][-p.window :]
        degraded = sum(masks) > p.max_missing
        error = NAN
        if not degraded and len(state.window) == p.window:
            error = self.error([frame for frame, _ in state.window], [own for _, own in state.window])
        state.errors = [*state.errors, error][-p.smoothing :]
        existing = [e for e in state.errors if not math.isnan(e)]
        if degraded:
            return NAN, "degraded"
        if math.isnan(error) or 2 * len(existing) < p.smoothing:
            return NAN, "warming"
        return sum(existing) / len(existing), "scored"

    def _is_off(self, series: str, state: NaiveSeries, time: int, row: list[float]) -> bool:
        p = self.policy
        if p.running is not None and not p.running(row):
            state.idle_at = time
        settling = state.idle_at is not None and time - state.idle_at < p.settle
        return p.off(series, time) or state.idle_at == time or settling

    def _is_vetoed(self, series: str, state: NaiveSeries, row: list[float], masks: list[bool]) -> bool:
        p = self.policy
        if not p.rules:
            return False
        assert self.parts is not None
        errors, expected = self.parts([frame for frame, _ in state.window], [own for _, own in state.window])
        mean, scale = self.scale(series)
        total, parts, passes = 0.0, [], []
        for masked, error in zip(masks, errors, strict=True):
            total += 0.0 if masked else error
        for f, (direction, absolute, relative) in enumerate(p.rules):
            wanted = expected[f] * scale[f] + mean[f]
            deviation = row[f] - wanted
            right = direction == "both" or (deviation > 0 if direction == "above" else deviation < 0)
            large = abs(deviation) >= absolute and abs(deviation) >= relative * abs(wanted)
            passes.append(right and large and not masks[f])
            parts.append(0.0 if masks[f] or total == 0.0 else errors[f] / total)
        large_parts = [f for f, part in enumerate(parts) if part >= 0.2] or list(range(p.sensors))
        return not any(passes[f] for f in large_parts)
