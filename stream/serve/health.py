"""Health of the service: what keeps alerts from coming, if anything does, and the answers of the health server."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

# Time that one turn may spend on calls to a broker that does not answer. Each call is bounded, and so is the start of a
# new producer.
TURN_SECONDS = 40.0
STARTING = "the start: bundle and topics are being checked"

State = Literal["asking", "restoring", "replaying", "live"]


class PartitionHealth(msgspec.Struct, frozen=True):
    """State of one partition: `waits_for` is null where it is live; `offset` is the next one, -1 while unknown."""

    partition: int
    state: State
    waits_for: str | None
    offset: int
    series: int


class ThresholdHealth(msgspec.Struct, frozen=True):
    """Age and drift of the thresholds; see `stream.serve.watch.threshold_watch`.

    Attributes:
        calibrated_at: RFC 3339; null where the bundle does not say. age_s: time since then.
        drift: far too many incidents ("many") or none for long ("none"); null: as promised.
        opened, promised: recent incidents, and how many were promised for the same time.
    """

    calibrated_at: str | None
    age_s: float | None
    is_stale: bool
    drift: str | None
    opened: int
    promised: float


class Health(msgspec.Struct, frozen=True):
    """The service at one moment.

    Attributes:
        waits_for: what keeps alerts from coming; empty where nothing does.
        broker_away_since: time of the broker's last answer; null where it answers.
        counts: every counter of `stream.counters`, since the start of the process.
        threshold: null where nobody watches it.
        unused: why hardly any reading is of use; null where they are.
        turned_at, committed_at: time of the loop's last turn and last commit, s of its clock.
    """

    instance: str
    detector: str
    bundle: str
    waits_for: tuple[str, ...]
    partitions: tuple[PartitionHealth, ...]
    broker_away_since: datetime | None
    counts: dict[str, int]
    turned_at: float
    committed_at: float | None
    threshold: ThresholdHealth | None = None
    unused: str | None = None

    @property
    def waiting(self) -> dict[int, str]:
        """By number: the partitions that are not served, and what each waits for."""
        return {p.partition: p.waits_for for p in self.partitions if p.waits_for is not None}


def longest_turn_s(transaction_timeout_s: float) -> float:
    """Time after which a loop that has not turned is stuck; the two commits of a bundle swap take the longest."""
    return TURN_SECONDS + 2 * transaction_timeout_s


class Live(msgspec.Struct, frozen=True):
    """Body of `/live`."""

    live: bool
    waits_for: list[str]


class Ready(msgspec.Struct, frozen=True):
    """Body of `/ready`; `partitions` are those that are not served, and what each waits for."""

    ready: bool
    waits_for: list[str]
    partitions: dict[int, str]


class StartStatus(msgspec.Struct, frozen=True):
    """Body of `/status` before the first turn."""

    live: bool
    ready: bool
    waits_for: list[str]


class ServiceStatus(StartStatus, frozen=True):
    """Body of `/status`; the fields are those of `Health`, with ages in seconds instead of times of a clock."""

    instance: str
    detector: str
    bundle: str
    last_turn_age_s: float
    last_commit_age_s: float | None
    broker_away_since: datetime | None
    partitions: tuple[PartitionHealth, ...]
    counts: dict[str, int]
    threshold: ThresholdHealth | None


class Answer(NamedTuple):
    """Answer to a request: whether all is well, and the body."""

    well: bool
    body: msgspec.Struct


class HealthBoard:
    """Keeps the newest health of the service, and answers requests with it.

    Args:
        longest_turn_s: a loop that has not turned for longer is stuck.
        clock: that of the loop, s.
    """

    def __init__(self, longest_turn_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._longest_turn_s = longest_turn_s
        self._clock = clock
        self._started_at = clock()
        # Written by the loop, read by other threads: one reference to an object that never changes needs no lock.
        self._health: Health | None = None

    def show(self, health: Health) -> None:
        """Replaces the health."""
        self._health = health

    def live(self) -> Answer:
        """Well while the loop turns."""
        waits = self._stuck(self._health)
        return Answer(not waits, Live(not waits, waits))

    def ready(self) -> Answer:
        """Well while nothing keeps alerts from coming, also for an instance that has no partitions."""
        health = self._health
        waits = self._waits_for(health)
        return Answer(not waits, Ready(not waits, waits, {} if health is None else health.waiting))

    def status(self) -> Answer:
        """Everything that is known; always well."""
        health = self._health
        live, waits = not self._stuck(health), self._waits_for(health)
        if health is None:
            return Answer(True, StartStatus(live, not waits, waits))
        body = ServiceStatus(
            live=live,
            ready=not waits,
            waits_for=waits,
            instance=health.instance,
            detector=health.detector,
            bundle=health.bundle,
            last_turn_age_s=self._age(health.turned_at),
            last_commit_age_s=None if health.committed_at is None else self._age(health.committed_at),
            broker_away_since=health.broker_away_since,
            partitions=health.partitions,
            counts=health.counts,
            threshold=health.threshold,
        )
        return Answer(True, body)

    def _waits_for(self, health: Health | None) -> list[str]:
        if health is None:
            return [*self._stuck(health), STARTING]
        return [*self._stuck(health), *health.waits_for, *([health.unused] if health.unused else [])]

    def _stuck(self, health: Health | None) -> list[str]:
        age = self._age(self._started_at if health is None else health.turned_at)
        return [f"the loop: it has not turned for {age:.0f} s"] if age > self._longest_turn_s else []

    def _age(self, at: float) -> float:
        return round(self._clock() - at, 3)
