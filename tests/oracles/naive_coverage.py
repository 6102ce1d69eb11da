"""Coverage once more, slow and obvious: after each reading, every series is looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.oracles.naive_records import NaiveCoverageEvent, NaivePolicy

REASONS = ("silent", "late", "duplicate", "warming", "degraded", "off", "unconfirmed", "lost")


@dataclass
class _Watch:
    """The watching of one series."""

    framed_at: int
    since: int
    best: int = 0
    unwatched: bool = False
    counts: list[int] = field(default_factory=lambda: [0] * len(REASONS))
    masked: list[int] = field(default_factory=list)
    unused: int = 0
    lapsed: bool = False
    told_since: int = 0
    seen: set[int] = field(default_factory=set)
    gone: dict[int, int] = field(default_factory=dict)


class NaiveCoverage:
    """Looks after all series of a partition; without `unwatched_after` it tells nothing."""

    def __init__(self, policy: NaivePolicy) -> None:
        self.policy = policy
        self.of: dict[str, _Watch] = {}
        self.stream: int | None = None
        self.watch = 0
        self.events: list[NaiveCoverageEvent] = []

    @property
    def limit(self) -> int:
        """Time without a score that is too long."""
        return 10**18 if self.policy.unwatched_after is None else self.policy.unwatched_after

    def pass_(self, series: str, time: int) -> None:
        """A reading comes: the clock goes on, and a new series is watched from here on."""
        if self.stream is None:
            self.stream = self.watch = time
        ahead = max(time - self.stream, 0)
        self.stream += ahead
        self.watch += min(ahead, self.limit // 2)
        if series not in self.of:
            self.of[series] = _Watch(self.watch, time)

    def frame(
        self, series: str, time: int, verdict: str, run: int, outside: bool, masked: list[int], silent: bool
    ) -> int | None:
        """Takes a frame; returns the time at which an open incident ends before it."""
        of, depth = self.of[series], self.policy.window + self.policy.smoothing - 1
        passed = self.watch - of.framed_at > self.limit or time - of.since > self.limit
        of.framed_at = self.watch
        covered = verdict == "scored" or (outside and verdict != "off")
        if verdict == "scored":
            of.best = 0
        if verdict == "warming" and min(run, depth) > of.best:
            of.best, covered = min(run, depth), True
        lost = self._lost(of, time, masked)
        if covered:
            ended = of.since if passed and not of.lapsed else None
            of.since, of.lapsed, of.unused = time, False, 0
            if lost:
                of.counts[REASONS.index("lost")] += 1
                if not of.unwatched:
                    self._begin(series, min(of.gone[f] for f in lost), time, lost)
                return ended
            if of.unwatched:
                self.events.append(NaiveCoverageEvent(series, True, of.told_since, time, of.counts, []))
            of.unwatched, of.counts = False, [0] * len(REASONS)
            return ended
        of.counts[REASONS.index(verdict)] += 1
        of.masked = [] if verdict == "off" else masked
        return self._lapse(series, time if silent else None) if passed else None

    def restart(self, series: str, time: int) -> None:
        """The own time of the series starts anew."""
        of = self.of[series]
        of.since, of.gone = time, dict.fromkeys(of.gone, time)

    def unused(self, series: str, disposition: str) -> int | None:
        """Takes a late or repeated reading; returns the time at which an open incident ends."""
        of, p = self.of[series], self.policy
        of.counts[REASONS.index(disposition)] += 1
        of.unused += 1
        most = self.limit // p.interval * (1 if p.resample == "none" else p.sensors)
        return self._lapse(series, None) if of.unused > most else None

    def look(self, heard: Mapping[str, int]) -> list[tuple[str, int]]:
        """Series left behind by this reading, and the times at which their incidents end."""
        assert self.stream is not None
        found = []
        for series, of in self.of.items():
            retires = self.policy.retire_after is not None and self.stream - heard[series] > self.policy.retire_after
            if self.policy.unwatched_after is not None and (self.watch - of.framed_at > self.limit or retires):
                at = self._lapse(series, None)
                if at is not None:
                    found.append((series, at))
        return found

    def _lapse(self, series: str, time: int | None) -> int | None:
        of = self.of[series]
        if of.lapsed or self.policy.unwatched_after is None:
            return None
        of.lapsed = True
        assert self.stream is not None
        if not of.unwatched:
            masked = of.masked if of.counts[REASONS.index("degraded")] else []
            self._begin(series, of.since, self.stream if time is None else time, masked)
        return of.since

    def _begin(self, series: str, since: int, time: int, masked: list[int]) -> None:
        of = self.of[series]
        of.unwatched, of.told_since = True, since
        self.events.append(NaiveCoverageEvent(series, False, since, time, list(of.counts), masked))

    def _lost(self, of: _Watch, time: int, masked: list[int]) -> list[int]:
        """Sensors of a frame that the series had, and that have had no value for too long."""
        for f in range(self.policy.sensors):
            if f not in masked:
                of.seen.add(f)
                of.gone.pop(f, None)
            elif f in of.seen:
                of.gone.setdefault(f, time)
        return [f for f in masked if f in of.gone and time - of.gone[f] > self.limit]
