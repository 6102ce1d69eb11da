"""Writes a short program that sends readings in the configured layout, with a few of the readings that were seen."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from stream.events.record import rfc3339
from stream.intake.field_paths import joined, split
from stream.intake.time_formats import EPOCH_UNITS, FILETIME_EPOCH
from stream.settings import Settings

_EXCEL_START = datetime(1899, 12, 30, tzinfo=UTC)
_DATES = {"yyyymmdd": "%Y%m%d", "day_first": "%d.%m.%Y", "month_first": "%m/%d/%Y"}
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
    if settings.input.date is not None:
        _plant(tree, settings.input.date, "date")
    if settings.input.series:
        _plant(tree, settings.input.series, "series")
    if wire.format == "long":
        _plant(tree, wire.sensor, "sensor")
        _plant(tree, wire.value, "value")
    else:
        for name, path in settings.input.sensors.items():
            _plant(tree, path or joined([name]), f"values[{_literal(name)}]")
    time = "time, date" if settings.input.date is not None else "time"
    rest = "sensor, value" if wire.format == "long" else "values"
    return _PROGRAM.format(
        topic=settings.input.topic,
        config=config,
        what=f"asset, {time}, {'sensor, value' if wire.format == 'long' else 'values by sensor'}",
        examples="\n".join(f"    yield {_arguments(settings, one)}" for one in examples) or "    yield from ()",
        arguments=f"series, {time}, {rest}",
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
    time = ", ".join(map(_literal, _times(settings, example.time_ns)))
    if settings.input.wire.format == "long":
        rest = ", ".join(f"{_literal(name)}, {value!r}" for name, value in example.values.items())
    else:
        rest = "{" + ", ".join(f"{_literal(name)}: {value!r}" for name, value in example.values.items()) + "}"
    return f"{_literal(example.series)}, {time}, {rest}"


def _times(settings: Settings, time_ns: int) -> list[str | float]:
    """The time as a message has it; where `input.date` is set, a time of day and a date."""
    form = settings.input.time_format
    local = datetime.fromtimestamp(time_ns // 1_000_000_000, ZoneInfo(settings.input.zone))
    date = f"{local:{_DATES.get(form, '%Y-%m-%d')}}"
    if settings.input.date is not None:
        return [f"{local:%H:%M:%S}", date]
    if form in EPOCH_UNITS:
        return [time_ns // EPOCH_UNITS[form]]
    if form == "filetime":
        return [time_ns // 100 + FILETIME_EPOCH]
    if form == "excel":
        return [(local.replace(tzinfo=UTC) - _EXCEL_START) / timedelta(days=1)]
    if form in ("yyyymmdd", "yyyymmddhhmmss"):
        return [int(date if form == "yyyymmdd" else f"{local:%Y%m%d%H%M%S}")]
    return [f"{date} {local:%H:%M:%S}" if form in _DATES else rfc3339(time_ns)]


def _literal(value: str | float) -> str:
    """A Python literal in double quotes, as people write them."""
    return json.dumps(value, ensure_ascii=False)
