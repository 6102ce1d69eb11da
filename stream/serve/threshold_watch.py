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
from collections.abc import Callable, Mapping

from stream.detect.definition import Definition
from stream.events.record import rfc3339
from stream.events.status import Notice
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
        self._counted: Mapping[str, int] = {"scored": 0, "incidents.exceeding": 0}
        self._begin("")

    def _begin(self, version: str) -> None:
        """Another bundle."""
        self._version = version
        self._told_at.clear()
        # (opened, promised) of the last full segments, of the one that fills, and what was promised since the last one.
        self._segments: deque[tuple[int, float]] = deque(maxlen=SEGMENTS)
        self._opened, self._promised, self._since_last = 0, 0.0, 0.0

    def note(self, served: Definition, counts: Counter[str]) -> list[Notice]:
        """What is to be told, given what was committed since the start of the process."""
        if served.version != self._version:
            self._begin(served.version)
        scored, opened = (counts[name] - self._counted[name] for name in ("scored", "incidents.exceeding"))
        if scored or opened:
            self._counted = {name: counts[name] for name in self._counted}
            self._count(served, scored, opened)
        return [*self._told("stale", self._is_stale(served), self._stale, served),
                *self._told("drift", self._drift() is not None, self._drifted, served)]  # fmt: skip

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

    def _drift(self) -> str | None:
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

    def _told(self, what: str, holds: bool, notice: Callable[[Definition], Notice], served: Definition) -> list[Notice]:
        now = self._wall()
        if not holds or now - self._told_at.get(what, -AGAIN_S) < AGAIN_S:
            return []
        self._told_at[what] = now
        return [notice(served)]

    def _stale(self, served: Definition) -> Notice:
        days = int((self._age_s(served) or 0.0) // DAY_S)
        message = (
            f"the thresholds of bundle {served.version} are {days} days old; see whether they still fit with "
            "`narrows calibrate --data NEWER --dry-run`, then calibrate or train"
        )
        at = rfc3339(served.promise.calibrated_at or 0)
        return Notice(
            "detector.stale_threshold",
            message,
            details={"bundle": served.version, "calibrated_at": at, "age_days": days},
        )

    def _drifted(self, served: Definition) -> Notice:
        opened = sum(opened for opened, _ in self._segments)
        promised = sum(promised for _, promised in self._segments)
        if self._drift() == "none":
            opened, promised = 0, self._since_last
        message = (
            f"{opened} incidents where the thresholds of bundle {served.version} promise {promised:.3g}, "
            f"{served.promise.alerts_per_week:.3g} per series and week; look at what they are, then see what has "
            "drifted with `narrows calibrate --data NEWER --dry-run`"
        )
        details: dict[str, str | int] = {
            "bundle": served.version, "opened": opened, "promised": f"{promised:.3g}", "drift": self._drift() or "",
        }  # fmt: skip
        return Notice("detector.drift", message, details=details)
