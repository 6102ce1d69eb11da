"""Coverage once more, slow and obvious: after each reading, every series is looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.oracles.naive_records import NaiveCoverageEvent, NaivePolicy

REASONS = ("silent", "late", "duplicate", "warming", "degraded", "off", "unconfirmed")


@dataclass
class _Watch:
    """The watching of one series."""

    framed_at: int
    since: int
    best: int = 0
    unwatched: bool = False
    counts: list[int] = field(default_factory=lambda: [0] * len(REASONS))
    masked: list[int] = field(default_factory=list)


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
        if covered:
            ended = of.since if passed and not of.unwatched else None
            if of.unwatched:
                self.events.append(NaiveCoverageEvent(series, True, of.since, time, of.counts, []))
            of.since, of.unwatched, of.counts = time, False, [0] * len(REASONS)
            return ended
        of.counts[REASONS.index(verdict)] += 1
        of.masked = [] if verdict == "off" else masked
        return self._lapse(series, time if silent else None) if passed else None

    def unused(self, series: str, disposition: str) -> int | None:
        """Takes a late or repeated reading; returns the time at which an open incident ends."""
        of, p = self.of[series], self.policy
        of.counts[REASONS.index(disposition)] += 1
        most = self.limit // p.interval * (1 if p.resample == "none" else p.sensors)
        return self._lapse(series, None) if of.counts[1] + of.counts[2] + of.counts[6] > most else None

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
        if of.unwatched or self.policy.unwatched_after is None:
            return None
        of.unwatched = True
        assert self.stream is not None
        masked = of.masked if of.counts[REASONS.index("degraded")] else []
        when = self.stream if time is None else time
        self.events.append(NaiveCoverageEvent(series, False, of.since, when, list(of.counts), masked))
        return of.since
