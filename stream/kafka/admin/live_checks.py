"""Checks of a running service, for `narrows doctor`: its instance, its offsets, and transactions that hang."""

import time
from collections.abc import Iterable, Mapping, Sequence

from confluent_kafka import IsolationLevel, KafkaException
from confluent_kafka.admin import AdminClient

from stream.errors import BrokerError
from stream.kafka.admin.check_result import CheckResult, not_checked
from stream.kafka.admin.cluster import ASK_SECONDS, Cluster, NoAnswer, admin_client, topics_by_use
from stream.kafka.admin.fleet import PartitionStatus, partition_statuses
from stream.kafka.admin.progress import LATEST, PartitionKey, PartitionProgress, offsets_of, progress_of
from stream.kafka.client import KafkaOptions, transactional_producer

# Longer than a commit, and than the default time between two.
LOOK_AGAIN_SECONDS = 2.0
# A message that waits for longer than a restart takes is not read, or not fast enough.
WAITS_SECONDS = 60.0


def check_service(cluster: Cluster, options: KafkaOptions, pause_s: float) -> list[CheckResult]:
    """Runs the checks of a running service.

    Args:
        pause_s: time between two looks at the open transactions.
    """
    admin = admin_client(options)
    results = [*_identity(cluster, options), _open_transactions(admin, cluster, options, pause_s)]
    readings = cluster.topic(options.input)
    if readings is None:
        return results
    progress = progress_of(admin, cluster, options, readings.partitions)
    if isinstance(progress, NoAnswer):
        return [*results, not_checked("offsets.committed", progress, f"Read on group {options.group!r}")]
    try:
        statuses = partition_statuses(cluster, options)
    except BrokerError:
        # The checks of topic and group say why.
        statuses = []
    return [*results, *check_progress(options, progress, readings.id), *check_reading(statuses)]


def check_reading(statuses: Sequence[PartitionStatus]) -> list[CheckResult]:
    """Checks that somebody reads what waits, once a service has run: the worst first; nothing where all is well."""
    if all(one.committed is None for one in statuses):
        return []
    late = [one for one in statuses if one.lag_s is not None and one.lag_s > WAITS_SECONDS]
    nobody, behind = [one for one in late if one.owner is None], [one for one in late if one.owner is not None]
    results = []
    if nobody:
        at = max((one.committed_at for one in nobody if one.committed_at is not None), default="an unknown time")
        results.append(CheckResult(
            "reading", "failure", f"nobody reads {_waiting(nobody)}; the last commit was at {at}", "",
            "start `narrows run`; if it ends again, the end of its log says why",
        ))  # fmt: skip
    if behind:
        results.append(CheckResult(
            "reading", "warning", f"behind: {_waiting(behind)}", f"less than {WAITS_SECONDS:g} s",
            "look again with `narrows status`; if it grows, start another process",
        ))  # fmt: skip
    return results


def _waiting(late: Sequence[PartitionStatus]) -> str:
    """The partitions with what waits in them."""
    count, longest = sum(one.lag for one in late), max(one.lag_s or 0.0 for one in late)
    return f"partitions {[one.partition for one in late]}: {count:,} messages wait, the oldest for {longest:,.0f} s"


def _identity(cluster: Cluster, options: KafkaOptions) -> list[CheckResult]:
    name = options.instance
    if isinstance(cluster.group, NoAnswer):
        return [not_checked("instance", cluster.group, f"Read on group {options.group!r}")]
    if name not in cluster.group.instances:
        return [CheckResult("instance", "ok", f"no instance {name!r} is in the group"), _transactional_id(options)]
    host, session_ms = cluster.group.instances[name], options.session_timeout_ms
    return [
        CheckResult(
            "instance", "warning",
            f"instance {name!r} runs at {host}, or has ended within {session_ms} ms: a second one is fenced",
            "", "nothing, if one process is meant to run; else give each its own `kafka.instance`",
        ),
        CheckResult("permission.transaction", "ok", "not tried: that would fence the instance that runs"),
    ]  # fmt: skip


def _transactional_id(options: KafkaOptions) -> CheckResult:
    """Checks the permission on the transactional id, by initialising a producer as the service does.

    It uses the name of the service, because the permission may be granted for this name alone.
    """
    check, name = "permission.transaction", f"{options.group}.{options.instance}"
    producer = transactional_producer(options, lambda error: None)
    try:
        producer.init_transactions(ASK_SECONDS)
    except KafkaException as fault:
        return CheckResult(
            check, "failure", f"transactional id {name!r}: {fault.args[0].str()}", "",
            f"grant this user Write and Describe on transactional id {name!r}; a time-out may also be a broker that "
            "cannot hold its transaction log yet",
        )  # fmt: skip
    return CheckResult(check, "ok", f"transactional id {name!r}: WRITE")


