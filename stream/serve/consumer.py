"""The long-running process: reads, scores, publishes, commits; one thread, one loop.

take a batch -> decode -> detect -> transaction (alerts, dead letters, snapshots, offsets) -> commit when due
"""

import gc
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from stream.detect.definition import Definition
from stream.events import Source, alert, alert_headers, dead_letters, encode, frame_verdicts
from stream.intake.decode import Decoder
from stream.kafka import fault_points
from stream.kafka.assignment import Assignment
from stream.kafka.client import Clients, KafkaOptions
from stream.kafka.input import Faults, Input, traceparent
from stream.kafka.partition import Partition, Records, Told
from stream.kafka.recovery import Recovery
from stream.kafka.transaction import RolledBackError, Transaction

log = structlog.get_logger()

# Commits that an alert asks for at once are at least this far apart: a storm of alerts must not become one of commits.
ALERT_COMMIT_SECONDS = 0.05


@dataclass(frozen=True)
class ServeOptions:
    """How the loop runs.

    Attributes:
        batch: records per turn at most. poll_s: how long a turn waits for them.
        commit_interval_s: between two commits; an alert does not wait for it.
        max_replay: messages per partition that a restart may have to replay.
        silent_after_s: wall clock without a reading after which a series' incident is closed; None = never.
        log_every_s: between two progress lines.
    """

    batch: int = 8192
    poll_s: float = 0.005
    commit_interval_s: float = 0.5
    max_replay: int = 100_000
    silent_after_s: float | None = None
    log_every_s: float = 10.0


