"""Makes the Kafka clients as exactly-once needs them, and classifies the errors of the producer."""

import contextlib
import logging
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeVar

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicCollection
from confluent_kafka.admin import AdminClient

from stream.errors import ConfigError

# Lines that librdkafka logs itself. Its errors also reach `error_cb`.
LIBRDKAFKA = logging.getLogger("librdkafka")

# By default, librdkafka stops fetching for a whole second whenever 100,000 messages are queued, so that nobody gets
# more than 100,000 readings/s.
# A partition that is assigned while a fetch waits for records of others is fetched when that wait ends, 0.5 s by
# default: a restart was as much slower.
FETCH_OPTIONS: Mapping[str, int] = {"fetch.queue.backoff.ms": 2, "fetch.wait.max.ms": 50}

# For a question of the loop to the broker. Longer than any answer of a healthy broker, shorter than a delay that
# anybody notices. A pending transaction makes the question for a committed offset time out.
ASK_SECONDS = 0.2
TOPIC_ID_SECONDS = 5.0
WARM_SECONDS = 1.0
# Bounds each call of the transactional producer outside of a commit, and a commit as a whole. A commit may run inside a
# rebalance callback, and must end within the session time-out.
CALL_SECONDS = 5.0
# For a call to return after its own time-out.
GRACE_SECONDS = 1.0
# A second fencing this soon after the first means a twin: another live process of the same name. The first may also
# come from our own transaction that timed out, or from a broker killed while we joined.
TWIN_SECONDS = 30.0
_NO_PROVIDER = re.compile(r"No provider for SASL mechanism (\S+?):")
log = structlog.get_logger()

FORBIDDEN = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED)

ErrorCallback = Callable[[KafkaError], None]


@dataclass(frozen=True)
class KafkaOptions:
    """Broker, names and topics of one consumer process.

    Attributes:
        instance: name of this process, the same after a restart; gives transactional.id and group.instance.id.
        common: librdkafka options for every client: bootstrap servers, security, and those of `kafka.options`.
        transaction_timeout_ms: time after which the broker aborts the transaction of a dead process.
        session_timeout_ms: time after which the group gives the partitions of a dead process to others.
        open_incidents: compacted topic with the newest alert event of each open incident.
        mutes: compacted topic of the series that people have muted.
        feedback: topic of people's judgements on alerts; the consumer does not use it.
    """

    group: str
    instance: str
    input: str
    alerts: str
    dead_letters: str
    state: str
    status: str
    open_incidents: str
    mutes: str
    scores: str | None
    common: Mapping[str, str | int | float | bool]
    transaction_timeout_ms: int
    session_timeout_ms: int
    feedback: str | None


Client = TypeVar("Client", Consumer, Producer)


def make_client(kind: type[Client], options: Mapping[str, Any]) -> Client:
    """Makes a client; raises ConfigError where librdkafka refuses its options."""
    try:
        return kind(dict(options), logger=LIBRDKAFKA)
    except (KafkaException, TypeError, ValueError) as fault:
        raise ConfigError(refused(fault)) from fault


def options_fault(common: Mapping[str, str]) -> str | None:
    """The fault of the options that every client shares; None where there is none. Connects to nothing."""
    options = {name: value for name, value in common.items() if name != "bootstrap.servers"}
    try:
        make_client(Producer, {**options, "log_level": 0, "error_cb": lambda error: None})
    except ConfigError as error:
        return str(error)
    return None


def refused(fault: Exception) -> str:
    """The words about options that librdkafka refuses, with the setting that they are about."""
    reason = fault.args[0].str() if isinstance(fault, KafkaException) else str(fault)
    built_without, _, there = reason.partition("Current build options: ")
    mechanism = _NO_PROVIDER.search(built_without)
    if mechanism is None:
        return f"kafka.options: librdkafka refuses them ({reason})"
    mechanisms = there.replace("SASL_SCRAM", "SCRAM-SHA-256, SCRAM-SHA-512").replace(" ", ", ").replace(",,", ",")
    return (
        f"kafka.sasl_mechanism: {mechanism[1]}, which the installed Kafka client was built without (it has "
        f"{mechanisms}); use one of these, or install confluent-kafka built from source with it"
    )


