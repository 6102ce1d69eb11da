"""Watch on the thresholds: how old they are, and whether incidents come as often as was promised.

Incidents are counted as the promise counts them: those that a score opens, each once, however long it lasts. The time
for which series were scored is cut into segments in which one incident is promised. There are two kinds of drift. Many:
in at least four of the last eight segments there were five times as many incidents as promised. None: no incident came
while thirty were promised.

A fault that hits a whole fleet at once fills one segment, not four. If incidents come independently at the promised
rate, the probability of five or more in four of eight segments is 1e-8, and that of none while thirty are promised is
1e-13.

Only committed transactions count, so a roll-back counts nothing twice. The counts begin again with the process and with
another bundle: an event may then be repeated, and a drift is found later.
"""

from collections import Counter, deque
from collections.abc import Callable

from stream.counters import Count
from stream.detect.definition import Definition
from stream.events.detector_events import Drift, DriftKind, StaleThreshold
from stream.events.record import rfc3339
from stream.events.status_event import StatusEvent
from stream.serve.health import ThresholdHealth

SECOND_NS, DAY_S, WEEK_S = 1e9, 86_400.0, 7 * 86_400.0
# Drift "many": so many of the last segments have so many times the promised incidents.
SEGMENTS, DRIFTED = 8, 4
TIMES = 5.0
# Promised incidents of a full segment: one, less the rounding of its sum.
FULL = 1.0 - 1e-9
# Drift "none": no incident while so many were promised.
PROMISED_SINCE = 30.0
# Time between two events of a kind while the reason lasts.
REPEAT_S = DAY_S


class ThresholdWatch:
    """Age and exceedances of the thresholds that one process serves, over all of its partitions.

    Args:
        stale_after_s: age from which a threshold is reported; None = never.
        wall: s since 1970.
    """

    def __init__(self, stale_after_s: float | None, wall: Callable[[], float]) -> None:
        self._stale_after_s = stale_after_s
        self._wall = wall
        # By kind: time of the last event.
        self._reported_at: dict[str, float] = {}
        self._counted = {Count.SCORED: 0, Count.INCIDENTS_EXCEEDING: 0}
        self._restart("")

    def _restart(self, version: str) -> None:
        """Begins again for another bundle."""
        self._version = version
        self._reported_at.clear()
        # Incidents (opened, promised) of each of the last full segments.
        self._segments: deque[tuple[int, float]] = deque(maxlen=SEGMENTS)
        # The same of the segment that is being filled.
        self._opened, self._promised = 0, 0.0
        # Incidents promised since the last one was opened.
        self._promised_since = 0.0

    def update(self, served: Definition, counts: Counter[Count]) -> list[StatusEvent]:
        """Takes what the process has committed since its start; returns what is to be reported."""
        if served.version != self._version:
            self._restart(served.version)
        scored, opened = (counts[name] - self._counted[name] for name in self._counted)
        if scored or opened:
            self._counted = {name: counts[name] for name in self._counted}
            self._count(served, scored, opened)
        events = (self._stale_threshold(served), self._drift_event(served))
        return [event for event in events if event is not None and self._is_due(event)]

    def health(self, served: Definition) -> ThresholdHealth:
        """Age and drift of the thresholds, for `/status`."""
        at = served.promise.calibrated_at
        return ThresholdHealth(
            calibrated_at=None if at is None else rfc3339(at),
            age_s=self._age_s(served),
            is_stale=self._is_stale(served),
            drift=self._drift(),
            opened=self._opened + sum(opened for opened, _ in self._segments),
            promised=round(self._promised + sum(promised for _, promised in self._segments), 6),
        )

    def _count(self, served: Definition, scored: int, opened: int) -> None:
        promised = (served.promise.alerts_per_week or 0.0) * scored * served.policy.interval_ns / SECOND_NS / WEEK_S
        self._opened += opened
        self._promised += promised
        self._promised_since = 0.0 if opened else self._promised_since + promised
        if self._promised >= FULL:
            self._segments.append((self._opened, self._promised))
            self._opened, self._promised = 0, 0.0

    def _drift(self) -> DriftKind | None:
        if sum(opened >= TIMES * promised for opened, promised in self._segments) >= DRIFTED:
            return "many"
        return "none" if self._promised_since >= PROMISED_SINCE else None

    def _age_s(self, served: Definition) -> float | None:
        at = served.promise.calibrated_at
        return None if at is None else self._wall() - at / SECOND_NS

    def _is_stale(self, served: Definition) -> bool:
        age = self._age_s(served)
        return age is not None and self._stale_after_s is not None and age > self._stale_after_s

    def _is_due(self, event: StatusEvent) -> bool:
        """True at most once in `REPEAT_S` for each kind of event; the event then counts as reported."""
        now = self._wall()
        if now - self._reported_at.get(event.kind, -REPEAT_S) < REPEAT_S:
            return False
        self._reported_at[event.kind] = now
        return True

    def _stale_threshold(self, served: Definition) -> StaleThreshold | None:
        age, at = self._age_s(served), served.promise.calibrated_at
        if age is None or at is None or not self._is_stale(served):
            return None
        return StaleThreshold.of(served.version, at, age_days=int(age // DAY_S))

    def _drift_event(self, served: Definition) -> Drift | None:
        drift = self._drift()
        if drift is None:
            return None
        opened, promised = 0, self._promised_since
        if drift == "many":
            opened = sum(opened for opened, _ in self._segments)
            promised = sum(promised for _, promised in self._segments)
        return Drift.of(served.version, drift, opened, promised, served.promise.alerts_per_week)
