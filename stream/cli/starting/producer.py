"""Writes a short program that sends readings in the configured layout, with a few of the readings that were seen."""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from stream.events.record import rfc3339
from stream.intake.field_paths import joined, split
from stream.settings import Settings

_EPOCHS = {"epoch_s": 1_000_000_000, "epoch_ms": 1_000_000, "epoch_us": 1_000, "epoch_ns": 1}
_Tree = dict[str, "str | _Tree"]
_PROGRAM = '''\
"""Sends readings to the topic {topic}, in the layout that {config} names. Written by `narrows init`."""

import json
import os

from confluent_kafka import KafkaException, Producer

TOPIC = "{topic}"


def readings():
    """Your readings, oldest first: {what}. None means that a value is missing."""
{examples}


def message({arguments}):
    return {body}


def check(error, message):
    if error is not None:
        raise KafkaException(error)  # this reading was not delivered


producer = Producer({{"bootstrap.servers": os.environ.get("BOOTSTRAP", {bootstrap}), "enable.idempotence": True}})
for reading in readings():
    while len(producer) >= 10_000:  # the queue of the client is limited: wait for deliveries
        producer.poll(1)
    # The key decides the partition: all readings of an asset go to one, in order.
    producer.produce(TOPIC, json.dumps(message(*reading)), key=reading[0], on_delivery=check)
    producer.poll(0)
producer.flush()
'''


class Example(NamedTuple):
    """One reading that was seen; missing values are None."""

    series: str
    time_ns: int
    values: Mapping[str, float | None]


def producer_program(settings: Settings, config: str, examples: Sequence[Example]) -> str:
    """The program as text.

    Args:
        settings: name the layout; with a sensor at least where it is wide.
        config: file of the settings, to be named in the program.
        examples: readings that the program sends; of a long layout, each has one value.
    """
    wire = settings.input.wire
    tree: _Tree = {}
    _plant(tree, wire.time, "time")
    if settings.input.series:
        _plant(tree, settings.input.series, "series")
    if wire.format == "long":
        _plant(tree, wire.sensor, "sensor")
        _plant(tree, wire.value, "value")
    else:
        for name, path in settings.input.sensors.items():
            _plant(tree, path or joined([name]), f"values[{_literal(name)}]")
    rest = "sensor, value" if wire.format == "long" else "values"
    return _PROGRAM.format(
        topic=settings.input.topic,
        config=config,
        what="asset, time, sensor, value" if wire.format == "long" else "asset, time, values by sensor",
        examples="\n".join(f"    yield {_arguments(settings, one)}" for one in examples) or "    yield from ()",
        arguments=f"series, time, {rest}",
        body=_rendered(tree, 1),
        bootstrap=_literal(settings.kafka.bootstrap),
    )


def _plant(tree: _Tree, path: str, expression: str) -> None:
    *above, last = split(path)
    for name in above:
        below = tree.setdefault(name, {})
        assert isinstance(below, dict), "a configuration whose paths exclude each other is refused"
        tree = below
    tree[last] = expression


def _rendered(tree: _Tree, depth: int) -> str:
    indent = "    " * depth
    lines = (
        f"{indent}    {_literal(name)}: {node if isinstance(node, str) else _rendered(node, depth + 1)},\n"
        for name, node in tree.items()
    )
    return "{\n" + "".join(lines) + indent + "}"


def _arguments(settings: Settings, example: Example) -> str:
    time = _literal(_time(example.time_ns, settings.input.time_format))
    if settings.input.wire.format == "long":
        rest = ", ".join(f"{_literal(name)}, {value!r}" for name, value in example.values.items())
    else:
        rest = "{" + ", ".join(f"{_literal(name)}: {value!r}" for name, value in example.values.items()) + "}"
    return f"{_literal(example.series)}, {time}, {rest}"


def _time(time_ns: int, time_format: str) -> str | int:
    """The time as the wire has it."""
    unit = _EPOCHS.get(time_format)
    return rfc3339(time_ns) if unit is None else time_ns // unit


def _literal(value: str | int) -> str:
    """A Python literal in double quotes, as people write them."""
    return json.dumps(value, ensure_ascii=False)
