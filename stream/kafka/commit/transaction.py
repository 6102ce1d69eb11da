"""The commit path: alerts, dead letters, verdicts, snapshots and offsets in one transaction.

One transaction covers all partitions of the process, begun at the first thing to publish:

1. records are produced as they arise; 2. snapshots are produced; 3. flush: their offsets are known, hence L;
4. offsets with metadata {R, L} join the transaction; 5. commit.

A crash before 5 leaves an open transaction: readers never see its records, the offsets stay where they were, and the
next life scores the same readings again. A crash after 5 leaves it done. In between, the broker decides, and the
group's committed offset tells. Whatever fails, every partition with uncommitted progress goes back to its commit.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from stream.errors import BrokerError
from stream.events.record import Headers
from stream.kafka import failpoints
from stream.kafka.client import (
    CALL_SECONDS,
    FENCING,
    GRACE_SECONDS,
    Clients,
    ErrorCallback,
    KafkaOptions,
    Remedy,
    group_membership,
    remedy,
)
from stream.kafka.commit.delivery_reports import DeliveryReports, RejectedTopics
from stream.kafka.commit.early_producer import EarlyProducer
from stream.kafka.commit.producer import TransactionalProducer
from stream.kafka.commit.timeout import CallTimeoutError, call_with_timeout
from stream.kafka.partition import Partition
from stream.kafka.state.state_topic import encode_metadata

log = structlog.get_logger()

# Number of a partition that is left to the client's partitioner.
ANY_PARTITION = -1
MAX_FAILURES = 10
# No member of the group any more, which the consumer hears of seconds later.
EXPELLED = (KafkaError.FENCED_INSTANCE_ID, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION)
# Neither retriable nor worth counting: the broker is away, or we have been frozen.
PASSING = (
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._STATE,
    *FENCING,
    *EXPELLED,
)


class RolledBackError(Exception):
    """The transaction is gone; its partitions must be restored from their committed offsets."""


class CommitFault(Exception):
    """A step of the commit path failed outside the client."""

    def __init__(self, message: str, needed: Remedy, error: KafkaError | None = None) -> None:
        super().__init__(message)
        self.needed = needed
        self.error = error


DeliveryCallback = Callable[[KafkaError | None, Message], None]
Fault = KafkaException | SystemError | CommitFault


class Transaction:
    """The transaction that may be open on the producer of this process."""

    def __init__(
        self,
        options: KafkaOptions,
        on_error: ErrorCallback,
        clock: Callable[[], float] = time.monotonic,
        clients: Clients = Clients(),  # noqa: B008 - frozen
        early: EarlyProducer | None = None,
    ) -> None:
        self._options = options
        self._on_error = on_error
        self._clock = clock
        self._producer = TransactionalProducer(options, on_error, clock, clients, early)
        self._reports = DeliveryReports()
        self._rejected = RejectedTopics(clock)
        # Transactions in a row that failed for a reason that does not pass by itself.
        self._failures = 0
        self.begun_at: float | None = None

    @property
    def waits_for(self) -> str | None:
        """Reason why nothing can be committed; None where there is none."""
        if self._producer.client is None:
            return self._rejected.reason or "the broker: it has not let the producer in; it may still end a transaction"
        return self._rejected.reason

    def prepare(self) -> bool:
        """Makes the producer ready where it is not; False: call again later. Raises as `TransactionalProducer` does."""
        if self._producer.client is not None:
            return True
        if not self._producer.prepare():
            return False
        self._rejected.expire_later()
        return True

    def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """Adds a record to the transaction, beginning one if need be.

        Raises:
            RolledBackError: the producer cannot go on.
        """
        reported = self._reports.reported
        self._guarded(lambda producer: self._produce(producer, topic, key, value, reported, headers=headers))

    def begin(self) -> None:
        """Begins a transaction unless one is open."""
        self._guarded(lambda producer: None)

    def commit(
        self, consumer: Consumer, partitions: Iterable[Partition], max_replay: int, seconds: float = CALL_SECONDS
    ) -> None:
        """Steps 2 to 5 for the partitions that have something to commit; none: what was sent belongs to no partition.

        All of it has `seconds`.

        Raises:
            RolledBackError: nothing was committed, or nobody knows; the group's committed offset does.
        """
        deadline = self._clock() + seconds
        self._guarded(lambda producer: self._commit(producer, consumer, list(partitions), max_replay, deadline))

    def abort(self) -> None:
        """Gives the open transaction up, if there is one."""
        client = self._producer.client
        if self.begun_at is None or client is None:
            return
        self.begun_at = None
        failpoints.at("aborting")
        try:
            client.abort_transaction(CALL_SECONDS)
        except (KafkaException, SystemError) as fault:
            self._producer.discard(fault, remedy(fault))

    def _guarded(self, act: Callable[[Producer], None]) -> None:
        client = self._producer.client
        if client is None:
            raise RolledBackError("no producer")
        try:
            if self.begun_at is None:
                self._reports = DeliveryReports()
                client.begin_transaction()
                self.begun_at = self._clock()
            act(client)
        except (KafkaException, SystemError, CommitFault) as fault:
            self._give_up(fault)
            raise RolledBackError(str(fault)) from fault

    def _give_up(self, fault: Fault) -> None:
        fault = self._cause(fault)
        needed = fault.needed if isinstance(fault, CommitFault) else remedy(fault)
        untaken = {"untaken": self._rejected.reason} if self._note_untaken() else {}
        log.warning("transaction.failed", error=str(fault), remedy=needed.name.lower(), **untaken)
        self._count_failure(fault)
        self._report_taken_name(fault)
        if needed is Remedy.ABORT:
            self.abort()
            return
        self.begun_at = None
        self._producer.discard(fault, needed)

    def _cause(self, fault: Fault) -> Fault:
        """A transaction that has failed refuses the next record with "erroneous state"; why it has, the delivery
        reports tell."""
        state = isinstance(fault, KafkaException) and fault.args[0].code() == KafkaError._STATE
        if not state or self._producer.client is None:
            return fault
        with contextlib.suppress(KafkaException, SystemError):
            self._producer.client.poll(0)
        error = self._reports.error
        return fault if error is None else CommitFault(error.str(), Remedy.ABORT, error)

    def _note_untaken(self) -> bool:
        """Whether topics took no records: they are named, and the next try waits, for it would meet the same."""
        topics = self._reports.rejected()
        if topics:
            self._rejected.note(topics, self._reports.begun_on)
            self._producer.delay(self._rejected.delay)
        return bool(topics)

    def _report_taken_name(self, fault: Fault) -> None:
        """The group refuses who has lost its name to another; the consumer would ask in vain until it heard of that."""
        if isinstance(fault, KafkaException) and fault.args[0].code() == KafkaError.FENCED_INSTANCE_ID:
            self._on_error(fault.args[0])

    def _count_failure(self, fault: Fault) -> None:
        """Ends what would fail for ever: the same readings lead to the same record that the broker does not take."""
        error = fault.args[0] if isinstance(fault, KafkaException) else getattr(fault, "error", None)
        if error is None or error.retriable() or error.code() in PASSING:
            return
        self._failures += 1
        if self._failures >= MAX_FAILURES:
            raise BrokerError(
                f"{self._failures} transactions in a row failed with {error.name()}: {error.str()}; look at the output "
                "topics' max.message.bytes, at the permissions of this user, and at the broker's log"
            )

    def _produce(
        self,
        producer: Producer,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        on_delivery: DeliveryCallback,
        partition: int = ANY_PARTITION,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Gives a record to the client, and waits for room where the client's queue is full."""
        deadline = self._clock() + CALL_SECONDS
        while True:
            try:
                producer.produce(topic, value, key, partition, headers=list(headers), on_delivery=on_delivery)
            except BufferError:
                producer.poll(0.05)
                if self._clock() > deadline:
                    raise CommitFault("no room in the producer's queue", Remedy.REBUILD) from None
            else:
                self._reports.sent(topic)
                return

    def _commit(
        self, producer: Producer, consumer: Consumer, partitions: list[Partition], max_replay: int, deadline: float
    ) -> None:
        for partition in partitions:
            self._snapshots(producer, partition, max_replay)
        failpoints.at("snapshots_written")
        if producer.flush(self._left(deadline)):
            self._reports.give_up()
            raise CommitFault("records were not delivered in time", Remedy.REBUILD)
        failpoints.at("flushed")
        offsets = [
            TopicPartition(
                self._options.input, p.number, p.position, metadata=encode_metadata(p.metadata(self._options.instance))
            )
            for p in partitions
        ]
        if offsets:
            membership = group_membership(consumer)
            if membership is None:
                raise CommitFault("not a member of the group", Remedy.ABORT)
            self._send_offsets(producer, offsets, membership, self._left(deadline))
        failpoints.at("offsets_sent")
        producer.commit_transaction(self._left(deadline))
        failpoints.at("committed")
        self.begun_at = None
        self._failures = 0
        self._rejected.clear()

    def _send_offsets(
        self, producer: Producer, offsets: list[TopicPartition], membership: bytes, seconds: float
    ) -> None:
        try:
            call_with_timeout(
                lambda: producer.send_offsets_to_transaction(offsets, membership, seconds), seconds + GRACE_SECONDS
            )
        except CallTimeoutError as fault:
            raise CommitFault(f"offsets: {fault}", Remedy.REBUILD) from fault

    def _left(self, deadline: float) -> float:
        return max(deadline - self._clock(), 0.1)

    def _snapshots(self, producer: Producer, partition: Partition, max_replay: int) -> None:
        deliveries = self._reports

        def delivered(error: KafkaError | None, message: Message) -> None:
            deliveries.reported(error, message)
            offset = message.offset()
            if error is None and offset is not None:
                partition.snapshot_end = max(partition.snapshot_end, offset + 1)

        for series, record in partition.due_snapshots(max_replay):
            self._produce(producer, self._options.state, series.encode(), record, delivered, partition.number)
