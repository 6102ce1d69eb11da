"""The topics: what must be there before the first reading, and making it."""

from collections.abc import Mapping

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from stream.errors import BrokerError
from stream.kafka.client import KafkaOptions

ADMIN_SECONDS = 15.0
# Snapshots are small and many: short segments let compaction keep up with them.
STATE_CONFIG = {
    "cleanup.policy": "compact",
    "segment.ms": "600000",
    "min.cleanable.dirty.ratio": "0.3",
    "max.message.bytes": str(8 << 20),
}


def partitions_of(options: KafkaOptions) -> dict[str, int]:
    """Partition count of each topic that exists.

    Raises:
        BrokerError: no broker answers.
    """
    admin = AdminClient(dict(options.common))
    try:
        found = admin.list_topics(timeout=ADMIN_SECONDS).topics
    except KafkaException as fault:
        where = options.common["bootstrap.servers"]
        raise BrokerError(f"no broker answers at {where} ({fault.args[0].str()}); check `kafka.bootstrap`") from fault
    return {name: len(topic.partitions) for name, topic in found.items()}


def check(options: KafkaOptions) -> None:
    """All topics are there and the state topic has a partition for each of the input's.

    Raises:
        BrokerError: names every fault and what to do.
    """
    found = partitions_of(options)
    wanted = _wanted(options)
    faults = [f"topic {name!r} ({use}) is missing" for use, name in wanted.items() if name not in found]
    inputs, states = found.get(options.input), found.get(options.state)
    if inputs is not None and states is not None and inputs != states:
        faults.append(
            f"state topic {options.state!r} has {states} partitions, input topic {options.input!r} has {inputs}: "
            "they must agree; make a new state topic"
        )
    if faults:
        raise BrokerError("; ".join(faults) + ". `narrows topics --create` makes what is missing")


def create(options: KafkaOptions, partitions: int, replication: int) -> Mapping[str, int]:
    """Makes the topics that are missing; those derived from the input topic get as many partitions as it has.

    Returns:
        Partition count of each topic that was made.
    """
    found = partitions_of(options)
    count = found.get(options.input, partitions)
    missing = {name: use for use, name in _wanted(options).items() if name not in found}
    admin = AdminClient(dict(options.common))
    topics = [
        NewTopic(name, count, replication, config=STATE_CONFIG if use == "state" else {})
        for name, use in missing.items()
    ]
    for name, made in (admin.create_topics(topics) if topics else {}).items():
        try:
            made.result(ADMIN_SECONDS)
        except KafkaException as fault:
            raise BrokerError(f"topic {name!r}: {fault.args[0].str()}; create it by hand, or grant Create") from fault
    return dict.fromkeys(missing, count)


def _wanted(options: KafkaOptions) -> dict[str, str]:
    uses = {
        "input": options.input,
        "alerts": options.alerts,
        "dead letters": options.dead_letters,
        "state": options.state,
        "status": options.status,
    }
    return uses if options.scores is None else uses | {"scores": options.scores}
