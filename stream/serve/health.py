"""What keeps alerts from coming, if anything does: one look at the service, and what it means to whoever asks."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec

# What one turn may spend on calls of a broker that does not answer: each is bounded, and so is a new producer's start.
TURN_SECONDS = 40.0
STARTING = "the start: bundle and topics are being checked"

State = Literal["asking", "restoring", "replaying", "live"]


class PartitionHealth(msgspec.Struct, frozen=True):
    """One partition: `waits_for` is null where it is live; `offset` is the next to be processed, -1 while unknown."""

    partition: int
    state: State
    waits_for: str | None
    offset: int
    series: int


class ThresholdHealth(msgspec.Struct, frozen=True):
    """What the threshold is and does; see `stream.serve.threshold_watch`.

    Attributes:
        calibrated_at: RFC 3339; null where the bundle does not say. age_s: since then.
        drift: "many" incidents or "none", against the promise; null: neither.
        opened, promised: incidents of late, and as many as were promised.
    """

    calibrated_at: str | None
    age_s: float | None
    is_stale: bool
    drift: str | None
    opened: int
    promised: float


class Health(msgspec.Struct, frozen=True):
    """The service as it was at one moment; replaced as a whole, never changed.

    Attributes:
        waits_for: what keeps alerts from coming; empty where nothing does.
        broker_away_since: when it was last heard of; null where it answers.
        counts: since the start of the process, of committed transactions.
        threshold: null where nobody looks.
        turned_at, committed_at: when the loop has last turned and committed, s of its clock.
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

    @property
    def waiting(self) -> dict[int, str]:
        """The partitions that are not served, and what each waits for."""
        return {p.partition: p.waits_for for p in self.partitions if p.waits_for is not None}


def longest_turn_s(transaction_timeout_s: float) -> float:
    """A loop that has not turned for longer is stuck. A swap's two commits have as long as the broker lets them be."""
    return TURN_SECONDS + 2 * transaction_timeout_s


class Answer(NamedTuple):
    """To a question from outside: whether all is well, and a JSON object that says more."""

    well: bool
    body: dict[str, Any]


class Board:
    """What the loop has shown last, and what that means when somebody asks.

    Args:
        longest_turn_s: a loop that has shown nothing for longer is stuck.
        clock: the loop's, s.
    """

    def __init__(self, longest_turn_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._longest_turn_s = longest_turn_s
        self._clock = clock
        self._begun_at = clock()
        # Written by the loop, read by others: one reference to what nobody changes, so there is nothing to lock.
        self._shown: Health | None = None

    def show(self, health: Health) -> None:
        """Stands from here on."""
        self._shown = health

    def live(self) -> Answer:
        """Well while the loop turns."""
        waits = self._stuck(self._shown)
        return Answer(not waits, {"live": not waits, "waits_for": waits})

    def ready(self) -> Answer:
        """Well while nothing keeps alerts from coming; an instance that idles without partitions is well."""
        shown = self._shown
        waits = self._waits_for(shown)
        partitions = {} if shown is None else shown.waiting
        return Answer(not waits, {"ready": not waits, "waits_for": waits, "partitions": partitions})

    def status(self) -> Answer:
        """All that is known; always well."""
        shown = self._shown
        waits = self._waits_for(shown)
        told = {"live": not self._stuck(shown), "ready": not waits, "waits_for": waits}
        return Answer(True, told if shown is None else told | self._known(shown))

    def _known(self, shown: Health) -> dict[str, Any]:
        return {
            "instance": shown.instance,
            "detector": shown.detector,
            "bundle": shown.bundle,
            "last_turn_age_s": self._age(shown.turned_at),
            "last_commit_age_s": None if shown.committed_at is None else self._age(shown.committed_at),
            "broker_away_since": shown.broker_away_since,
            "partitions": shown.partitions,
            "counts": shown.counts,
            "threshold": shown.threshold,
        }

    def _waits_for(self, shown: Health | None) -> list[str]:
        return [*self._stuck(shown), *([STARTING] if shown is None else shown.waits_for)]

    def _stuck(self, shown: Health | None) -> list[str]:
        age = self._age(self._begun_at if shown is None else shown.turned_at)
        return [f"the loop: it has not turned for {age:.0f} s"] if age > self._longest_turn_s else []

    def _age(self, at: float) -> float:
        return round(self._clock() - at, 3)
