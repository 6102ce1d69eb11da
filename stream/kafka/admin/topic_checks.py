"""Start-up checks of a single topic, by its use."""

from stream.kafka.admin.check_result import CheckOutcome, CheckResult, not_checked
from stream.kafka.admin.cluster import Cluster, Configuration, NoAnswer, Topic
from stream.messages import counted

CREATE = "`narrows topics --create`"
NEEDED = {"input": ("READ",), "state": ("READ", "WRITE"), "mutes": ("READ",)}
OUTPUT_NEEDS = ("WRITE",)
# Topics that keep the last record of each key for ever, and those records.
COMPACTED = {
    "state": "snapshots that are needed",
    "open_incidents": "incidents that are open for long",
    "mutes": "mutes that are in force",
}
SAFE_COPIES = 3
SAFE_IN_SYNC = 2


def check_topic(cluster: Cluster, use: str, name: str) -> list[CheckResult]:
    """Checks that a topic exists, may be used, has the right cleanup policy, and survives the loss of a broker."""
    topic = cluster.topics.get(name)
    existence = _existence(use, name, topic)
    if topic is None or isinstance(topic, NoAnswer):
        return [existence]
    results = [existence, _permission(use, name, topic)]
    config = cluster.configurations.get(name)
    if isinstance(config, NoAnswer):
        results.append(not_checked(f"configuration.{use}", config, f"DescribeConfigs on topic {name!r}"))
    elif config is not None:
        results.append(_cleanup(use, name, config))
    return [*results, _copies(cluster, use, name, topic)]


def setting(topic: str, value: str) -> str:
    """The command that changes a setting of a topic."""
    return f"kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config {value}"


def _existence(use: str, name: str, topic: Topic | NoAnswer | None) -> CheckResult:
    check, called = f"topic.{use}", f"topic {name!r} ({use})"
    if topic is None:
        return CheckResult(
            check, "failure", f"{called} is missing", "", f"{CREATE} makes it, or name another in the configuration"
        )
    if isinstance(topic, NoAnswer):
        if topic.denied:
            return CheckResult(
                check, "failure", f"{called}: {topic.reason}", " and ".join(_needs(use)), _grant(use, name)
            )
        return not_checked(check, topic, f"Describe on topic {name!r}")
    if topic.leaderless:
        return CheckResult(
            check, "warning", f"{called}: partitions {list(topic.leaderless)} have no leader", "a leader for each",
            "bring the brokers that hold them back; until then nothing is read from them or written to them",
        )  # fmt: skip
    return CheckResult(check, "ok", f"{called}: {counted(topic.partitions, 'partition')}")


def _needs(use: str) -> tuple[str, ...]:
    return NEEDED.get(use, OUTPUT_NEEDS)


def _grant(use: str, name: str) -> str:
    return f"grant this user {' and '.join(need.capitalize() for need in _needs(use))} on topic {name!r}"


def _permission(use: str, name: str, topic: Topic) -> CheckResult:
    check = f"permission.{use}"
    if not topic.operations:
        return CheckResult(check, "warning", f"topic {name!r}: the broker does not report what this user may do")
    if not topic.operations.issuperset(_needs(use)):
        may = ", ".join(sorted(topic.operations))
        return CheckResult(
            check, "failure", f"topic {name!r}: this user may {may}", " and ".join(_needs(use)), _grant(use, name)
        )
    return CheckResult(check, "ok", f"topic {name!r}: {', '.join(_needs(use))}")


def _cleanup(use: str, name: str, config: Configuration) -> CheckResult:
    check, policy = f"cleanup.{use}", config["cleanup.policy"]
    seen = f"topic {name!r} ({use}) has cleanup.policy={policy}"
    if use in COMPACTED:
        if policy == "compact":
            return CheckResult(check, "ok", seen)
        return CheckResult(
            check, "failure", f"{seen}: {COMPACTED[use]} would be deleted", "compact",
            setting(name, "cleanup.policy=compact"),
        )  # fmt: skip
    if "compact" not in policy:
        return CheckResult(check, "ok", seen)
    # A record without a key is refused by a compacted topic: no transaction with such a dead letter could commit.
    lost = {"input": "readings of one series delete one another", "dead_letters": "letters without a key are refused"}
    effect = lost.get(use, "of each series only the last record stays")
    outcome: CheckOutcome = "failure" if use in lost else "warning"
    return CheckResult(check, outcome, f"{seen}: {effect}", "delete", setting(name, "cleanup.policy=delete"))


def _copies(cluster: Cluster, use: str, name: str, topic: Topic) -> CheckResult:
    check, config = f"replication.{use}", cluster.configurations.get(name)
    seen = f"topic {name!r} ({use}): {topic.replication} of {cluster.brokers} brokers hold each partition"
    if topic.replication == 1 and cluster.brokers > 1:
        return CheckResult(
            check, "warning", f"{seen}: it is lost with that broker", f"{min(cluster.brokers, SAFE_COPIES)}",
            "reassign its partitions with kafka-reassign-partitions.sh",
        )  # fmt: skip
    in_sync = SAFE_IN_SYNC if config is None or isinstance(config, NoAnswer) else int(config["min.insync.replicas"])
    if topic.replication >= SAFE_COPIES and in_sync < SAFE_IN_SYNC:
        return CheckResult(
            check, "warning", f"{seen}, min.insync.replicas={in_sync}: a record on a single broker counts as written",
            f"min.insync.replicas={SAFE_IN_SYNC}", setting(name, f"min.insync.replicas={SAFE_IN_SYNC}"),
        )  # fmt: skip
    return CheckResult(check, "ok", seen)