def _open_transactions(admin: AdminClient, cluster: Cluster, options: KafkaOptions, pause_s: float) -> CheckResult:
    """Checks for transactions that hang.

    An open transaction shows in a partition whose end lies beyond its last stable offset. If that offset is the same
    after a pause, nobody commits there.
    """
    partitions = [
        (name, partition)
        for name in topics_by_use(options).values()
        if (topic := cluster.topic(name)) is not None
        for partition in range(topic.partitions)
    ]
    first = _gaps(admin, partitions)
    if first:
        time.sleep(pause_s)
    stuck = sorted(set(first.items()) & set(_gaps(admin, first).items())) if first else []
    if not stuck:
        return CheckResult("transactions", "ok", f"none is stuck in {len(partitions)} partitions")
    where = ", ".join(f"{name}-{partition} from offset {stable}" for (name, partition), stable in stuck)
    return CheckResult(
        "transactions", "warning", f"open, no progress in {pause_s:g} s: {where}: read_committed readers wait there",
        "none open for longer than its transaction time-out",
        "if it stays: kafka-transactions.sh find-hanging, then abort; on the input it is a sender's",
    )  # fmt: skip


def _gaps(admin: AdminClient, partitions: Iterable[PartitionKey]) -> dict[PartitionKey, int]:
    """Last stable offset of each partition whose end lies beyond it."""
    stable = offsets_of(admin, partitions, LATEST, IsolationLevel.READ_COMMITTED)
    ends = offsets_of(admin, partitions, LATEST, IsolationLevel.READ_UNCOMMITTED)
    return {key: offset for key, offset in stable.items() if offset < ends.get(key, offset)}


def check_progress(options: KafkaOptions, progress: list[PartitionProgress], topic_id: str) -> list[CheckResult]:
    """Checks that a restart can go on from the committed offsets, and counts how far they are behind.

    Args:
        topic_id: of the present input topic; "" where the broker does not report it.
    """
    if all(p.is_new for p in progress):
        seen = "nothing is committed: it starts with the oldest reading"
        return [CheckResult("offsets.committed", "ok", seen), _lag(progress)]
    known = [(p.partition, p.metadata.topic_id) for p in progress if p.metadata and p.metadata.topic_id]
    recreated = [partition for partition, known_id in known if topic_id and known_id != topic_id]
    if recreated:
        return [CheckResult(
            "offsets.committed", "failure",
            f"topic {options.input!r} was deleted and created again since partitions {recreated} were committed",
            "", "nothing, if that was meant: it is read from its beginning and all series warm up; else `input.topic`",
        )]  # fmt: skip
    return [*_committed(options, progress), *_recovery(options, progress), _lag(progress)]


def _committed(options: KafkaOptions, progress: list[PartitionProgress]) -> list[CheckResult]:
    check, results = "offsets.committed", []
    lost = {p.partition: p.low - p.committed for p in progress if p.committed < p.low}
    if lost:
        results.append(CheckResult(
            check, "failure", f"readings were deleted before they were scored, by partition: {_by_partition(lost)}",
            "", f"raise retention.ms of topic {options.input!r}; `narrows run` goes on with the oldest that is there",
        ))  # fmt: skip
    beyond = {p.partition: p.committed - p.high for p in progress if p.committed > p.high}
    if beyond:
        results.append(CheckResult(
            check, "failure",
            f"topic {options.input!r} ends before what is committed, by partition: {_by_partition(beyond)}: "
            "it was created again, or truncated",
            "", "reset the group's offsets with kafka-consumer-groups.sh --reset-offsets, or correct `input.topic`",
        ))  # fmt: skip
    without_metadata = [p.partition for p in progress if p.metadata is None and not p.is_new]
    if without_metadata:
        results.append(CheckResult(
            check, "warning", f"offsets of partitions {without_metadata} were set by a tool: they lack metadata",
            "", "nothing, if you have reset them: snapshots that are not newer are used",
        ))  # fmt: skip
    count = sum(not p.is_new for p in progress)
    return results or [
        CheckResult(check, "ok", f"{count} of {len(progress)} partitions have offsets, all within the topic")
    ]


def _recovery(options: KafkaOptions, progress: list[PartitionProgress]) -> list[CheckResult]:
    known = [(p, p.metadata) for p in progress if p.metadata is not None]
    results = []
    deleted = {p.partition: p.low - m.replay_from for p, m in known if m.replay_from < p.low <= p.committed}
    if deleted:
        results.append(CheckResult(
            "offsets.replay", "warning",
            f"readings that a restart replays were deleted, by partition: {_by_partition(deleted)}: "
            "series without a snapshot would warm up",
            "", f"raise retention.ms of topic {options.input!r}, or lower `serve.max_replay`",
        ))  # fmt: skip
    short = {
        p.partition: m.state_end - p.state_end
        for p, m in known
        if p.state_end is not None and m.state_end > p.state_end
    }
    if short:
        results.append(CheckResult(
            "offsets.snapshots", "failure",
            f"state topic {options.state!r} ends before the last snapshots, by partition: {_by_partition(short)}",
            "", "point `kafka.state` at the right one; if it was recreated, reset the group's offsets to do without",
        ))  # fmt: skip
    replay = max((p.committed - m.replay_from for p, m in known), default=0)
    return results or [
        CheckResult("offsets.replay", "ok", f"a restart replays at most {replay} messages of a partition")
    ]


def _lag(progress: list[PartitionProgress]) -> CheckResult:
    lag = {p.partition: max(p.high - p.committed, 0) for p in progress}
    return CheckResult("lag", "ok", f"{sum(lag.values())} messages, by partition: {_by_partition(lag)}")


def _by_partition(by_partition: Mapping[int, int]) -> str:
    return ", ".join(f"{partition}: {count}" for partition, count in sorted(by_partition.items()))
