"""The detector once more, slow and obvious: one reading at a time, plain lists. Imports nothing of the product.

Given the same readings it must name the same dispositions, verdicts, levels and events as `stream.detect`.
"""

import math
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any

NAMESPACE = uuid.UUID("6d3c9d0e-5a55-5b0a-9e1c-6e6172726f77")
NAN = float("nan")


@dataclass(frozen=True)
class NaivePolicy:
    sensors: int
    window: int
    smoothing: int
    interval: int
    max_gap: int
    resample: str = "none"
    grace: int = 0
    close_complete: bool = True
    max_carry: int = 5
    max_missing: int = 0
    clip: float = 10.0
    settle: int = 0
    off: Callable[[str, int], bool] = lambda series, time: False
    running: Callable[[list[float]], bool] | None = None
    close_after: int = 3
    close_ratio: float = 0.8
    update_every: int = 10**18
    max_duration: int = 10**18
    edges: Sequence[float] = (2.0, 5.0, 20.0)
    retire_after: int | None = None
    blind_after: int | None = None
    valid: Sequence[tuple[float, float]] = ()
    rules: Sequence[tuple[str, float, float]] = ()


@dataclass
class NaiveFrame:
    series: str
    time: int
    verdict: str
    level: float
    score: float
    imputed: int


@dataclass
class NaiveEvent:
    series: str
    alert_id: str
    sequence: int
    state: str
    reason: str | None
    started_at: int
    ended_at: int | None
    time: int
    severity: int
    score: float
    peak: float
    cause: str
    scored: bool
    outside: list[int]


@dataclass
class NaiveBlindness:
    series: str
    recovered: bool
    since: int
    time: int
    masked: list[int]


@dataclass
class _Open:
    alert_id: str
    started_at: int
    severity: int
    told_at: int
    score: float
    peak: float
    sequence: int = -1
    quiet: int = 0
    quiet_since: int = 0
    cause: str = "model"
    scored: bool = True
    outside: list[int] = field(default_factory=list)


@dataclass
class _Series:
    last: int | None = None
    newest: int | None = None
    ticks: dict[int, list[list[tuple[int, float]]]] = field(default_factory=dict)
    carried: list[float] = field(default_factory=list)
    age: list[int] = field(default_factory=list)
    idle_at: int | None = None
    window: list[tuple[list[float], list[bool]]] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    incident: _Open | None = None
    heard: int | None = None
    degraded_since: int | None = None
    blind: bool = False


def naive_errors(
    made: list[list[float]], seen: list[list[float]], masked: list[list[bool]], loss: str, spread: list[float]
) -> tuple[float, list[float]]:
    """The error of one window of one member, and that of each sensor, from frames (rows) of F values."""

    def cell(residual: float) -> float:
        return 2 * abs(residual) - 1 if loss == "huber" and abs(residual) > 1 else residual**2

    def mean(values: list[float]) -> float:
        return sum(values) / len(values) if values else NAN

    sensors = len(made[0])
    cells: list[list[float]] = [[] for _ in range(sensors)]
    for made_row, seen_row, masked_row in zip(made, seen, masked, strict=True):
        for f in range(sensors):
            if not masked_row[f]:
                cells[f].append(cell(made_row[f] - seen_row[f]) / spread[f])
    return mean([error for own in cells for error in own]), [mean(own) for own in cells]


def naive_doubt(made: list[list[float]], seen: list[list[float]], masked: list[list[bool]], w: dict[str, Any]) -> float:
    """What one member's discriminator adds to the error of one window, from its weights as nested lists."""

    def logit(residuals: list[float]) -> float:
        looked = [r / (1 + abs(r)) for r in residuals]
        units = zip(w["first.weight"], w["first.bias"], strict=True)
        hidden = [max(0.0, sum(a * x for a, x in zip(row, looked, strict=True)) + b) for row, b in units]
        return float(sum(a * h for a, h in zip(w["second.weight"][0], hidden, strict=True)) + w["second.bias"][0])

    odd = []
    for f in range(len(made[0])):
        if all(row[f] for row in masked):
            continue
        rows = zip(made, seen, masked, strict=True)
        left = [0.0 if hole[f] else (m[f] - s[f]) / w["unit"][f] for m, s, hole in rows]
        odd.append(min(3.0, max(0.0, (logit(left) - w["floor"][f]) * w["slope"][f])))
    return float(w["reach"]) * sum(odd) / len(odd) if odd else NAN


