"""The commit path: alerts, dead letters, verdicts, snapshots and offsets in one transaction.

One transaction covers all partitions of the process. It begins with the first record to publish.

1. Records are produced as they arise. 2. Snapshots are produced. 3. A flush gives the offsets of the snapshots, and
with them L. 4. Input offsets with the metadata {R, L} join the transaction. 5. The transaction is committed.

A crash before 5 leaves an open transaction. No reader sees its records, and the offsets stay as they were: the next
process scores the same readings again. A crash after 5 leaves everything committed. A crash during 5 is decided by the
broker, and the group's committed offset shows how. After any failure, every partition with uncommitted progress is
restored from its committed offset.
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
from stream.kafka.commit.producer import TransactionalProducer
from stream.kafka.commit.timeout import CallTimeoutError, call_with_timeout
from stream.kafka.partition import Partition
from stream.kafka.state.state_topic import encode_metadata

log = structlog.get_logger()

# Leaves the choice of the partition to the client's partitioner.
ANY_PARTITION = -1
MAX_FAILURES = 10
# We are no member of the group any more. The consumer learns it seconds later.
EXPELLED = (KafkaError.FENCED_INSTANCE_ID, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION)
# Not retriable, but over sooner or later: the broker is away, or this process was frozen.
TRANSIENT = (
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._STATE,
    *FENCING,
    *EXPELLED,
)


class RolledBackError(Exception):
    """The transaction is lost: its partitions must be restored from their committed offsets."""


class CommitError(Exception):
    """A step of the commit path failed outside the client."""

    def __init__(self, message: str, needed: Remedy, error: KafkaError | None = None) -> None:
        super().__init__(message)
        self.needed = needed
        self.error = error


DeliveryCallback = Callable[[KafkaError | None, Message], None]
Fault = KafkaException | SystemError | CommitError


class Transaction:
    """The transaction of this process, of which at most one is open at a time."""

    def __init__(
        self,
        options: KafkaOptions,
        on_error: ErrorCallback,
        clock: Callable[[], float],
        clients: Clients,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._options = options
        self._wall = wall
        self._on_error = on_error
        self._clock = clock
        self._producer = TransactionalProducer(options, on_error, clock, clients)
        self._reports = DeliveryReports()
        self._rejected = RejectedTopics(clock)
        # Transactions in a row that failed with an error that is not transient.
        self._failures = 0
        self.begun_at: float | None = None

    @property
    def waits_for(self) -> str | None:
        """Reason why nothing can be committed; None where there is none."""
        if self._producer.client is None:
            return (
                self._rejected.reason
                or "the broker: it has not accepted the producer; it may still abort a transaction"
            )
        return self._rejected.reason

    def prepare(self) -> bool:
        """Makes the producer ready where it is not; False: call again later. Raises as `TransactionalProducer` does."""
        if self._producer.client is None and self._producer.prepare():
            self._rejected.expire_later()
        return self._producer.client is not None

    def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """Adds a record to the transaction, and begins one if none is open.

        Raises:
            RolledBackError: the transaction has failed.
        """
        self._in_transaction(
            # The reports belong to the transaction that the record is part of, which may only begin now.
            lambda producer: self._produce(producer, topic, key, value, self._reports.reported, headers=headers)
        )

    def begin(self) -> None:
        """Begins a transaction unless one is open; raises as `send` does."""
        self._in_transaction(lambda producer: None)

    def commit(
        self, consumer: Consumer, partitions: Iterable[Partition], max_replay: int, seconds: float = CALL_SECONDS
    ) -> None:
        """Commits the transaction with snapshots and offsets of `partitions`: steps 2 to 5.

        Args:
            partitions: those with progress; may be empty.
            seconds: for all steps together.

        Raises:
            RolledBackError: nothing was committed, or the outcome is unknown until the committed offset is read.
        """
        deadline = self._clock() + seconds
        self._in_transaction(lambda producer: self._commit(producer, consumer, list(partitions), max_replay, deadline))

    def abort(self) -> None:
        """Aborts the open transaction, if there is one."""
        client = self._producer.client
        if self.begun_at is None or client is None:
            return
        self.begun_at = None
        failpoints.at("aborting")
        try:
            client.abort_transaction(CALL_SECONDS)
        except (KafkaException, SystemError) as fault:
            self._producer.discard(fault, remedy(fault))

    def _in_transaction(self, act: Callable[[Producer], None]) -> None:
        """Runs `act` in the open transaction, or in a new one; every error of it ends in RolledBackError."""
        client = self._producer.client
        if client is None:
            raise RolledBackError("no producer")
        try:
            if self.begun_at is None:
                self._reports = DeliveryReports()
                client.begin_transaction()
                self.begun_at = self._clock()
            act(client)
        except (KafkaException, SystemError, CommitError) as fault:
            self._handle_failure(fault)
            raise RolledBackError(str(fault)) from fault

    def _handle_failure(self, fault: Fault) -> None:
        fault = self._root_cause(fault)
        needed = fault.needed if isinstance(fault, CommitError) else remedy(fault)
        rejected = {"untaken": self._rejected.reason} if self._note_rejected_topics() else {}
        log.warning("transaction.failed", error=str(fault), remedy=needed.name.lower(), **rejected)
        self._count_failure(fault)
        self._report_fenced_instance(fault)
        if needed is Remedy.ABORT:
            self.abort()
            return
        self.begun_at = None
        self._producer.discard(fault, needed)

    def _root_cause(self, fault: Fault) -> Fault:
        """The error of the first failed delivery, where the client only reports an "erroneous state"."""
        is_state = isinstance(fault, KafkaException) and fault.args[0].code() == KafkaError._STATE
        if not is_state or self._producer.client is None:
            return fault
        with contextlib.suppress(KafkaException, SystemError):
            self._producer.client.poll(0)
        error = self._reports.error
        return fault if error is None else CommitError(error.str(), Remedy.ABORT, error)

    def _note_rejected_topics(self) -> bool:
        """Notes topics that accepted no records, and delays the next attempt; False where there are none."""
        topics = self._reports.rejected()
        if topics:
            self._rejected.note(topics, self._reports.begun_on)
            self._producer.delay(self._rejected.delay)
        return bool(topics)

    def _report_fenced_instance(self, fault: Fault) -> None:
        """Tells the loop at once that another process has this instance's name; the consumer learns it only later."""
        if isinstance(fault, KafkaException) and fault.args[0].code() == KafkaError.FENCED_INSTANCE_ID:
            self._on_error(fault.args[0])

    def _count_failure(self, fault: Fault) -> None:
        """Ends the process where the same readings would lead to the same refused record for ever."""
        error = fault.args[0] if isinstance(fault, KafkaException) else getattr(fault, "error", None)
        if error is None or error.retriable() or error.code() in TRANSIENT:
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
                    raise CommitError("no room in the producer's queue", Remedy.REBUILD) from None
            else:
                self._reports.sent(topic)
                return

    def _commit(
        self, producer: Producer, consumer: Consumer, partitions: list[Partition], max_replay: int, deadline: float
    ) -> None:
        """Steps 2 to 5."""
        for partition in partitions:
            self._produce_snapshots(producer, partition, max_replay)
        failpoints.at("snapshots_written")
        if producer.flush(self._remaining(deadline)):
            self._reports.give_up()
            raise CommitError("records were not delivered in time", Remedy.REBUILD)
        failpoints.at("flushed")
        topic, instance, now_ms = self._options.input, self._options.instance, int(self._wall() * 1000)
        offsets = [
            TopicPartition(topic, p.number, p.position, metadata=encode_metadata(p.metadata(instance), now_ms))
            for p in partitions
        ]
        if offsets:
            membership = group_membership(consumer)
            if membership is None:
                raise CommitError("not a member of the group", Remedy.ABORT)
            self._send_offsets(producer, offsets, membership, self._remaining(deadline))
        failpoints.at("offsets_sent")
        producer.commit_transaction(self._remaining(deadline))
        failpoints.at("committed")
        self.begun_at = None
        self._failures = 0
        self._rejected.clear()

    def _send_offsets(
        self, producer: Producer, offsets: list[TopicPartition], membership: bytes, seconds: float
    ) -> None:
        """Step 4."""
        try:
            call_with_timeout(
                lambda: producer.send_offsets_to_transaction(offsets, membership, seconds), seconds + GRACE_SECONDS
            )
        except CallTimeoutError as fault:
            raise CommitError(f"offsets: {fault}", Remedy.REBUILD) from fault

    def _remaining(self, deadline: float) -> float:
        """Seconds left, but at least 0.1 for a call to answer."""
        return max(deadline - self._clock(), 0.1)

    def _produce_snapshots(self, producer: Producer, partition: Partition, max_replay: int) -> None:
        """Step 2 for one partition. Delivery reports of the snapshots move `partition.snapshot_end`."""
        reports = self._reports

        def delivered(error: KafkaError | None, message: Message) -> None:
            reports.reported(error, message)
            offset = message.offset()
            if error is None and offset is not None:
                partition.snapshot_end = max(partition.snapshot_end, offset + 1)

        for series, record in partition.due_snapshots(max_replay):
            self._produce(producer, self._options.state, series.encode(), record, delivered, partition.number)
