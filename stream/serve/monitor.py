"""Looks at the running service: progress for its log, health for its log and for whoever asks from outside."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import structlog

from stream.counters import DEAD_PREFIX, DEAD_REASONS, Count
from stream.detect.definition import Definition
from stream.kafka.assignment import Assignment
from stream.kafka.broker_liveness import BrokerLiveness
from stream.kafka.client import KafkaOptions
from stream.kafka.commit.transaction import Transaction
from stream.kafka.input import Input
from stream.kafka.partition import Partition, Phase
from stream.kafka.recovery import Recovery
from stream.serve.health import Health, PartitionHealth, State
from stream.serve.threshold_watch import ThresholdWatch

log = structlog.get_logger()

# Between two looks.
LOOK_SECONDS = 1.0
SUMS = tuple(count for count in Count if count not in DEAD_REASONS)
RECOVERING: dict[Phase, State] = {Phase.ASK: "asking", Phase.READ: "restoring", Phase.SERVE: "replaying"}


class Monitor:
    """One look about once a second, between two turns of the loop.

    Args:
        log_every_s: between two progress lines.
        show: is given each look.
        watch: what it knows of the threshold is shown.
    """

    def __init__(
        self,
        options: KafkaOptions,
        assignment: Assignment,
        liveness: BrokerLiveness,
        clock: Callable[[], float],
        log_every_s: float,
        show: Callable[[Health], None],
        watch: ThresholdWatch,
    ) -> None:
        self._options = options
        self._assignment = assignment
        self._liveness = liveness
        self._clock = clock
        self._log_every_s = log_every_s
        self._show = show
        self._watch = watch
        self._looked_at = self._logged_at = clock()
        self._committed_at: float | None = None

    def has_committed(self) -> None:
        """The broker has: no better sign of life."""
        self._liveness.answered()
        self._committed_at = self._clock()

    def look(
        self, source: Input, recovery: Recovery, transaction: Transaction, served: Definition, counts: Counter[Count]
    ) -> None:
        """Where it is time to, shows the health, and logs it with the progress."""
        now = self._clock()
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        health = self._health(source, recovery, transaction, served, counts)
        self._show(health)
        if now - self._logged_at >= self._log_every_s:
            self.log_progress(counts)
            if health.waits_for:
                log.warning("service.waiting", waits_for=health.waits_for, partitions=health.waiting)

    def log_progress(self, counts: Counter[Count]) -> None:
        self._logged_at = self._clock()
        partitions = self._assignment.partitions.values()
        log.info(
            "progress", **{count: counts[count] for count in SUMS}, partitions=len(partitions),
            recovering=sum(not p.is_live for p in partitions), series=sum(len(p.detector.slots) for p in partitions),
            open_incidents=sum(p.detector.open_incidents for p in partitions),
            dead_reasons={c.removeprefix(DEAD_PREFIX): counts[c] for c in DEAD_REASONS if counts[c]},
        )  # fmt: skip

    def _health(
        self, source: Input, recovery: Recovery, transaction: Transaction, served: Definition, counts: Counter[Count]
    ) -> Health:
        partitions = tuple(look_at(p, recovery.waits.get(p.number)) for p in self._assignment.partitions.values())
        away = self._liveness.away_since(recovery.is_answered)
        is_member = bool(partitions) or source.is_member()
        return Health(
            instance=self._options.instance,
            detector=served.detector,
            bundle=served.version,
            waits_for=tuple(reasons(away, transaction.waits_for, partitions, is_member)),
            partitions=partitions,
            broker_away_since=away,
            counts={count.value: counts[count] for count in Count},
            turned_at=self._clock(),
            committed_at=self._committed_at,
            threshold=self._watch.health(served),
        )


def look_at(partition: Partition, waits_for: str | None) -> PartitionHealth:
    """`waits_for`: what its recovery says."""
    state: State = "live" if partition.is_live else RECOVERING[partition.phase]
    if state == "replaying":
        waits_for = f"the replay of {partition.live_from - partition.position} messages"
    reason = None if state == "live" else waits_for or "its turn"
    return PartitionHealth(partition.number, state, reason, partition.position, len(partition.detector.slots))


def reasons(
    away_since: datetime | None, transaction: str | None, partitions: Sequence[PartitionHealth], is_member: bool
) -> Iterator[str]:
    """Why the service is not ready, the cause before what it leads to.

    Args:
        transaction: what the commit path waits for.
        is_member: of the group; without a partition, this tells peace from trouble.
    """
    if away_since is not None:
        yield f"the broker: it has not answered since {away_since:%Y-%m-%dT%H:%M:%SZ}"
    elif transaction is not None:
        yield transaction
    recovering = [p for p in partitions if p.waits_for is not None]
    if recovering:
        yield f"recovery: {len(recovering)} of {len(partitions)} partitions"
    if not partitions and not is_member:
        yield "the group: it has not let us in"