class Service:
    """`narrows run`: from `run()` until `stop()` is called, from a signal handler or another thread."""

    def __init__(
        self,
        kafka: KafkaOptions,
        options: ServeOptions,
        definition: Definition,
        make_decoder: Callable[[], Decoder],
        clock: Callable[[], float] = time.monotonic,
        clients: Clients = Clients(),  # noqa: B008 - frozen
    ) -> None:
        self._kafka = kafka
        self._options = options
        self._definition = definition
        self._make_decoder = make_decoder
        self._clock = clock
        self._clients = clients
        self._stopping = False
        self._alert_waits = False
        self._committed_at = 0.0
        self._logged_at = clock()
        # Series in order of when they were last heard of, oldest first, per partition.
        self._heard: dict[int, dict[str, float]] = {}
        self.counts: Counter[str] = Counter()
        self._faults = Faults(kafka)
        self._transaction = Transaction(kafka, self._faults.note, clock, clients)
        self._assignment = Assignment(kafka.input, self._make_partition, self._commit, self._abort)

    @property
    def is_live(self) -> bool:
        """Whether it holds partitions and serves all of them."""
        partitions = list(self._assignment.partitions.values())
        return bool(partitions) and all(partition.is_live for partition in partitions)

    def stop(self) -> None:
        """Asks the loop to commit and end."""
        self._stopping = True

    def run(self) -> None:
        """Serves until stopped; then commits and leaves the group.

        Raises:
            BrokerError: what waiting does not mend: topic gone, permission lost. FencedError: a twin runs.
        """
        self.open()
        # Torch alone is half a million objects: left in reach of the collector, walking them costs more than the model.
        gc.collect()
        gc.freeze()
        try:
            while not self._stopping:
                self.turn()
        except BaseException:
            # What was processed may not have been published: closing must not commit it.
            self._abort()
            raise
        finally:
            # Left frozen, what torch holds would be reported as leaked when the process ends.
            gc.unfreeze()
            self.close()

    def open(self) -> None:
        """Subscribes."""
        consumer = self._clients.consumer(self._kafka, self._faults.note)
        self._input = Input(consumer, self._assignment, self._faults)
        self._recovery = Recovery(
            self._kafka,
            consumer,
            lambda: self._clients.reader(self._kafka, self._faults.note),
            self._assignment,
            self._clock,
        )
        log.info("service.started", topic=self._kafka.input, group=self._kafka.group, instance=self._kafka.instance,
                 detector=self._definition.detector, bundle=self._definition.version)  # fmt: skip

    def close(self) -> None:
        """Leaves the group; the revoke callback commits."""
        self._input.close()
        self._recovery.close()
        self._log_progress()
        log.info("service.stopped")

    def turn(self) -> None:
        """One turn of the loop: at most one step of recovery, one batch, one commit."""
        ready = self._transaction.prepare()
        if not ready or self._assignment.has_rolled_back():
            self._abort()
        self._assignment.settle(self._input.consumer)
        busy = ready and self._recovery.step()
        batches = self._input.take(self._options.batch, 0 if busy else self._options.poll_s)
        self._faults.check()
        try:
            for number, batch in batches.items():
                # A rebalance in the middle of `take` may have given away, even given back, what it had taken.
                partition = self._assignment.partitions.get(number)
                if partition is not None and partition.fetching:
                    self._take(partition, batch)
            self._silence()
        except RolledBackError:
            # Also the partitions whose records were taken and not processed: their next ones must not close the gap.
            self._assignment.roll_back(batches)
        if self._due():
            self._commit()
        if self._clock() - self._logged_at >= self._options.log_every_s:
            self._log_progress()

    def _take(self, partition: Partition, batch: Records) -> None:
        told = partition.take(batch)
        if partition.needs_commit:
            self._transaction.begin()
        self._hear(partition.number, told.series)
        self._publish(partition, told, batch)

    def _publish(self, partition: Partition, told: Told, batch: Records) -> None:
        definition, topics = self._definition, self._kafka
        for event, offset in told.events:
            source = Source(topics.input, partition.number, offset)
            record = alert(event, definition.detector, definition.version, source, datetime.now(UTC))
            cause = batch.at(offset)
            headers = alert_headers(record, None if cause is None else traceparent(cause))
            self._transaction.send(topics.alerts, event.series.encode(), encode(record), headers)
            self._alert_waits = True
            log.info(
                f"alert.{event.state}",
                series=event.series,
                severity=event.severity,
                score=round(event.score, 3),
                alert_id=event.alert_id,
                partition=partition.number,
                offset=offset,
            )
        for letter in dead_letters(told.dead, topics.input, partition.number):
            self._transaction.send(topics.dead_letters, letter.key, letter.value, letter.headers)
        if topics.scores is not None and told.outcome is not None:
            for verdict in frame_verdicts(told.outcome.verdicts, definition.version):
                self._transaction.send(topics.scores, verdict.series.encode(), encode(verdict), [])
        fault_points.at("published")

    def _hear(self, number: int, series: tuple[str, ...]) -> None:
        if self._options.silent_after_s is None or number not in self._heard:
            return
        heard, now = self._heard[number], self._clock()
        for name in series:
            heard.pop(name, None)
            heard[name] = now

    def _silence(self) -> None:
        """Closes what is open of the series that have sent nothing for `silent_after`: the wall clock's one task."""
        if self._options.silent_after_s is None:
            return
        for partition in self._assignment.partitions.values():
            # While records wait in the topic nobody knows who is silent.
            if partition.is_live and partition.at_end:
                self._silence_in(partition, self._options.silent_after_s)

    def _silence_in(self, partition: Partition, silent_after_s: float) -> None:
        now = self._clock()
        # A partition that has just come to us: its series are given their time from here on.
        heard = self._heard.setdefault(partition.number, dict.fromkeys(partition.detector.slots.names(), now))
        while heard:
            series, at = next(iter(heard.items()))
            if now - at < silent_after_s:
                return
            if partition.has_open(series):
                self._transaction.begin()
                log.warning("series.silent", series=series, seconds=round(now - at, 1))
                self._publish(partition, partition.silence(series), Records())
            del heard[series]

    def _due(self) -> bool:
        begun = self._transaction.begun_at
        if begun is None:
            return False
        now = self._clock()
        if self._alert_waits and now - self._committed_at >= ALERT_COMMIT_SECONDS:
            return True
        return now - begun >= self._options.commit_interval_s

    def _commit(self) -> None:
        """Commits all progress, or marks it for roll-back."""
        if self._transaction.begun_at is None:
            return
        due = [p for p in self._assignment.partitions.values() if p.needs_commit]
        if not due or self._assignment.has_rolled_back():
            self._abort()
            return
        try:
            self._transaction.commit(self._input.consumer, due, self._options.max_replay)
        except RolledBackError:
            self._assignment.roll_back()
        else:
            for partition in due:
                self.counts.update(partition.has_committed())
        self._committed_at, self._alert_waits = self._clock(), False

    def _abort(self) -> None:
        self._transaction.abort()
        self._assignment.roll_back()

    def _make_partition(self, number: int) -> Partition:
        self._heard.pop(number, None)
        return Partition(number, self._definition, self._make_decoder())

    def _log_progress(self) -> None:
        self._logged_at = self._clock()
        partitions = self._assignment.partitions.values()
        log.info(
            "progress", **{k: self.counts[k] for k in PROGRESS}, partitions=len(partitions),
            recovering=sum(not p.is_live for p in partitions), series=sum(len(p.detector.slots) for p in partitions),
            open_incidents=sum(p.detector.open_incidents for p in partitions),
            dead_reasons={k.removeprefix("dead."): n for k, n in self.counts.items() if k.startswith("dead.")},
        )  # fmt: skip


PROGRESS = (
    "received", "used", "late", "duplicate", "ignored", "dead", "scored", "warming", "degraded", "off",
    "incidents.opened",
)  # fmt: skip
