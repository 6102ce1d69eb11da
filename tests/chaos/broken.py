"""`python -m tests.chaos.broken <variant> run ...`: narrows with a built-in fault that the oracle must find."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence

from confluent_kafka import Consumer, KafkaException, TopicPartition

from stream.cli import app as narrows
from stream.events.record import Headers
from stream.kafka.assignment import Assignment
from stream.kafka.commit.transaction import Transaction
from stream.kafka.partition import Partition
from stream.kafka.state.restored_state import RestoredState
from stream.kafka.state.resume_point import ResumePoint
from stream.kafka.state.state_topic import Snapshot

SECONDS = 5.0


def offsets_before_alerts() -> None:
    """Commits offsets and snapshots first, and alerts in a later transaction: a crash in between loses alerts."""
    send, commit = Transaction.send, Transaction.commit
    waiting: list[tuple[str, bytes | None, bytes | None, Headers]] = []

    def send_later(self: Transaction, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        self.begin()
        waiting.append((topic, key, value, headers))

    def commit_first(
        self: Transaction, consumer: Consumer, partitions: Iterable[Partition], max_replay: int, seconds: float
    ) -> None:
        commit(self, consumer, partitions, max_replay, seconds)
        alerts, waiting[:] = list(waiting), []
        for record in alerts:
            send(self, *record)
        if alerts:
            self._in_transaction(lambda producer: producer.commit_transaction(SECONDS))
            self.begun_at = None

    _replace(Transaction, "send", send_later)
    _replace(Transaction, "commit", commit_first)


def state_kept_on_abort() -> None:
    """Keeps the detector's state after an abort: the same readings come again, are late, and raise no alerts."""

    def reset_rolled_back(self: Assignment, consumer: Consumer) -> None:
        marked = [p for p in self.partitions.values() if p.rolled_back]
        for partition in marked:
            tp = TopicPartition(self._topic, partition.number)
            if partition.fetching:
                consumer.incremental_unassign([tp])
            partition.rolled_back = False
            partition.position = partition.live_from = max(_committed(consumer, tp), 0)
            self.fetch(consumer, partition)

    _replace(Assignment, "reset_rolled_back", reset_rolled_back)


def replay_that_publishes() -> None:
    """Ignores snapshots in a restore: the replay publishes alerts again that were published before."""

    def restore(self: Partition, snapshots: Sequence[Snapshot], point: ResumePoint) -> RestoredState:
        self._restored = self._restored or RestoredState(point, self.definition)
        return self._restored

    _replace(Partition, "restore", restore)


def _committed(consumer: Consumer, tp: TopicPartition) -> int:
    while True:
        try:
            (answer,) = consumer.committed([tp], timeout=SECONDS)
        except KafkaException:
            continue  # a transaction is pending
        return int(answer.offset)


def _replace(owner: type, name: str, method: Callable[..., object]) -> None:
    assert callable(getattr(owner, name)), "the replaced method must exist"
    setattr(owner, name, method)


VARIANTS: Mapping[str, Callable[[], None]] = {
    "none": lambda: None,
    "offsets_before_alerts": offsets_before_alerts,
    "state_kept_on_abort": state_kept_on_abort,
    "replay_that_publishes": replay_that_publishes,
}

if __name__ == "__main__":
    VARIANTS[sys.argv.pop(1)]()
    narrows.main()