class NaiveDetector:
    """`error(window of scaled rows, masks of these rows)` is the model; `scale(series)` gives mean and scale.

    `parts(the same)` gives each sensor's error and what the model expects of it, scaled; asked for only by `rules`.
    """

    def __init__(
        self,
        detector: str,
        policy: NaivePolicy,
        error: Callable[[list[list[float]], list[list[bool]]], float],
        scale: Callable[[str], tuple[list[float], list[float]]],
        threshold: Callable[[str], float],
        parts: Callable[[list[list[float]], list[list[bool]]], tuple[list[float], list[float]]] | None = None,
    ) -> None:
        self.detector, self.policy = detector, policy
        self.error, self.scale, self.threshold, self.parts = error, scale, threshold, parts
        self.series: dict[str, _Series] = {}
        self.frames: list[NaiveFrame] = []
        self.events: list[NaiveEvent] = []
        self.blindness: list[NaiveBlindness] = []
        self.stream_time: int | None = None

    def push(self, series: str, time: int, values: Sequence[float]) -> str:
        """The disposition of one reading; its frames and events are appended."""
        p = self.policy
        fresh = _Series(carried=[NAN] * p.sensors, age=[p.max_carry + 1] * p.sensors)
        self.stream_time = time if self.stream_time is None else max(self.stream_time, time)
        known = self.series.get(series)
        if known is not None and self._is_retired(known):
            del self.series[series]
        state = self.series.setdefault(series, fresh)
        state.heard = self.stream_time
        if p.resample != "none":
            return self._tick(series, state, time, values)
        if state.last is not None and time <= state.last:
            return "duplicate" if time == state.last else "late"
        self._frame(series, state, time, list(values))
        return "used"

    def _is_retired(self, state: _Series) -> bool:
        after = self.policy.retire_after
        if after is None or state.heard is None or state.incident is not None:
            return False
        assert self.stream_time is not None
        return self.stream_time - state.heard > after

    def silence(self, series: str) -> None:
        state = self.series.get(series)
        if state is None:
            return
        for tick in sorted(state.ticks):
            self._close_tick(series, state, tick)
        if state.incident is not None:
            assert state.last is not None
            self._tell(series, state.incident, "resolved", state.last, "silent", state.last)
            state.incident = None

    def _tick(self, series: str, state: _Series, time: int, values: Sequence[float]) -> str:
        p = self.policy
        tick = time // p.interval * p.interval
        if state.last is not None and tick <= state.last:
            return "late"
        state.newest = time if state.newest is None else max(state.newest, time)
        cells = state.ticks.setdefault(tick, [[] for _ in range(p.sensors)])
        fates = []
        for cell, value in zip(cells, values, strict=True):
            if not math.isfinite(value):
                continue
            newest = max((at for at, _ in cell), default=None)
            if newest == time:
                fates.append("duplicate")
            elif newest is not None and time < newest and p.resample == "last":
                fates.append("late")
            else:
                cell.append((time, value))
                fates.append("used")
        while state.ticks:
            oldest = min(state.ticks)
            complete = p.close_complete and all(state.ticks[oldest])
            if not complete and state.newest < oldest + p.interval + p.grace:
                break
            self._close_tick(series, state, oldest)
        return "used" if not fates or "used" in fates else "late" if "late" in fates else "duplicate"

    def _close_tick(self, series: str, state: _Series, tick: int) -> None:
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

    def _frame(self, series: str, state: _Series, time: int, values: list[float]) -> None:
        p = self.policy
        if state.last is None or time - state.last > p.max_gap:
            state.window, state.errors = [], []
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
        level, verdict = self._judge(series, state, time, row, masks)
        score = level / self.threshold(series)
        self.frames.append(NaiveFrame(series, time, verdict, level, score, imputed))
        self._note_blindness(series, state, time, verdict, masks)
        if verdict == "off":
            outside = []
        self._incident(series, state, time, score, row, masks, outside)

    def _note_blindness(self, series: str, state: _Series, time: int, verdict: str, masks: list[bool]) -> None:
        if verdict == "off":
            return
        was_blind, since = state.blind, state.degraded_since
        if verdict == "degraded":
            since = state.degraded_since = time if since is None else since
            after = self.policy.blind_after
            state.blind = was_blind or (after is not None and time - since > after)
        else:
            state.blind, state.degraded_since = False, None
        if state.blind != was_blind:
            assert since is not None
            masked = [f for f, mask in enumerate(masks) if mask]
            self.blindness.append(NaiveBlindness(series, was_blind, since, time, masked))

    def _judge(self, series: str, state: _Series, time: int, row: list[float], masks: list[bool]) -> tuple[float, str]:
        p = self.policy
        if self._is_off(series, state, time, row):
            state.window, state.errors = [], []
            return NAN, "off"
        mean, scale = self.scale(series)
        z = [
            0.0 if masked else min(max((value - m) / s, -p.clip), p.clip)
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

    def _is_off(self, series: str, state: _Series, time: int, row: list[float]) -> bool:
        p = self.policy
        if p.running is not None and not p.running(row):
            state.idle_at = time
        settling = state.idle_at is not None and time - state.idle_at < p.settle
        return p.off(series, time) or state.idle_at == time or settling

    def _is_vetoed(self, series: str, state: _Series, row: list[float], masks: list[bool]) -> bool:
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

    def _incident(
        self, series: str, state: _Series, time: int, score: float,
        row: list[float], masks: list[bool], outside: list[int],
    ) -> None:  # fmt: skip
        p, open_ = self.policy, state.incident
        if open_ is not None and time - open_.started_at >= p.max_duration:
            self._tell(series, open_, "resolved", time, "split", time)
            state.incident = open_ = None
        scored = not math.isnan(score)
        if not scored and not outside:
            return
        if open_ is None:
            if outside or (score > 1 and not self._is_vetoed(series, state, row, masks)):
                name = f"{self.detector}\x00{series}\x00{time}"
                ident = str(uuid.uuid5(NAMESPACE, name))
                known = score if scored else 0.0
                state.incident = _Open(ident, time, self._severity(known), time, known, known)
                state.incident.cause = "range" if outside else "model"
                state.incident.scored, state.incident.outside = scored, outside
                self._tell(series, state.incident, "opened", time)
            return
        if scored:
            open_.score, open_.peak, open_.scored = score, max(open_.peak, score), True
        news = [f for f in outside if f not in open_.outside]
        open_.outside = open_.outside + news
        if not outside and score < p.close_ratio:
            open_.quiet += 1
            if open_.quiet == 1:
                open_.quiet_since = time
        else:
            open_.quiet = 0
        if open_.quiet >= p.close_after:
            self._tell(series, open_, "resolved", time, "recovered", open_.quiet_since)
            state.incident = None
        elif news or self._severity(open_.peak) > open_.severity or time - open_.told_at >= p.update_every:
            open_.severity = self._severity(open_.peak)
            self._tell(series, open_, "updated", time)

    def _severity(self, peak: float) -> int:
        return sum(peak >= edge for edge in self.policy.edges)

    def _tell(
        self, series: str, i: _Open, state: str, time: int, reason: str | None = None, ended: int | None = None
    ) -> None:
        i.sequence += 1
        i.told_at = time
        event = NaiveEvent(
            series, i.alert_id, i.sequence, state, reason, i.started_at, ended, time, i.severity, i.score, i.peak,
            i.cause, i.scored, list(i.outside),
        )  # fmt: skip
        self.events.append(event)
