"""Start-up checks of the broker and the group; `topic_checks` has those of a single topic."""

from stream.detect.definition import Definition
from stream.kafka.admin.check_result import CheckResult, not_checked
from stream.kafka.admin.cluster import Cluster, Configuration, NoAnswer, describe_cluster, topics_by_use
from stream.kafka.admin.topic_checks import CREATE, check_topic, setting
from stream.kafka.client import KafkaOptions
from stream.kafka.listeners import REMEDY, described
from stream.messages import counted

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
# A shorter retention may delete readings before a consumer that was away has read them.
SHORT_RETENTION_MS = HOUR_MS
FOREVER_MS = -1
# Parts of a snapshot in MessagePack: names of fields, and an open incident.
SNAPSHOT_BYTES = 1024
# Of each sensor: the carried value, and its share of the incident.
SENSOR_BYTES = 160
OPEN_TICK_BYTES = 32
# Of each sensor in an open tick: value, count and time.
OPEN_SENSOR_BYTES = 27


def snapshot_bytes(definition: Definition) -> int:
    """Upper bound of the size of a snapshot, for names of series of up to some hundred bytes."""
    spec, policy = definition.spec, definition.policy
    ticks = 0 if policy.resample == "none" else policy.grace_ns // policy.interval_ns + 2
    names = sum(len(name.encode()) for name in definition.sensors)
    return (
        SNAPSHOT_BYTES
        + names
        + SENSOR_BYTES * spec.sensors
        + spec.receptive_field * 8 * (spec.sensors + 1)
        + ticks * (OPEN_TICK_BYTES + OPEN_SENSOR_BYTES * spec.sensors)
    )


def startup_checks(options: KafkaOptions, snapshot: int | None = None) -> list[CheckResult]:
    """Asks the broker, and runs the start-up checks.

    Args:
        snapshot: upper bound of the size of a snapshot, bytes; None: not known.

    Raises:
        BrokerError: no broker answers.
    """
    return check_cluster(describe_cluster(options), options, snapshot)


def check_cluster(cluster: Cluster, options: KafkaOptions, snapshot: int | None) -> list[CheckResult]:
    """Runs the start-up checks on the answers of a broker."""
    brokers = counted(cluster.brokers, "broker")
    results = [CheckResult("broker", "ok", f"{brokers} at {options.common['bootstrap.servers']}")]
    if cluster.unreachable:
        seen = described(options.common["bootstrap.servers"], cluster.unreachable)
        results.append(CheckResult("broker.listeners", "warning", seen, "a connection to every broker", REMEDY))
    for use, name in topics_by_use(options).items():
        results += check_topic(cluster, use, name)
    results += _state(cluster, options, snapshot)
    results += _retention(cluster, options)
    results += _timeouts(cluster, options)
    results.append(_group(cluster, options))
    return results


def _state(cluster: Cluster, options: KafkaOptions, snapshot: int | None) -> list[CheckResult]:
    state, readings = cluster.topic(options.state), cluster.topic(options.input)
    results = []
    if state is not None and readings is not None:
        results.append(_partitions(options, state.partitions, readings.partitions))
    config = cluster.configurations.get(options.state)
    if config is not None and not isinstance(config, NoAnswer) and snapshot is not None:
        results.append(_message_size(options.state, int(config["max.message.bytes"]), snapshot))
    return results


def _partitions(options: KafkaOptions, states: int, inputs: int) -> CheckResult:
    seen = f"state topic {options.state!r} has {states} partitions, input topic {options.input!r} has {inputs}"
    if states == inputs:
        return CheckResult("state.partitions", "ok", seen)
    if states < inputs:
        return CheckResult("state.partitions", "failure", seen, "as many", f"{CREATE} adds those that are missing")
    return CheckResult(
        "state.partitions", "failure", seen, "as many",
        f"raise the input topic's to {states}; or reset the group's offsets and point `kafka.state` at a new topic, "
        "whereupon every series warms up",
    )  # fmt: skip


def _message_size(topic: str, limit: int, needed: int) -> CheckResult:
    seen = f"state topic {topic!r} has max.message.bytes={limit}, a snapshot up to {needed}"
    if limit >= needed:
        return CheckResult("state.message_size", "ok", seen)
    return CheckResult(
        "state.message_size", "failure", seen, f"at least {needed}", setting(topic, f"max.message.bytes={needed}")
    )


def _retention(cluster: Cluster, options: KafkaOptions) -> list[CheckResult]:
    config = cluster.configurations.get(options.input)
    if config is None or isinstance(config, NoAnswer):
        return []
    results = [_time_kept(options.input, int(config["retention.ms"])), _bytes_kept(options.input, config)]
    return [*results, _offsets_kept(cluster.broker, options.input, int(config["retention.ms"]))]


