"""The service behind `narrows run`: one thread, one loop that reads, scores, publishes and commits.

poll a batch -> decode -> detect -> transaction (alerts, dead letters, snapshots, offsets) -> commit when due
"""

import contextlib
import gc
import math
import time
from collections import Counter
from collections.abc import Callable

import structlog

from stream.counters import Count
from stream.detect.definition import Definition
from stream.detect.policy import SECOND
from stream.errors import FencedError
from stream.events.status_event import StatusEvent
from stream.intake.decode import Decoder
from stream.kafka.assignment import Assignment
from stream.kafka.broker_liveness import BrokerLiveness
from stream.kafka.client import CALL_SECONDS, Clients, KafkaOptions
from stream.kafka.commit.transaction import RolledBackError, Transaction
from stream.kafka.input import ClientErrors, Input
from stream.kafka.partition import Partition
from stream.kafka.partition_count import PartitionCount
from stream.kafka.records import Records
from stream.kafka.recovery import Recovery
from stream.kafka.state.owners import Owners
from stream.serve.bundle_swap import BundleSwap
from stream.serve.health import Health
from stream.serve.monitor import Monitor
from stream.serve.publisher import Publisher
from stream.serve.served_bundle import BundleSource, FixedBundles
from stream.serve.watch.heartbeat import Heartbeats
from stream.serve.watch.sensor_coverage import SensorCoverage
from stream.serve.watch.silence import Silence
from stream.serve.watch.threshold_watch import ThresholdWatch
from stream.serve.watch.topic_coverage import TopicCoverage
from stream.settings.serve import ServeSettings

log = structlog.get_logger()

# Time between two commits of alerts at least: many alerts at once must not become as many commits.
ALERT_COMMIT_SECONDS = 0.05
# Time between two looks at the number of partitions.
COUNT_SECONDS = 10.0


def in_seconds(duration: int | None) -> float | None:
    """Seconds of a setting in ns; None stays None."""
    return None if duration is None else duration / SECOND


