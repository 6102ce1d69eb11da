"""World of a run: topics, a bundle, a configuration, committed offsets, and the records that subscribers read."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from stream.detect.definition import Definition
from tests.chaos.oracle import Expected, Verdict, event_of, judge, open_differences, recompute
from tests.conftest import MakeTopic
from tests.oracles.heartbeats import faults
from tests.support.live import BREATH_S, NOT_YET, PARTITIONS, QUIET, Live, Record

ASK_S = 0.2
BATCH = 2000
# Replays, snapshots and commits must all be frequent in a run of minutes.
SERVE: Mapping[str, Any] = {
    "session_timeout": "6s", "transaction_timeout": "5s", "commit_interval": "200ms", "max_replay": 2000,
    "batch": 500, "log_format": "json", "log_every": "2s", "heartbeat": "10s",
    "unwatched_after": None,
}  # fmt: skip
Isolation = Literal["read_committed", "read_uncommitted"]


class World:
    """One input topic, the configuration of its consumers, and its outputs.

    Args:
        bootstrap: for the consumers.
        direct: for everything else.
    """

    def __init__(
        self,
        folder: Path,
        bootstrap: str,
        direct: str,
        topic: MakeTopic,
        definition: Definition,
        serve: Mapping[str, Any] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.direct = folder, direct
        self._live = Live(folder, bootstrap, topic, definition, serve={**SERVE, **(serve or {})})
        self.input, self.config, self.definition = self._live.input, self._live.config, self._live.definition
        self._group = Consumer({"bootstrap.servers": direct, "group.id": f"g-{self.input}", "log_level": QUIET})
        self._partitions = [TopicPartition(self.input, p) for p in range(PARTITIONS)]

    def close(self) -> None:
        """Closes the client that reads committed offsets."""
        self._group.close()

    def committed(self) -> list[int] | None:
        """The group's offset per partition, 0 where there is none; None while the broker does not answer."""
        try:
            found = self._group.committed(self._partitions, timeout=ASK_S)
        except KafkaException as fault:
            if fault.args[0].code() in NOT_YET:
                return None
            raise
        return [max(tp.offset, 0) for tp in found]

    def ends(self) -> list[int]:
        """End offset of the input per partition."""
        return [self._group.get_watermark_offsets(tp, timeout=20)[1] for tp in self._partitions]

    def passed(self, offsets: list[int]) -> bool:
        """True if the group has committed up to these offsets in every partition."""
        committed = self.committed()
        return committed is not None and all(c >= o for c, o in zip(committed, offsets, strict=True))

    def judge(self) -> tuple[Verdict, Expected]:
        """Compares the published alerts with those expected from the input. All consumers must have ended."""
        self._await_no_open_transaction()
        expected = recompute(self.read(self.input, "read_committed"), self.definition)
        alerts = self.read(self._live.alerts, "read_committed")
        got = [event_of(record) for record in alerts]
        uncommitted = [event_of(record) for record in self.read(self._live.alerts, "read_uncommitted")]
        verdict = judge(expected, got, uncommitted)
        verdict.open_differs = open_differences(alerts, self.read(self._live.open, "read_committed"))
        verdict.aborted = len(uncommitted) - len(got)
        verdict.heartbeats = faults(record.json() for record in self.read(self._live.status, "read_committed"))
        return verdict, expected

    def _await_no_open_transaction(self) -> None:
        """Waits until no transaction is open: an open one hides later alerts, which would look lost."""

        def none_open() -> bool:
            return self._end(self._live.alerts, "read_committed") == self._end(self._live.alerts, "read_uncommitted")

        until(none_open, "no open transaction in the alerts topic", 30)

    def _end(self, topic: str, isolation: Isolation) -> int:
        reader = self._reader(isolation)
        try:
            return int(reader.get_watermark_offsets(TopicPartition(topic, 0), timeout=20)[1])
        finally:
            reader.close()

    def _reader(self, isolation: Isolation) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self.direct, "group.id": "oracle", "isolation.level": isolation,
                "auto.offset.reset": "earliest", "enable.partition.eof": True, "enable.auto.commit": False,
                "log_level": QUIET, "fetch.wait.max.ms": 10,
            }
        )  # fmt: skip

    def read(self, topic: str, isolation: Isolation) -> list[Record]:
        """All records that a subscriber of this isolation reads, in order of partition and offset."""
        reader = self._reader(isolation)
        count = len(reader.list_topics(topic, timeout=20).topics[topic].partitions)
        reader.assign([TopicPartition(topic, p, 0) for p in range(count)])
        found: list[Record] = []
        ended: set[int | None] = set()
        while len(ended) < count:
            for message in reader.consume(BATCH, BREATH_S):
                error = message.error()
                if error is not None:
                    assert error.code() == KafkaError._PARTITION_EOF, error.str()
                    ended.add(message.partition())
                    continue
                key, value = message.key() or b"", message.value() or b""
                found.append(Record(key.decode(), value, {}, message.partition() or 0, message.offset() or 0))
        reader.close()
        return sorted(found, key=lambda record: (record.partition, record.offset))


def until(true: Callable[[], bool], what: str, seconds: float) -> float:
    """Waits until a condition holds; returns the seconds that it took.

    Raises:
        TimeoutError: the condition did not hold within `seconds`.
    """
    begun = time.monotonic()
    while not true():
        if time.monotonic() - begun > seconds:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(0.02)
    return time.monotonic() - begun
