"""Whether the threshold still is what it was made for: how old it is, and how often it is exceeded.

Exceedances are counted as the promise is, in incidents that the score opens: one that lasts a week is one. The time
that series were scored for is cut into segments in which one incident is promised. Drift is, in at least half of the
last eight of them, five times as many as promised, or none while thirty were promised. What hits a whole fleet at once
fills one segment, not four. Where incidents keep the promise and come independently of each other, four of eight
segments have five or more with a probability of 1e-8, and none come while thirty are promised with one of 1e-13.

Counted are committed transactions, so a roll-back counts nothing twice. A restart, and another bundle, begin anew: what
was told may be told again, and what builds up is told later.
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
SEGMENTS, DRIFTED = 8, 4
TIMES = 5.0
# Of a segment: one promised incident, less the rounding of its sum.
FULL = 1.0 - 1e-9
PROMISED_SINCE = 30.0
# What is told is told again after so long, where it still holds.
AGAIN_S = DAY_S


class ThresholdWatch:
    """Of one process, over all of its partitions.

    Args:
        stale_after_s: a threshold that is older is told of; None: never.
        wall: s since 1970.
    """

    def __init__(self, stale_after_s: float | None, wall: Callable[[], float]) -> None:
        self._stale_after_s = stale_after_s
        self._wall = wall
        self._told_at: dict[str, float] = {}
        self._counted = {Count.SCORED: 0, Count.INCIDENTS_EXCEEDING: 0}
        self._begin("")

    def _begin(self, version: str) -> None:
        """Another bundle."""
        self._version = version
        self._told_at.clear()
        # (opened, promised) of the last full segments, of the one that fills, and what was promised since the last one.
        self._segments: deque[tuple[int, float]] = deque(maxlen=SEGMENTS)
        self._opened, self._promised, self._since_last = 0, 0.0, 0.0

    def note(self, served: Definition, counts: Counter[Count]) -> list[StatusEvent]:
        """What is to be told, given what was committed since the start of the process."""
        if served.version != self._version:
            self._begin(served.version)
        scored, opened = (counts[name] - self._counted[name] for name in self._counted)
        if scored or opened:
            self._counted = {name: counts[name] for name in self._counted}
            self._count(served, scored, opened)
        events = (self._stale_threshold(served), self._drift_event(served))
        return [event for event in events if event is not None and self._is_due(event)]

    def health(self, served: Definition) -> ThresholdHealth:
        """For whoever asks."""
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
        self._since_last = 0.0 if opened else self._since_last + promised
        if self._promised >= FULL:
            self._segments.append((self._opened, self._promised))
            self._opened, self._promised = 0, 0.0

    def _drift(self) -> DriftKind | None:
        """ "many": far more incidents than promised; "none": none for long; None: neither."""
        if sum(opened >= TIMES * promised for opened, promised in self._segments) >= DRIFTED:
            return "many"
        return "none" if self._since_last >= PROMISED_SINCE else None

    def _age_s(self, served: Definition) -> float | None:
        at = served.promise.calibrated_at
        return None if at is None else self._wall() - at / SECOND_NS

    def _is_stale(self, served: Definition) -> bool:
        age = self._age_s(served)
        return age is not None and self._stale_after_s is not None and age > self._stale_after_s

    def _is_due(self, event: StatusEvent) -> bool:
        """At most one event of a kind a day."""
        now = self._wall()
        if now - self._told_at.get(event.kind, -AGAIN_S) < AGAIN_S:
            return False
        self._told_at[event.kind] = now
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
        opened, promised = 0, self._since_last
        if drift == "many":
            opened = sum(opened for opened, _ in self._segments)
            promised = sum(promised for _, promised in self._segments)
        return Drift.of(served.version, drift, opened, promised, served.promise.alerts_per_week)
