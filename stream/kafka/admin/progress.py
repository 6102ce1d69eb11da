"""Committed offset, first and last offset of every partition, as the broker answers anybody who may ask."""

from collections.abc import Iterable
from dataclasses import dataclass

from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from stream.errors import BrokerError
from stream.kafka.admin.cluster import ASK_SECONDS, Cluster, NoAnswer, Topic, admin_client, result_of
from stream.kafka.client import KafkaOptions
from stream.kafka.state.state_topic import CommitMetadata, decode_metadata

EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
PartitionKey = tuple[str, int]


@dataclass(frozen=True)
class PartitionProgress:
    """Offsets of one input partition.

    Attributes:
        is_new: nothing is committed; `committed` is then the oldest offset, where a consumer would start.
        metadata: of the commit; None where narrows did not write it.
        low, high: offset of the oldest message, and of the end; low <= high.
        state_end: end of the partition of the state topic; None where there is none.
    """

    partition: int
    is_new: bool
    committed: int
    metadata: CommitMetadata | None
    low: int
    high: int
    state_end: int | None


def offsets_of(
    admin: AdminClient, partitions: Iterable[PartitionKey], spec: OffsetSpec, isolation: IsolationLevel
) -> dict[PartitionKey, int]:
    """Offset of each partition that has an answer."""
    asked = {TopicPartition(*key): spec for key in partitions}
    if not asked:
        return {}
    futures = admin.list_offsets(asked, isolation_level=isolation, request_timeout=ASK_SECONDS)
    offsets = {
        (tp.topic, tp.partition): result_of(future, lambda info: int(info.offset)) for tp, future in futures.items()
    }
    return {key: offset for key, offset in offsets.items() if isinstance(offset, int)}


def progress_of(
    admin: AdminClient, cluster: Cluster, options: KafkaOptions, partitions: int
) -> list[PartitionProgress] | NoAnswer:
    """Progress of every partition whose first and last offset are known."""
    request = ConsumerGroupTopicPartitions(
        options.group, [TopicPartition(options.input, partition) for partition in range(partitions)]
    )
    future = admin.list_consumer_group_offsets([request], request_timeout=ASK_SECONDS)[options.group]
    committed = result_of(future, lambda answer: list[TopicPartition](answer.topic_partitions))
    if committed is None or isinstance(committed, NoAnswer):
        return committed or []
    inputs = [(options.input, partition) for partition in range(partitions)]
    state = cluster.topic(options.state)
    states = [(options.state, partition) for partition in range(0 if state is None else state.partitions)]
    low = offsets_of(admin, inputs, EARLIEST, IsolationLevel.READ_UNCOMMITTED)
    high = offsets_of(admin, [*inputs, *states], LATEST, IsolationLevel.READ_UNCOMMITTED)
    return [
        PartitionProgress(
            tp.partition, tp.offset < 0, low[key] if tp.offset < 0 else tp.offset, decode_metadata(tp.metadata),
            low[key], high[key], high.get((options.state, tp.partition)),
        )
        for tp in committed
        if tp.error is None and (key := (options.input, tp.partition)) in low and key in high
    ]  # fmt: skip


def known_progress(cluster: Cluster, options: KafkaOptions) -> tuple[Topic, list[PartitionProgress]]:
    """The input topic, and the progress of its partitions.

    Raises:
        BrokerError: there is no input topic, or this user may not ask for the offsets of the group.
    """
    readings = cluster.topic(options.input)
    if readings is None:
        raise BrokerError(f"topic {options.input!r} is missing, or hidden from this user; set `input.topic`")
    progress = progress_of(admin_client(options), cluster, options, readings.partitions)
    if isinstance(progress, NoAnswer):
        raise BrokerError(f"group {options.group!r}: {progress.reason}; grant Describe on it")
    return readings, progress
