"""The partitions of this process: the callbacks of a rebalance, and roll-back, which recovers a partition again.

Assigned: the answer assigns nothing. Each partition is fetched once recovery knows its offset.
Revoked: 1. commit the open transaction, or abort it. 2. Drop the partitions. 3. Unassign, once. A crash before the
commit leaves the readings to the next owner; after it, the next owner starts behind them.
Lost: the partitions have other owners already. 1. Abort. 2. Drop the partitions. 3. Unassign. Nothing is committed.
"""

from collections.abc import Callable, Container

import structlog
from confluent_kafka import Consumer, TopicPartition

from stream.kafka import failpoints
from stream.kafka.partition import Partition

log = structlog.get_logger()


class Assignment:
    """The partitions that the group has assigned to this process.

    Args:
        make: makes a partition, at the start of its recovery.
        commit: commits all progress, or marks it for roll-back. Its errors end the process.
        abort: aborts the transaction, and marks all progress for roll-back.
    """

    def __init__(
        self, topic: str, make: Callable[[int], Partition], commit: Callable[[], None], abort: Callable[[], None]
    ) -> None:
        self._topic = topic
        self._make = make
        self._commit = commit
        self._abort = abort
        self.partitions: dict[int, Partition] = {}

    def subscribe(self, consumer: Consumer) -> None:
        """Subscribes to the input topic, with the callbacks of this object."""
        consumer.subscribe([self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)

    def roll_back(self, polled: Container[int] = ()) -> None:
        """Marks partitions for roll-back: those with uncommitted progress, and those of the numbers `polled`.

        Records of the latter may have been fetched and not processed. `reset_rolled_back` acts later, because a
        callback must not.
        """
        for partition in self.partitions.values():
            if partition.needs_commit or partition.number in polled:
                partition.rolled_back = True

    def has_rolled_back(self) -> bool:
        """True while a partition is marked for roll-back."""
        return any(partition.rolled_back for partition in self.partitions.values())

    def reset_rolled_back(self, consumer: Consumer) -> None:
        """Starts the recovery of the marked partitions again."""
        marked = [p for p in self.partitions.values() if p.rolled_back]
        fetched = [TopicPartition(self._topic, p.number) for p in marked if p.fetching]
        if fetched:
            consumer.incremental_unassign(fetched)
        for partition in marked:
            partition.release()
            log.warning("partition.rolled_back", partition=partition.number, position=partition.position)
            self.partitions[partition.number] = self._make(partition.number)
            failpoints.at("rolled_back")

    def clear(self) -> None:
        """Drops all partitions, after the consumer is closed."""
        for partition in self.partitions.values():
            partition.release()
        self.partitions.clear()

    def fetch(self, consumer: Consumer, partition: Partition) -> None:
        """Starts to fetch at the partition's position."""
        consumer.incremental_assign([TopicPartition(self._topic, partition.number, partition.position)])
        partition.fetching = True

    def _on_assign(self, consumer: Consumer, assigned: list[TopicPartition]) -> None:
        for tp in assigned:
            self.partitions[tp.partition] = self._make(tp.partition)
        consumer.incremental_assign([])
        failpoints.at("assigned")
        log.info("partitions.assigned", partitions=[tp.partition for tp in assigned])

    def _on_revoke(self, consumer: Consumer, revoked: list[TopicPartition]) -> None:
        failpoints.at("revoke_entered")
        self._commit()
        self._drop(consumer, revoked, "partitions.revoked")
        failpoints.at("revoke_left")

    def _on_lost(self, consumer: Consumer, lost: list[TopicPartition]) -> None:
        failpoints.at("lost_entered")
        self._abort()
        self._drop(consumer, lost, "partitions.lost")

    def _drop(self, consumer: Consumer, gone: list[TopicPartition], event: str) -> None:
        dropped = [self.partitions.pop(tp.partition) for tp in gone if tp.partition in self.partitions]
        for partition in dropped:
            partition.release()
        consumer.incremental_unassign([TopicPartition(self._topic, p.number) for p in dropped if p.fetching])
        log.info(event, partitions=[tp.partition for tp in gone])
