"""Asks the broker about itself, our topics and our group, once and all at the same time."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from confluent_kafka import ConsumerGroupState, KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]

from stream.errors import BrokerError, ConfigError
from stream.kafka.client import KafkaOptions, refused
from stream.kafka.listeners import Node, Unreachable, check_reachable

CONNECT_SECONDS = 15.0
# For a question to a broker that has just answered. A later answer must not delay the start.
ASK_SECONDS = 5.0
POLL_SECONDS = 0.05
DENIED = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
)
ABSENT = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.GROUP_ID_NOT_FOUND)

# Errors of a broker that was just started, or that takes over a group just now.
NOT_YET = (KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS)

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class NoAnswer:
    """A question that the broker did not answer.

    Attributes:
        denied: this user lacks a permission.
        not_yet: the broker is not ready for the question.
    """

    reason: str
    denied: bool
    not_yet: bool = False


NOTHING = NoAnswer("the broker reports nothing", denied=False)


@dataclass(frozen=True)
class Topic:
    """A topic that exists.

    Attributes:
        replication: copies of the partition that has the fewest.
        leaderless: partitions that nobody can read or write.
        operations: those this user may do: READ, WRITE, DESCRIBE, ...; empty where the broker does not report them.
        id: changes when the topic is deleted and made again; "" where the broker does not report it.
    """

    partitions: int
    replication: int
    leaderless: tuple[int, ...]
    operations: frozenset[str]
    id: str = ""


@dataclass(frozen=True)
class Group:
    """Our consumer group.

    Attributes:
        instances: host of each static member, by its name.
        owners: name of the member that has each partition, by (topic, partition).
    """

    operations: frozenset[str]
    instances: Mapping[str, str]
    owners: Mapping[tuple[str, int], str]


Configuration = Mapping[str, str]


@dataclass(frozen=True)
class Cluster:
    """Answers of the broker. A topic that does not exist is in neither `topics` nor `configurations`.

    Attributes:
        unreachable: brokers whose advertised listener takes no connection.
    """

    brokers: int
    topics: Mapping[str, Topic | NoAnswer]
    configurations: Mapping[str, Configuration | NoAnswer]
    broker: Configuration | NoAnswer
    group: Group | NoAnswer
    unreachable: Sequence[Unreachable] = ()

    def topic(self, name: str) -> Topic | None:
        """The topic; None where it does not exist, or this user may not describe it."""
        answer = self.topics.get(name)
        return answer if isinstance(answer, Topic) else None


def topics_by_use(options: KafkaOptions) -> dict[str, str]:
    """Name of the topic of each use; `scores` only where verdicts are written."""
    named = {
        "input": options.input,
        "alerts": options.alerts,
        "dead_letters": options.dead_letters,
        "state": options.state,
        "status": options.status,
        "open_incidents": options.open_incidents,
        "mutes": options.mutes,
    }
    return named if options.scores is None else named | {"scores": options.scores}


def admin_client(options: KafkaOptions, on_error: Callable[[KafkaError], None] = lambda error: None) -> AdminClient:
    """Makes an admin client that logs nothing: its answers carry the errors.

    Keep the client in a variable: its answers fail when it is collected.

    Raises:
        ConfigError: librdkafka refuses its options.
    """
    settings: dict[str, Any] = {**options.common, "log_level": 0, "error_cb": on_error}
    try:
        return AdminClient(settings)
    except (KafkaException, TypeError, ValueError) as fault:
        raise ConfigError(refused(fault)) from fault


def describe_cluster(options: KafkaOptions) -> Cluster:
    """Asks for everything that the checks need.

    Raises:
        BrokerError: no broker answers, or only at the bootstrap address.
        ConfigError: librdkafka refuses its options.
    """
    faults: list[KafkaError] = []
    admin = admin_client(options, faults.append)
    nodes = _nodes(admin, options, faults)
    unreachable = check_reachable(options.common["bootstrap.servers"], nodes)
    names = list(topics_by_use(options).values())
    own = ConfigResource(ResourceType.BROKER, str(nodes[0].id))
    resources = {name: ConfigResource(ResourceType.TOPIC, name) for name in names}
    topics = admin.describe_topics(
        TopicCollection(names), include_authorized_operations=True, request_timeout=ASK_SECONDS
    )
    configs = admin.describe_configs([*resources.values(), own], request_timeout=ASK_SECONDS)
    asked_topics = {name: result_of(topics[name], _topic) for name in names}
    asked_configs = {name: result_of(configs[resource], _configuration) for name, resource in resources.items()}
    return Cluster(
        brokers=len(nodes),
        topics={name: answer for name, answer in asked_topics.items() if answer is not None},
        configurations={name: answer for name, answer in asked_configs.items() if answer is not None},
        broker=result_of(configs[own], _configuration) or NOTHING,
        group=_ask_for_group(admin, options.group),
        unreachable=unreachable,
    )


def result_of(future: "Future[Any]", convert: Callable[[Any], Answer]) -> Answer | NoAnswer | None:
    """Result of the future, converted; None where the broker answers that there is no such topic or group."""
    try:
        return convert(future.result(CONNECT_SECONDS))
    except KafkaException as fault:
        error = fault.args[0]
        if error.code() in ABSENT:
            return None
        return NoAnswer(f"{error.str()} ({error.name()})", error.code() in DENIED, error.code() in NOT_YET)
    except TimeoutError:
        return NoAnswer("no answer", denied=False)


def _nodes(admin: AdminClient, options: KafkaOptions, faults: list[KafkaError]) -> list[Node]:
    """The brokers as they advertise themselves."""
    future = admin.describe_cluster(request_timeout=CONNECT_SECONDS)
    deadline = time.monotonic() + CONNECT_SECONDS
    while not future.done() and time.monotonic() < deadline:
        # Errors of the connection arrive here; the answer comes from a thread of the client.
        admin.poll(POLL_SECONDS)
    try:
        return [Node(node.id, node.host, node.port) for node in future.result(ASK_SECONDS).nodes]
    except (KafkaException, TimeoutError) as fault:
        where = options.common["bootstrap.servers"]
        reasons = [error.str() for error in faults if error.code() != KafkaError._ALL_BROKERS_DOWN]
        reason = reasons[-1] if reasons else str(fault)
        raise BrokerError(
            f"no broker answers at {where} ({reason}); check `kafka.bootstrap`, `kafka.security_protocol` and the login"
        ) from fault


def _ask_for_group(admin: AdminClient, name: str) -> Group | NoAnswer:
    """Asks again while the group has no coordinator yet."""
    deadline = time.monotonic() + ASK_SECONDS
    while True:
        asked = admin.describe_consumer_groups([name], include_authorized_operations=True, request_timeout=ASK_SECONDS)
        answer = result_of(asked[name], _group) or NOTHING
        if isinstance(answer, Group) or not answer.not_yet or time.monotonic() > deadline:
            return answer
        time.sleep(POLL_SECONDS)


def _topic(described: Any) -> Topic:  # noqa: ANN401 - the client's TopicDescription is only partly typed
    partitions = described.partitions
    return Topic(
        partitions=len(partitions),
        replication=min((len(partition.replicas) for partition in partitions), default=0),
        leaderless=tuple(p.id for p in partitions if p.leader is None or p.leader.id < 0),
        operations=_operations(described),
        id="" if described.topic_id is None else str(described.topic_id),
    )


def _group(described: Any) -> Group:  # noqa: ANN401 - as above
    members = described.members if described.state != ConsumerGroupState.DEAD else []
    instances = {m.group_instance_id: m.host.lstrip("/") for m in members if m.group_instance_id}
    owners = {
        (tp.topic, tp.partition): m.group_instance_id or m.client_id
        for m in members
        for tp in m.assignment.topic_partitions
    }
    return Group(_operations(described), instances, owners)


def _operations(described: Any) -> frozenset[str]:  # noqa: ANN401 - as above
    return frozenset(operation.name for operation in described.authorized_operations or ())


def _configuration(entries: Any) -> Configuration:  # noqa: ANN401 - as above
    # A sensitive entry has no value.
    return {name: entry.value for name, entry in entries.items() if entry.value is not None}