def main_consumer(options: KafkaOptions, on_error: ErrorCallback) -> Consumer:
    """The client that reads the input topic as a member of the group."""
    return make_client(
        Consumer,
        {
            **FETCH_OPTIONS,
            **options.common,
            "group.id": options.group,
            "group.instance.id": options.instance,
            "client.id": options.instance,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",
            "partition.assignment.strategy": "cooperative-sticky",
            "enable.partition.eof": True,
            "session.timeout.ms": options.session_timeout_ms,
            "error_cb": on_error,
        },
    )


def state_reader(options: KafkaOptions, on_error: ErrorCallback) -> Consumer:
    """The client that reads snapshots, by assignment: it never joins the group that it names.

    One question to the broker is asked here, which saves 0.5 s in each restore.
    """
    reader = make_client(
        Consumer,
        {
            **FETCH_OPTIONS,
            **options.common,
            "group.id": f"{options.group}.state-reader",
            "client.id": f"{options.instance}.state-reader",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
            "error_cb": on_error,
        },
    )
    with contextlib.suppress(KafkaException):
        reader.list_topics(options.state, timeout=WARM_SECONDS)
    return reader


def transactional_producer(options: KafkaOptions, on_error: ErrorCallback) -> Producer:
    """The client that writes everything; the caller still calls `init_transactions`.

    One question to the broker is asked here: `init_transactions` of a client without a connection takes 0.5 s longer.
    """
    producer = make_client(
        Producer,
        {
            "compression.type": "lz4",
            "message.max.bytes": 8 << 20,
            "linger.ms": 5,
            **options.common,
            "client.id": options.instance,
            "transactional.id": f"{options.group}.{options.instance}",
            "transaction.timeout.ms": options.transaction_timeout_ms,
            "error_cb": on_error,
        },
    )
    with contextlib.suppress(KafkaException):
        producer.list_topics(options.alerts, timeout=ASK_SECONDS)
    return producer


def topic_id(options: KafkaOptions) -> str:
    """Id of the input topic, which changes when the topic is deleted and made again; "" where the broker gives none."""
    admin = AdminClient(dict(options.common), logger=LIBRDKAFKA)
    asked = admin.describe_topics(TopicCollection([options.input]), request_timeout=TOPIC_ID_SECONDS)
    try:
        return str(asked[options.input].result(TOPIC_ID_SECONDS).topic_id)
    except (KafkaException, TimeoutError) as fault:
        log.warning("topic.id_unknown", topic=options.input, error=str(fault))
        return ""


def group_membership(consumer: Consumer) -> bytes | None:
    """The group's metadata of the consumer, as a commit carries it; None where the consumer is no member.

    The broker does not check a commit that carries no member. The metadata reads `CGMDv2:`, int32 generation, group
    NUL, member NUL.
    """
    metadata: bytes = consumer.consumer_group_metadata()
    generation = int.from_bytes(metadata[7:11], sys.byteorder, signed=True)
    return metadata if generation >= 0 and metadata[11:].split(b"\0")[1] else None


@dataclass(frozen=True)
class Clients:
    """Functions that make the clients and ask for a topic id; a simulation replaces them."""

    consumer: Callable[[KafkaOptions, ErrorCallback], Consumer] = main_consumer
    reader: Callable[[KafkaOptions, ErrorCallback], Consumer] = state_reader
    producer: Callable[[KafkaOptions, ErrorCallback], Producer] = transactional_producer
    topic_id: Callable[[KafkaOptions], str] = topic_id


class Remedy(Enum):
    """Reaction to an error of the transactional producer."""

    ABORT = auto()
    REBUILD = auto()
    FENCED = auto()


FENCING = (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED)


def remedy(fault: KafkaException | SystemError) -> Remedy:
    """Chooses the reaction: abort where the error allows it, else a new producer, as after a commit that timed out.

    A SystemError is a fatal error that was raised while a delivery callback ran.
    """
    if isinstance(fault, SystemError):
        return Remedy.REBUILD
    error = fault.args[0]
    if error.code() in FENCING:
        return Remedy.FENCED
    if error.txn_requires_abort() and not error.fatal():
        return Remedy.ABORT
    return Remedy.REBUILD