def _time_kept(topic: str, kept_ms: int) -> CheckResult:
    seen = f"input topic {topic!r} keeps readings for {span(kept_ms)}"
    if kept_ms == FOREVER_MS or kept_ms >= SHORT_RETENTION_MS:
        return CheckResult("retention.time", "ok", seen)
    return CheckResult(
        "retention.time", "warning", f"{seen}: a consumer that is away for longer loses readings",
        f"at least {span(SHORT_RETENTION_MS)}", setting(topic, "retention.ms=86400000"),
    )  # fmt: skip


def _bytes_kept(topic: str, config: Configuration) -> CheckResult:
    limit = int(config["retention.bytes"])
    if limit < 0:
        return CheckResult("retention.bytes", "ok", f"input topic {topic!r} keeps readings whatever their size")
    return CheckResult(
        "retention.bytes", "warning",
        f"input topic {topic!r} keeps {limit:,} bytes a partition: a consumer that falls behind by more loses readings",
        "retention.bytes=-1, or room for the longest time that the consumer may be away",
        setting(topic, "retention.bytes=-1"),
    )  # fmt: skip


def _offsets_kept(broker: Configuration | NoAnswer, topic: str, kept_ms: int) -> CheckResult:
    """Checks that offsets are kept as long as readings.

    The broker deletes the offsets of a group that is away for long. It would read everything again that is still there.
    """
    if isinstance(broker, NoAnswer):
        return not_checked("retention.offsets", broker, "DescribeConfigs on the cluster")
    offsets_ms = int(broker["offsets.retention.minutes"]) * MINUTE_MS
    seen = f"the broker keeps the offsets of a group that is away for {span(offsets_ms)}, readings for {span(kept_ms)}"
    if kept_ms != FOREVER_MS and kept_ms <= offsets_ms:
        return CheckResult("retention.offsets", "ok", seen)
    return CheckResult(
        "retention.offsets", "warning",
        f"{seen}: a consumer that is away for longer starts again with the oldest reading, and repeats its alerts",
        "offsets kept as long as readings",
        f"raise the broker's offsets.retention.minutes, or lower retention.ms of topic {topic!r}",
    )  # fmt: skip


def _timeouts(cluster: Cluster, options: KafkaOptions) -> list[CheckResult]:
    broker, names = cluster.broker, ("timeout.transaction", "timeout.session")
    if isinstance(broker, NoAnswer):
        return [not_checked(name, broker, "DescribeConfigs on the cluster") for name in names]
    longest = int(broker["transaction.max.timeout.ms"])
    low, high = int(broker["group.min.session.timeout.ms"]), int(broker["group.max.session.timeout.ms"])
    transaction, session = options.transaction_timeout_ms, options.session_timeout_ms
    limits = "group.min.session.timeout.ms or group.max.session.timeout.ms"
    return [
        _within(names[0], "serve.transaction_timeout", transaction, 1, longest, "transaction.max.timeout.ms"),
        _within(names[1], "serve.session_timeout", session, low, high, limits),
    ]


def _within(check: str, name: str, value: int, low: int, high: int, theirs: str) -> CheckResult:
    seen = f"`{name}` is {value} ms, the broker takes {low} to {high}"
    if low <= value <= high:
        return CheckResult(check, "ok", seen)
    return CheckResult(check, "failure", seen, "one within", f"change `{name}`, or the broker's {theirs}")


def span(milliseconds: int) -> str:
    """A duration for people, like ever, 36 h, 7 d, 90 s."""
    if milliseconds == FOREVER_MS:
        return "ever"
    for size, unit in ((24 * HOUR_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "min")):
        if milliseconds >= 2 * size or milliseconds == size:
            return f"{milliseconds / size:g} {unit}"
    return f"{milliseconds / 1000:g} s"


def _group(cluster: Cluster, options: KafkaOptions) -> CheckResult:
    group, check = cluster.group, "permission.group"
    grant = f"grant this user Read on group {options.group!r}"
    if isinstance(group, NoAnswer):
        if group.denied:
            return CheckResult(check, "failure", f"group {options.group!r}: {group.reason}", "Read", grant)
        return not_checked(check, group, f"Read on group {options.group!r}")
    if not group.operations:
        return CheckResult(
            check, "warning", f"group {options.group!r}: the broker does not report what this user may do"
        )
    may = ", ".join(sorted(group.operations))
    if "READ" not in group.operations:
        return CheckResult(check, "failure", f"group {options.group!r}: this user may {may}", "READ", grant)
    return CheckResult(check, "ok", f"group {options.group!r}: READ")
