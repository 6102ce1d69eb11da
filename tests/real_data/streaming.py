"""Live rows through the broker: JSON messages sent at full speed, until the service has committed all of them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from tests.real_data.cases import TIME, Asset, Case, times_of
from tests.real_data.commands import PARTITIONS, PATIENCE_S, Narrows
from tests.support.live import read_committed

Message = tuple[bytes, bytes]


@dataclass(frozen=True)
class StreamResult:
    """Number of messages, seconds from the first send to the last commit, and the published alerts."""

    messages: int
    seconds: float
    alerts: list[dict[str, Any]]


def messages(case: Case) -> Iterator[Message]:
    """Messages of all assets in turn, row by row: key = series, value = time and sensors as JSON."""
    columns = [list(_messages_of(asset)) for asset in case.assets]
    for row in range(max(map(len, columns))):
        yield from (column[row] for column in columns if row < len(column))


def _messages_of(asset: Asset) -> Iterator[Message]:
    encode, key, sensors = msgspec.json.Encoder().encode, asset.series.encode(), asset.sensors
    stamps = (times_of(asset.live) // 1_000_000).tolist()
    for stamp, values in zip(stamps, asset.values(asset.live).tolist(), strict=True):
        yield key, encode({TIME: stamp} | dict(zip(sensors, values, strict=True)))


def stream(narrows: Narrows, bootstrap: str, case: Case) -> StreamResult:
    """Sends the live rows to a running service and reads its alerts as a subscriber."""
    prepared = list(messages(case))
    progress = Consumer({"bootstrap.servers": bootstrap, "group.id": narrows.group})
    try:
        with narrows.running() as process:
            started = time.perf_counter()
            send(bootstrap, narrows.topics.readings, prepared)
            narrows.wait(process, lambda: _committed(progress, narrows) == len(prepared), "all committed")
            seconds = time.perf_counter() - started
    finally:
        progress.close()
    alerts = [record.json() for record in read_committed(bootstrap, narrows.topics.alerts)]
    return StreamResult(len(prepared), seconds, alerts)


def send(bootstrap: str, topic: str, prepared: list[Message]) -> None:
    """Produces messages as fast as the client accepts them."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "queue.buffering.max.messages": 1_000_000})
    for key, value in prepared:
        producer.produce(topic, value, key)
    assert producer.flush(PATIENCE_S) == 0, "messages left in the producer"


def _committed(consumer: Consumer, narrows: Narrows) -> int:
    """Number of messages below the group's committed offsets. The topic is new and without transactions or gaps."""
    asked = [TopicPartition(narrows.topics.readings, number) for number in range(PARTITIONS)]
    try:
        return sum(max(found.offset, 0) for found in consumer.committed(asked, timeout=5))
    except KafkaException:
        # A group's coordinator takes a moment to appear; `wait` has the time-out.
        return -1
