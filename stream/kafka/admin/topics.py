"""Creates the topics, and checks at the start that everything is as narrows needs it."""

import time
from collections.abc import Iterable
from concurrent.futures import Future
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from stream.errors import BrokerError
from stream.kafka.admin import checks
from stream.kafka.admin.check_result import log_warnings, refuse
from stream.kafka.admin.cluster import Cluster, NoAnswer, admin_client, describe_cluster, topics_by_use
from stream.kafka.client import KafkaOptions

ADMIN_SECONDS = 15.0
POLL_SECONDS = 0.1
# Short segments let compaction keep up: snapshots are many and small, and resolved incidents are not open for long.
COMPACTED_CONFIG = {
    "cleanup.policy": "compact",
    "segment.ms": "600000",
    "min.cleanable.dirty.ratio": "0.3",
    "max.message.bytes": str(8 << 20),
}
# Judgements are few, and are kept as long as the alerts that they are about.
FEEDBACK_CONFIG = {"retention.ms": "-1"}
# A restart reads the mutes that were in force at its last commit.
MUTES_CONFIG = {"cleanup.policy": "compact", "min.compaction.lag.ms": str(7 * 86_400_000)}
CONFIGS = {
    "state": COMPACTED_CONFIG,
    "open_incidents": COMPACTED_CONFIG,
    "mutes": MUTES_CONFIG,
    "feedback": FEEDBACK_CONFIG,
}
# With three copies, a record is still on two brokers after the loss of one.
REPLICATED_CONFIG = {"min.insync.replicas": "2"}


class TopicChange(NamedTuple):
    """A topic that was created (before: 0 partitions) or given more partitions."""

    topic: str
    before: int
    after: int


def check(options: KafkaOptions, snapshot_bytes: int | None = None) -> None:
    """Runs the start-up checks and logs their warnings.

    Args:
        snapshot_bytes: upper bound of the size of a snapshot, see `checks.snapshot_bytes`; None: not known.

    Raises:
        BrokerError: names every failure, and what to do.
    """
    results = checks.startup_checks(options, snapshot_bytes)
    log_warnings(results)
    refuse(results)


def create(options: KafkaOptions, partitions: int, replication: int) -> list[TopicChange]:
    """Creates the missing topics with as many partitions as the input topic, and adds partitions to the state topic.

    The feedback topic is created as well, though the consumer does not need it.

    Args:
        partitions: of the input topic, where it is created.
        replication: copies of each partition of a topic that is created.

    Returns:
        The changes; empty where there was nothing to do.

    Raises:
        BrokerError: no broker answers, or it refuses.
    """
    cluster = describe_cluster(options)
    readings, state = cluster.topic(options.input), cluster.topic(options.state)
    count = partitions if readings is None else readings.partitions
    admin = admin_client(options)
    done = _create(admin, _absent(cluster, options), count, replication)
    if state is not None and state.partitions < count:
        (future,) = admin.create_partitions([NewPartitions(options.state, count)]).values()
        _done(options.state, future, "Alter")
        done.append(TopicChange(options.state, state.partitions, count))
    _await(options, done)
    feedback = options.feedback
    if feedback is not None and feedback not in admin.list_topics(timeout=ADMIN_SECONDS).topics:
        done += _create(admin, {feedback: "feedback"}, 1, replication)
    return done


def _absent(cluster: Cluster, options: KafkaOptions) -> dict[str, str]:
    """Use of each missing topic, by name. A topic that this user may not describe may be missing: it is tried."""
    absent = {}
    for use, name in topics_by_use(options).items():
        topic = cluster.topics.get(name)
        if topic is None or (isinstance(topic, NoAnswer) and topic.denied):
            absent[name] = use
    return absent


def _create(admin: AdminClient, use_of: dict[str, str], partitions: int, replication: int) -> list[TopicChange]:
    """Creates topics, given by name, and waits for each."""
    replicated = REPLICATED_CONFIG if replication >= 3 else {}
    topics = [
        NewTopic(name, partitions, replication, config={**replicated, **CONFIGS.get(use, {})})
        for name, use in use_of.items()
    ]
    created = admin.create_topics(topics) if topics else {}
    return [TopicChange(name, 0, partitions) for name, future in created.items() if _done(name, future, "Create")]


def _done(topic: str, future: "Future[None]", needed: str) -> bool:
    """Waits for a change; False where somebody else has made it."""
    try:
        future.result(ADMIN_SECONDS)
    except KafkaException as fault:
        if fault.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return False
        raise BrokerError(f"topic {topic!r}: {fault.args[0].str()}; do it by hand, or grant {needed}") from fault
    return True


def _await(options: KafkaOptions, done: Iterable[TopicChange]) -> None:
    """Waits until the brokers know what the controller has done."""
    wanted = {change.topic: change.after for change in done}
    deadline = time.monotonic() + ADMIN_SECONDS
    while wanted and time.monotonic() < deadline:
        cluster = describe_cluster(options)
        if all(_is_known(cluster, name, count) for name, count in wanted.items()):
            return
        time.sleep(POLL_SECONDS)


def _is_known(cluster: Cluster, name: str, partitions: int) -> bool:
    topic = cluster.topics.get(name)
    if isinstance(topic, NoAnswer):
        return topic.denied
    return topic is not None and topic.partitions == partitions
