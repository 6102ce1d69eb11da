"""Consumers in memory, with the calls that the service makes: the group member, and the reader of snapshots."""

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from confluent_kafka import OFFSET_BEGINNING, OFFSET_INVALID, KafkaError, Message, TopicPartition

from stream.kafka.client import KafkaOptions
from tests.simulation.memory_broker.broker import Broker, fault
from tests.simulation.memory_broker.log import Entry, TopicPartitionName
from tests.simulation.memory_broker.wire import Wire

T = TypeVar("T")
# Share of the heartbeats by which a fenced member learns that it is fenced.
HEARD = 0.2
FENCED = "Fatal error: Broker: Static consumer fenced by other consumer with same group.instance.id"
Rebalanced = Callable[["MemoryConsumer", list[TopicPartition]], None]


@dataclass(frozen=True)
class Described:
    """A topic in the answer of `list_topics`: the numbers of its partitions."""

    partitions: Collection[int]
    error: None = None


@dataclass(frozen=True)
class Listed:
    """Answer of `list_topics`."""

    topics: Mapping[str, Described]


class MemoryReader:
    """Fetches its assigned partitions, `read_committed`, and reports their ends."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._broker: Broker = wire.broker
        self._next: dict[TopicPartitionName, int] = {}
        self._ended: dict[TopicPartitionName, int] = {}

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        self._wire.ask("assign", 0.0, lambda: None)
        self._next, self._ended = {}, {}
        self._start(partitions)

    def unassign(self) -> None:
        self.assign([])

    def consume(self, records: int, timeout: float) -> list[Message]:
        taken = self._wire.ask("consume", timeout, lambda: self._fetch(records))
        if not taken:
            self._broker.advance(timeout)
        return taken

    def get_watermark_offsets(self, tp: TopicPartition, timeout: float) -> tuple[int, int]:
        log = self._broker.logs[tp.topic, tp.partition]
        return self._wire.ask("get_watermark_offsets", timeout, lambda: (log.low, log.stable_end))

    def list_topics(self, topic: str, timeout: float) -> "Listed":
        return self._wire.ask(
            "list_topics", timeout, lambda: Listed({topic: Described(range(self._broker.topics[topic]))})
        )

    def close(self) -> None:
        self._wire.ask("close", 0.0, lambda: None)

    def _start(self, partitions: Sequence[TopicPartition]) -> None:
        for tp in partitions:
            at = (tp.topic, tp.partition)
            if at in self._next:
                raise fault(KafkaError._CONFLICT, f"{at} is assigned already")
            self._next[at] = self._broker.logs[at].low if tp.offset == OFFSET_BEGINNING else tp.offset

    def _fetch(self, records: int) -> list[Message]:
        """Fetches up to `records` records, often fewer, of the partitions in any order."""
        taken: list[Message] = []
        for at in self._broker.draw.sample(list(self._next), len(self._next)):
            room = min(records - len(taken), self._broker.draw.choice((0, 1, 3, records)))
            taken += self._fetch_from(at, room)
        return taken

    def _fetch_from(self, at: TopicPartitionName, room: int) -> list[Message]:
        log, start = self._broker.logs[at], self._next[at]
        if not log.low <= start <= log.end:
            return [_error(at, start, KafkaError._AUTO_OFFSET_RESET)]
        taken: list[Message] = []
        for offset, entry in log.visible(start):
            if len(taken) == room:
                return taken
            taken.append(_message(at, offset, entry))
            self._next[at] = offset + 1
        if room and self._ended.get(at) != log.stable_end:
            self._next[at] = self._ended[at] = max(log.stable_end, start)
            taken.append(_error(at, self._next[at], KafkaError._PARTITION_EOF))
        return taken


class MemoryConsumer(MemoryReader):
    """A static member of the group. Heartbeats join it and change its assignment; callbacks run inside `consume`.

    A fenced member behaves as the real client does once it knows: it has nothing assigned, runs no callback, reports
    the error once among the records, and ignores every call.
    """

    def __init__(self, wire: Wire, options: KafkaOptions) -> None:
        super().__init__(wire)
        self._instance, self._group_name = options.instance, options.group
        self._group = wire.broker.group
        self._session_timeout = options.session_timeout_ms / 1000
        self._topic = ""
        self._member, self._generation = "", -1
        self._target: list[int] = []
        # True once the callbacks for the last assignment have run; before that, it does not join again.
        self._served, self._lost = True, False
        self._answers = 0
        self.owned: list[int] = []
        self._knows_of_fencing = self._fencing_told = False

    @property
    def is_fenced(self) -> bool:
        """True where the group has given its name to a later member, even if this one does not know yet."""
        return self._member in self._group.fenced

    # --- what the service calls

    def subscribe(
        self, topics: Sequence[str], on_assign: Rebalanced, on_revoke: Rebalanced, on_lost: Rebalanced
    ) -> None:
        self._wire.ask("subscribe", 0.0, lambda: None)
        (self._topic,) = topics
        self._on_assign, self._on_revoke, self._on_lost = on_assign, on_revoke, on_lost
        self._broker.clients.append(self)

    def consume(self, records: int, timeout: float) -> list[Message]:
        """Returns records; callbacks may run between two of them."""
        taken = self._wire.ask("consume", timeout, lambda: self._turn(records))
        if not taken:
            self._broker.advance(timeout)
        return taken

    def committed(self, partitions: Sequence[TopicPartition], timeout: float) -> list[TopicPartition]:
        """Committed offset of one partition; a pending one makes the call time out."""
        (tp,) = partitions

        def answer() -> list[TopicPartition]:
            if self._broker.is_pending(tp.partition):
                self._broker.advance(timeout)
                raise fault(KafkaError._TIMED_OUT, "an offset is pending", retriable=True)
            found = self._broker.committed.get(tp.partition)
            if found is None:
                return [TopicPartition(tp.topic, tp.partition, OFFSET_INVALID)]
            return [TopicPartition(tp.topic, tp.partition, found.offset, metadata=found.metadata)]

        return self._wire.ask("committed", timeout, answer)

    def incremental_assign(self, partitions: Sequence[TopicPartition]) -> None:
        self._answers += 1
        self._wire.ask("incremental_assign", 0.0, lambda: self._start(() if self._knows_of_fencing else partitions))

    def incremental_unassign(self, partitions: Sequence[TopicPartition]) -> None:
        self._answers += 1
        self._wire.ask("incremental_unassign", 0.0, lambda: None)
        for tp in () if self._knows_of_fencing else partitions:
            at = (tp.topic, tp.partition)
            if at not in self._next:
                raise fault(KafkaError._INVALID_ARG, f"{at} is not assigned")
            del self._next[at]
            self._ended.pop(at, None)

    def consumer_group_metadata(self) -> bytes:
        generation = self._generation.to_bytes(4, sys.byteorder, signed=True)
        return b"CGMDv2:" + generation + self._group_name.encode() + b"\0" + self._member.encode() + b"\0"

    def close(self) -> None:
        """Runs the last callback. A static member stays in the group until its session ends."""
        self._wire.ask("close", 0.0, lambda: None)
        if self.owned and not self._lost:
            self._call(self._on_revoke, self.owned)
            self.owned = []
        self.fall_silent()

    # --- its own thread

    def heartbeat(self) -> None:
        """Learns of an assignment or of an expulsion; joins again where no partition is to be given back."""
        if self._wire.frozen or not self._member or self._knows_of_fencing:
            return
        member = self._group.members.get(self._member)
        if member is None:
            if self.is_fenced:
                self._hear_of_fencing()
            else:
                self._member, self._generation, self._lost = "", -1, True
            return
        member.dies_at = None
        if self._group.rebalancing and not member.joined and self._served:
            self._group.rejoin(member, self.owned)
        if not self._group.rebalancing and self._generation != self._group.generation:
            self._generation, self._target = self._group.generation, list(member.assigned)
            self._served = sorted(self._target) == sorted(self.owned)

    def fall_silent(self) -> None:
        """Stops the heartbeats: the member is frozen, dead or closed."""
        member = self._group.members.get(self._member)
        if member is not None and member.dies_at is None:
            member.dies_at = self._broker.now + self._session_timeout
        if self in self._broker.clients:
            self._broker.clients.remove(self)

    def wake(self) -> None:
        """Starts the heartbeats again after a freeze; it does not know yet what happened meanwhile."""
        self._broker.clients.append(self)
        member = self._group.members.get(self._member)
        if member is not None:
            member.dies_at = None

    def _hear_of_fencing(self) -> None:
        """Learns of the fencing with some probability: a real client goes on for seconds before it does."""
        if self._broker.draw.random() < HEARD:
            self._knows_of_fencing = True
            self.owned, self._next, self._ended = [], {}, {}

    def _turn(self, records: int) -> list[Message]:
        if self._knows_of_fencing:
            told, self._fencing_told = self._fencing_told, True
            return [] if told else [Message(partition=0, error=KafkaError(KafkaError._FATAL, FENCED))]
        first = self._fetch(self._broker.draw.randint(0, records)) if self._broker.draw.random() < 0.5 else []
        if self._topic:
            self._rebalance()
        return first + self._fetch(records - len(first))

    def _rebalance(self) -> None:
        self.heartbeat()
        if self._lost:
            lost, self.owned = self.owned, []
            self._lost, self._served = False, True
            if lost:
                self._call(self._on_lost, lost)
        if self._knows_of_fencing:
            return
        if not self._member:
            self._member = self._group.join(self._instance).id
            self.heartbeat()
        if not self._served and not self._knows_of_fencing:
            self._serve()
        self.heartbeat()

    def _serve(self) -> None:
        """Gives partitions back, then takes new ones, then joins again so that others get the former."""
        revoked = [p for p in self.owned if p not in self._target]
        added = [p for p in self._target if p not in self.owned]
        if revoked:
            self._call(self._on_revoke, revoked)
            self.owned = [p for p in self.owned if p not in revoked]
        if added and not self._knows_of_fencing:
            self.owned = self.owned + added
            self._call(self._on_assign, added)
        self._served = True
        if revoked and self._member in self._group.members:
            self._group.rebalance()

    def _call(self, callback: Rebalanced, partitions: list[int]) -> None:
        self._answers = 0
        callback(self, [TopicPartition(self._topic, p) for p in partitions])
        assert self._answers == 1, "a callback is to answer once"


def _message(at: TopicPartitionName, offset: int, entry: Entry) -> Message:
    return Message(
        topic=at[0], partition=at[1], offset=offset, key=entry.key, value=entry.value, headers=list(entry.headers),
        timestamp=(1, entry.timestamp_ms),
    )  # fmt: skip


def _error(at: TopicPartitionName, offset: int, code: int) -> Message:
    return Message(topic=at[0], partition=at[1], offset=offset, error=KafkaError(code, "struck"))
