"""Monitor of the running service: logs its progress, and makes its health for the log and the health server."""

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
from stream.kafka.partition import Partition
from stream.kafka.recovery import Recovery
from stream.kafka.state.resume_point import Phase
from stream.serve.health import Health, PartitionHealth, State
from stream.serve.watch.threshold_watch import ThresholdWatch
from stream.serve.watch.topic_coverage import TopicCoverage

log = structlog.get_logger()

# Time between two looks at the health.
LOOK_SECONDS = 1.0
# All counters but the parts of `dead`, which the progress line shows together.
MAIN_COUNTERS = tuple(count for count in Count if count not in DEAD_REASONS)
RECOVERING: dict[Phase, State] = {Phase.ASK: "asking", Phase.READ: "restoring", Phase.SERVE: "replaying"}


class Monitor:
    """Looks at the service about once a second, between two turns of the loop.

    Args:
        log_every_s: time between two progress lines.
        show: takes the health at each look.
        watch: gives the health of the thresholds. coverage: says whether readings are used.
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
        coverage: TopicCoverage,
    ) -> None:
        self._options = options
        self._assignment = assignment
        self._liveness = liveness
        self._clock = clock
        self._log_every_s = log_every_s
        self._show = show
        self._watch, self._coverage = watch, coverage
        self._looked_at = self._logged_at = clock()
        self._committed_at: float | None = None

    def mark_committed(self) -> None:
        """Notes that a transaction was committed, which shows that the broker answers."""
        self._liveness.answered()
        self._committed_at = self._clock()

    def look(
        self, source: Input, recovery: Recovery, transaction: Transaction, served: Definition, counts: Counter[Count]
    ) -> None:
        """Shows the health, and logs it with the progress, each when it is due."""
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
        """Logs every counter, and how many partitions, series and incidents there are."""
        self._logged_at = self._clock()
        partitions = self._assignment.partitions.values()
        log.info(
            "progress", **{count: counts[count] for count in MAIN_COUNTERS}, partitions=len(partitions),
            recovering=sum(not p.is_live for p in partitions), series=sum(len(p.detector.slots) for p in partitions),
            open_incidents=sum(p.detector.open_incidents for p in partitions),
            dead_reasons={c.removeprefix(DEAD_PREFIX): counts[c] for c in DEAD_REASONS if counts[c]},
        )  # fmt: skip

    def _health(
        self, source: Input, recovery: Recovery, transaction: Transaction, served: Definition, counts: Counter[Count]
    ) -> Health:
        waits, held = recovery.waits, self._assignment.partitions.values()
        partitions = tuple(partition_health(partition, waits.get(partition.number)) for partition in held)
        away = self._liveness.away_since(recovery.is_answered)
        is_member = bool(partitions) or source.is_member()
        return Health(
            instance=self._options.instance,
            detector=served.detector,
            bundle=served.version,
            waits_for=tuple(waiting_reasons(away, transaction.waits_for, partitions, is_member)),
            partitions=partitions,
            broker_away_since=away,
            counts={count.value: counts[count] for count in Count},
            turned_at=self._clock(),
            committed_at=self._committed_at,
            threshold=self._watch.health(served),
            unused=self._coverage.reason,
        )


def partition_health(partition: Partition, waits_for: str | None) -> PartitionHealth:
    """Health of a partition; `waits_for`: what its recovery waits for."""
    state: State = "live" if partition.is_live else RECOVERING[partition.phase]
    if state == "replaying":
        waits_for = f"the replay of {partition.live_from - partition.position} messages"
    reason = None if state == "live" else waits_for or "its turn"
    return PartitionHealth(partition.number, state, reason, partition.position, len(partition.detector.slots))


def waiting_reasons(
    away_since: datetime | None, transaction: str | None, partitions: Sequence[PartitionHealth], is_member: bool
) -> Iterator[str]:
    """Reasons why the service is not ready, a cause before its effects.

    Args:
        transaction: what the commit path waits for; None = nothing.
        is_member: whether the group has admitted the service: without partitions, it is then idle, not in trouble.
    """
    if away_since is not None:
        yield f"the broker: it has not answered since {away_since:%Y-%m-%dT%H:%M:%SZ}"
    elif transaction is not None and is_member:
        yield transaction
    recovering = [p for p in partitions if p.waits_for is not None]
    if recovering:
        yield f"recovery: {len(recovering)} of {len(partitions)} partitions"
    if not partitions and not is_member:
        yield "the group: it has not let us in"
