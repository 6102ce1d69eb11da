"""Reads a whole topic, and appends a record to one: for commands, outside of the loop and its transactions."""

import time
from collections.abc import Iterator, Mapping

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from stream.errors import BrokerError
from stream.kafka.client import ErrorCallback, make_client
from stream.kafka.listeners import Node, check_reachable

# For any answer of the broker.
PATIENCE_SECONDS = 15.0
READ_RECORDS = 1000
# Topics that an error names.
_LISTED = 20
Common = Mapping[str, str | int | float | bool]


def read_topic(common: Common, topic: str) -> list[tuple[str, bytes]]:
    """All committed records with a value, each as (topic/partition/offset, value).

    Args:
        common: librdkafka options of every client.

    Raises:
        BrokerError: no broker answers, there is no such topic, or this user may not read it.
    """
    reader = make_client(
        Consumer,
        {
            **quiet(common),
            "group.id": "narrows-reader",  # librdkafka wants one; it is never joined
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        },
    )
    try:
        partitions = partitions_of(reader, topic)
        reader.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(partitions)])
        found = ((f"{topic}/{m.partition()}/{m.offset()}", m.value()) for m in _until_end(reader, topic, partitions))
        return [(where, value) for where, value in found if value is not None]
    finally:
        reader.close()


def append_record(common: Common, topic: str, key: bytes, value: bytes) -> None:
    """Appends one record to a topic, and waits until it is written.

    Raises:
        BrokerError: no broker answers, there is no such topic, or the broker refuses the record.
    """
    options = {**quiet(common), "enable.idempotence": True, "message.timeout.ms": int(PATIENCE_SECONDS * 1000)}
    producer = make_client(Producer, options)
    partitions_of(producer, topic)
    faults: list[KafkaError] = []
    producer.produce(topic, value, key, on_delivery=lambda fault, message: faults.append(fault) if fault else None)
    if producer.flush(2 * PATIENCE_SECONDS) or faults:
        why = faults[0].str() if faults else "no answer"
        raise BrokerError(f"topic {topic!r}: the record was not written ({why}); grant Write, or try again")


def quiet(common: Common) -> dict[str, str | int | float | bool | ErrorCallback]:
    """Options for a client that logs nothing: the functions here raise its errors in their own words."""
    return {**common, "error_cb": lambda error: None, "log_level": 0}


def partitions_of(client: Consumer | Producer, topic: str) -> int:
    """Number of partitions of a topic.

    Raises:
        BrokerError: no broker answers, or only at the bootstrap address, or there is no such topic.
    """
    try:
        # All of them: a broker may make a topic that is asked for by name.
        metadata = client.list_topics(timeout=PATIENCE_SECONDS)
    except KafkaException as fault:
        raise BrokerError(
            f"no broker answers ({fault.args[0].str()}); check `kafka.bootstrap` and the login"
        ) from fault
    # `list_topics` is content with the bootstrap address.
    check_reachable("address", [Node(broker.id, broker.host, broker.port) for broker in metadata.brokers.values()])
    topics = metadata.topics
    if topic not in topics:
        others = sorted(name for name in topics if not name.startswith("__"))
        there = ", ".join(others[:_LISTED]) + (" ..." if len(others) > _LISTED else "") or "none"
        raise BrokerError(
            f"topic {topic!r} is missing; `narrows topics --create` makes it, or name another (there are: {there})"
        )
    return len(topics[topic].partitions)


def _until_end(reader: Consumer, topic: str, partitions: int) -> Iterator[Message]:
    ended: set[int | None] = set()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(ended) < partitions:
        for message in reader.consume(READ_RECORDS, 0.1):
            deadline = time.monotonic() + PATIENCE_SECONDS
            fault = message.error()
            if fault is None:
                yield message
            elif fault.code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition())
            else:
                raise BrokerError(f"topic {topic!r}: {fault.str()}; grant Read, or name another")
        if time.monotonic() > deadline:
            raise BrokerError(f"topic {topic!r}: no answer for {PATIENCE_SECONDS:g} s; try again")
