"""A broker in memory: a virtual clock, logs, the coordinator of transactions, and the committed offsets."""

import contextlib
import random
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from confluent_kafka import KafkaError, KafkaException

from stream.kafka.state.state_topic import decode_metadata
from tests.simulation.memory_broker.group import Group
from tests.simulation.memory_broker.log import Entry, Fate, Log, TopicPartitionName, Transaction


def fault(
    code: int, reason: str, *, fatal: bool = False, retriable: bool = False, abort: bool = False
) -> KafkaException:
    """An error as the client raises it."""
    return KafkaException(KafkaError(code, reason, fatal=fatal, retriable=retriable, txn_requires_abort=abort))


def fenced() -> KafkaException:
    return fault(KafkaError._FENCED, "fenced by a later producer, or timed out", fatal=True)


class Background(Protocol):
    """The background thread of a client."""

    def heartbeat(self) -> None:
        """Does what the thread does from time to time."""


@dataclass
class Session:
    """State of the coordinator for one transactional id."""

    epoch: int = 0
    transaction: Transaction | None = None


@dataclass(frozen=True)
class Committed:
    """A committed offset with its metadata."""

    partition: int
    offset: int
    metadata: str


class Broker:
    """All topics and coordinators. Nothing happens by itself: only in calls of `background` and `advance`."""

    def __init__(self, topics: Mapping[str, int], group: Group, draw: random.Random, clock: float = 1000.0) -> None:
        self.logs: dict[TopicPartitionName, Log] = {(t, p): Log() for t, n in topics.items() for p in range(n)}
        self.topics = topics
        self.group = group
        self.draw = draw
        self.now = clock
        self.committed: dict[int, Committed] = {}
        self.history: list[Committed] = []
        self.sessions: dict[str, Session] = {}
        self.clients: list[Background] = []
        # Requests on their way whose senders have stopped waiting.
        self.late: list[Callable[[], object]] = []

    # --- time

    def advance(self, seconds: float) -> None:
        """Lets time pass: sessions end, and transactions time out."""
        self.now += seconds
        self.group.expire(self.now)
        for session in self.sessions.values():
            open_ = session.transaction
            if open_ is not None and open_.fate is Fate.OPEN and self.now - open_.begun > open_.timeout:
                open_.fate = Fate.ABORT
                session.epoch += 1

    def background(self, share: float = 0.5) -> None:
        """Does each pending thing with probability `share`: markers, late requests, heartbeats."""
        for request in list(self.late):
            if self.draw.random() < share:
                self.late.remove(request)
                with contextlib.suppress(KafkaException):
                    request()
        for session in self.sessions.values():
            self._write_markers(session, share)
        for client in list(self.clients):
            if self.draw.random() < share:
                client.heartbeat()

    # --- transactions

    def init(self, name: str) -> int:
        """Initialises a producer: aborts what its predecessor left, fences the predecessor, and returns the epoch."""
        session = self.sessions.setdefault(name, Session())
        if session.transaction is not None and session.transaction.fate is Fate.OPEN:
            session.transaction.fate = Fate.ABORT
        self._write_markers(session)
        session.epoch += 1
        return session.epoch

    def append(self, name: str, epoch: int, timeout: float, topic: str, partition: int, entry: Entry) -> int:
        """Appends a record of a transaction, which begins here if none is open. Returns the offset."""
        entry.transaction = self._open(name, epoch, timeout)
        at = (topic, partition if partition >= 0 else zlib.crc32(entry.key or b"") % self.topics[topic])
        if at not in entry.transaction.logs:
            entry.transaction.logs.append(at)
        return self.logs[at].append(entry)

    def add_offsets(
        self,
        name: str,
        epoch: int,
        timeout: float,
        offsets: Mapping[int, tuple[int, str]],
        member: str,
        generation: int,
    ) -> None:
        """Adds offsets to the transaction; refuses them from a member that is not of this generation."""
        transaction = self._open(name, epoch, timeout)
        if not member and generation < 0:
            # The broker takes this for a commit without a group, and does not check it.
            transaction.offsets.update(offsets)
            return
        if member in self.group.fenced:
            raise fault(KafkaError.FENCED_INSTANCE_ID, "a later member has this name", abort=True)
        if member not in self.group.members:
            raise fault(KafkaError.UNKNOWN_MEMBER_ID, "not a member", abort=True)
        if generation != self.group.generation:
            raise fault(KafkaError.ILLEGAL_GENERATION, "of another generation", abort=True)
        transaction.offsets.update(offsets)

    def end(self, name: str, epoch: int, fate: Fate) -> None:
        """Decides the fate of the transaction; markers follow. The same decision again has no effect."""
        session = self._session(name, epoch)
        transaction = session.transaction
        if transaction is None or transaction.fate is fate:
            return
        if transaction.fate is not Fate.OPEN:
            raise fault(KafkaError.INVALID_TXN_STATE, "decided otherwise", fatal=True)
        transaction.fate = fate

    def is_pending(self, partition: int) -> bool:
        """True while a transaction has an offset of this partition that is not visible yet."""
        return any(partition in transaction.offsets for transaction in self._transactions())

    @property
    def is_settling(self) -> bool:
        """True while markers are missing, or an offset is pending."""
        return any(t.offsets or t.fate is not Fate.OPEN for t in self._transactions())

    def _transactions(self) -> list[Transaction]:
        return [s.transaction for s in self.sessions.values() if s.transaction is not None]

    @property
    def is_quiet(self) -> bool:
        return not self.late and all(session.transaction is None for session in self.sessions.values())

    def retain(self, readings: str, state: str) -> None:
        """Deletes the readings that no restore needs, and compacts the state topic."""
        for commit in self.committed.values():
            self.logs[state, commit.partition].compact()
            metadata = decode_metadata(commit.metadata)
            if metadata is not None:
                self.logs[readings, commit.partition].low = metadata.replay_from

    def has_all_committed(self, topic: str) -> bool:
        """True where the group has committed every visible record of the topic."""
        for partition in range(self.topics[topic]):
            last = max((offset for offset, _ in self.logs[topic, partition].visible()), default=-1)
            found = self.committed.get(partition)
            if last >= 0 and (found is None or found.offset <= last):
                return False
        return True

    def _session(self, name: str, epoch: int) -> Session:
        session = self.sessions[name]
        if session.epoch != epoch:
            raise fenced()
        return session

    def _open(self, name: str, epoch: int, timeout: float) -> Transaction:
        session = self._session(name, epoch)
        if session.transaction is not None and session.transaction.fate is not Fate.OPEN:
            self._write_markers(session)
        if session.transaction is None:
            session.transaction = Transaction(self.now, timeout)
        return session.transaction

    def _write_markers(self, session: Session, share: float = 1.0) -> None:
        """Writes markers, in any order: nothing orders those of different partitions."""
        transaction = session.transaction
        if transaction is None or transaction.fate is Fate.OPEN:
            return
        for at in list(transaction.logs):
            if share == 1.0 or self.draw.random() < share:
                transaction.logs.remove(at)
                self.logs[at].mark(transaction)
        for partition, (offset, metadata) in list(transaction.offsets.items()):
            if share == 1.0 or self.draw.random() < share:
                del transaction.offsets[partition]
                if transaction.fate is Fate.COMMIT:
                    self.committed[partition] = Committed(partition, offset, metadata)
                    self.history.append(self.committed[partition])
        if not transaction.logs and not transaction.offsets:
            session.transaction = None