class Service:
    """Serves from `run()` until `stop()` is called, from a signal handler or another thread.

    Args:
        definition: the bundle to serve first.
        make_decoder: makes a decoder for the sensors of a definition.
        bundles: where the bundle to serve is looked up later; None = the first is always served.
        show: takes the health of the service, about once a second.
        clock: s, for everything but the age of a threshold. wall: s since 1970.
    """

    def __init__(
        self,
        kafka: KafkaOptions,
        options: ServeSettings,
        definition: Definition,
        make_decoder: Callable[[Definition], Decoder],
        clock: Callable[[], float] = time.monotonic,
        clients: Clients = Clients(),  # noqa: B008 - frozen
        bundles: BundleSource | None = None,
        show: Callable[[Health], None] = lambda health: None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._kafka = kafka
        self._options = options
        self._clock = clock
        self._clients = clients
        self._stopping = self._was_admitted = False
        self._committed_at = 0.0
        self._counted_at = clock() - COUNT_SECONDS
        self.counts: Counter[Count] = Counter()
        # Status events of the whole process that are not committed.
        self._events: list[StatusEvent] = []
        liveness = BrokerLiveness(clock)
        self._faults = ClientErrors(kafka, liveness, clock)
        self._owners = Owners(lambda number: number in self._assignment.partitions)
        self._silence = Silence(in_seconds(options.silent_after), clock)
        self._heartbeats = Heartbeats(options.heartbeat, clock, wall)
        self._sensors = SensorCoverage()
        self._coverage = TopicCoverage(kafka.input, in_seconds(options.unused_after), clock)
        self._transaction = Transaction(kafka, self._faults.note, clock, clients, wall)
        self._publisher = Publisher(kafka, definition.detector, self._transaction)
        self._assignment = Assignment(kafka.input, self._make_partition, self._commit, self._abort)
        self._swap = BundleSwap(
            bundles or FixedBundles(definition), definition, make_decoder, self._assignment, self._transaction,
            self._commit, lambda event: self._events.append(event), clock, kafka.transaction_timeout_ms / 1000,
        )  # fmt: skip
        self._partition_count = PartitionCount(kafka)
        self._watch = ThresholdWatch(in_seconds(options.stale_after), wall)
        self._monitor = Monitor(
            kafka, self._assignment, liveness, clock, options.log_every / SECOND, show, self._watch, self._coverage
        )

    @property
    def is_live(self) -> bool:
        """True where the service has partitions and all of them are live."""
        partitions = list(self._assignment.partitions.values())
        return bool(partitions) and all(partition.is_live for partition in partitions)

    def stop(self) -> None:
        """Asks the loop to commit and end."""
        self._stopping = True

    def run(self) -> None:
        """Serves until stopped; then commits and leaves the group.

        Raises:
            BrokerError: an error that a retry cannot fix, such as a topic that is gone or a lost permission.
            FencedError: another process runs as the same instance.
        """
        self.open()
        log.info("service.started", topic=self._kafka.input, group=self._kafka.group, instance=self._kafka.instance,
                 detector=self._swap.definition.detector, bundle=self._swap.definition.version)  # fmt: skip
        # Torch alone is half a million objects: a garbage collector that walks them costs more time than the model.
        gc.collect()
        gc.freeze()
        try:
            while not self._stopping:
                self.turn()
        except BaseException:
            # Closing must not commit what was processed: it may not be published. If the abort is fenced as well, the
            # first error is the one to raise.
            with contextlib.suppress(FencedError):
                self._abort()
            raise
        finally:
            # Objects of torch that are still frozen at the end of the process would be reported as leaked.
            gc.unfreeze()
            self.close()

    def _rejoin(self, fencing: FencedError) -> None:
        """Joins the group again as the same instance, once. Everything goes back to the last commit."""
        self._abort()
        if not self._faults.allows_rejoin(fencing):
            raise fencing
        log.error("consumer.fenced", error=str(fencing), effect="joining the group anew")
        # A consumer that does not know that it is fenced revokes its partitions here; one that knows does not.
        self._input.close()
        self._assignment.clear()
        self._recovery.close()
        self.open()

    def open(self) -> None:
        """Subscribes to the input topic."""
        consumer = self._clients.consumer(self._kafka, self._faults.note)
        self._input = Input(consumer, self._assignment, self._faults)
        self._recovery = Recovery(
            self._kafka,
            consumer,
            lambda: self._clients.reader(self._kafka, self._faults.note),
            lambda: self._clients.topic_id(self._kafka),
            self._assignment,
            self._swap.of_version,
            self._clock,
        )

    def close(self) -> None:
        """Leaves the group; the callback for revoked partitions commits."""
        self._input.close()
        self._monitor.log_progress(self.counts)
        self._recovery.close()
        log.info("service.stopped")

    def turn(self) -> None:
        """One turn of the loop. If it shows that the consumer was fenced, the service joins the group again."""
        try:
            self._turn()
        except FencedError as fencing:
            self._rejoin(fencing)

    def _turn(self) -> None:
        """Does at most one step of recovery, one batch and one commit."""
        # The producer fences a process of the same name, so it waits until the group has let us in.
        self._was_admitted = self._was_admitted or self._input.is_member()
        ready = self._was_admitted and self._transaction.prepare()
        if not ready or self._assignment.has_rolled_back():
            self._abort()
        self._assignment.reset_rolled_back(self._input.consumer)
        busy = ready and self._recovery.step()
        batches = self._input.poll(self._options.batch, 0 if busy else self._options.poll / SECOND)
        self._faults.check()
        try:
            self._process(batches)
        except RolledBackError:
            # Partitions whose records were polled but not processed too: their next records must not hide the gap.
            self._assignment.roll_back(batches)
            self._publisher.clear()
        if self._due():
            self._commit()
        if ready:
            self._look_around()
        self._monitor.look(self._input, self._recovery, self._transaction, self._swap.definition, self.counts)

    def _process(self, batches: dict[int, Records]) -> None:
        """Puts everything that this turn has to publish into the transaction."""
        for number, batch in batches.items():
            # A rebalance during `poll` may have revoked the partition, and even assigned it again.
            partition = self._assignment.partitions.get(number)
            if partition is not None and partition.fetching:
                result = partition.process(batch)
                self._silence.note(partition, result)
                self._events += self._sensors.update(partition, result)
                self._coverage.note(partition, result)
                if partition.needs_commit:
                    self._transaction.begin()
                # A partition that lost a series to this one closes its incident first.
                self._publish_pending()
                self._publisher.publish(partition, result, batch)
        for partition in self._assignment.partitions.values():
            self._heartbeats.wake(partition)
            for series in self._silence.silent_series(partition, self._recovery.is_drained):
                self._publisher.publish(partition, partition.silence(series), Records())
        self._publish_pending()
        if self._events or any(p.needs_commit for p in self._assignment.partitions.values()):
            self._transaction.begin()

    def _publish_pending(self) -> None:
        """Publishes events that came without a batch: no commit may pass them over."""
        for partition in self._assignment.partitions.values():
            pending = partition.pending()
            if pending is not None:
                self._publisher.publish(partition, pending, Records())

    def _due(self) -> bool:
        begun = self._transaction.begun_at
        if begun is None:
            return False
        now = self._clock()
        if self._publisher.has_alerts and now - self._committed_at >= ALERT_COMMIT_SECONDS:
            return True
        return now - begun >= self._options.commit_interval / SECOND

    def _commit(self, seconds: float = CALL_SECONDS) -> None:
        """Commits all progress, or marks it for roll-back; `seconds`: time limit."""
        if self._transaction.begun_at is None:
            return
        due = [p for p in self._assignment.partitions.values() if p.needs_commit]
        if self._assignment.has_rolled_back() or not (due or self._events):
            self._abort()
            return
        try:
            self._publish_pending()
            for partition in due:
                partition.retire_expired()
                self._heartbeats.beat(partition)
                self._publisher.publish_status(partition.pop_status_events(), partition.number)
            self._publisher.publish_status(self._events, None)
            self._transaction.commit(self._input.consumer, due, self._options.max_replay, seconds)
        except RolledBackError:
            self._assignment.roll_back()
            self._publisher.clear()
        else:
            self._events = []
            for partition in due:
                self.counts.update(partition.mark_committed())
            self._publisher.mark_committed()
            self._monitor.mark_committed()
        self._committed_at = self._clock()

    def _abort(self) -> None:
        self._transaction.abort()
        self._assignment.roll_back()
        self._publisher.clear()

    def _look_around(self) -> None:
        """Checks what may have changed: the bundle to serve, the number of partitions, the fit of the thresholds."""
        now = self._clock()
        self._swap.look_up_every(self._options.bundle_poll / SECOND)
        if now - self._counted_at >= COUNT_SECONDS:
            self._counted_at = now
            changed = self._partition_count.changed(self._recovery.state_reader())
            self._events += [] if changed is None else [changed]
        self._events += self._watch.update(self._swap.definition, self.counts)
        held = self._assignment.partitions.values()
        share = len(held) / (self._partition_count.count or math.inf)
        self._events += self._coverage.update(self._swap.definition, self.counts, held, share)
        for report in (self._sensors.report, self._coverage.report):
            report.carry(held, not self._events)
        self._swap.swap_one()

    def _make_partition(self, number: int) -> Partition:
        self._silence.forget(number)
        definition, decoder = self._swap.definition, self._swap.decoder()
        after = self._options.retire_after, self._options.unwatched_after
        return Partition(number, definition, decoder, self._owners, *after)
