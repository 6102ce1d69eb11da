"""A running narrows on a real broker: its topics, its processes, and all that a subscriber reads."""

import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from stream.detect.definition import Definition
from stream.kafka.failpoints import VARIABLE
from tests.conftest import MakeTopic
from tests.support.builders import publish
from tests.support.processes import Launch, Running, warm

PARTITIONS = 4
PATIENCE_S = 60.0
HTTP_S = 10.0
# Wait for records; it is always spent in full, as a topic ends with fewer records than are asked for.
BREATH_S = 0.05
# Log level of librdkafka: a broker that is away on purpose is not worth ten lines a second.
QUIET = 0
# Errors of a broker that is starting, or still ends the transaction of a killed process.
NOT_YET = (
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
)


@dataclass(frozen=True)
class Record:
    """A record as a subscriber gets it."""

    key: str
    value: bytes
    headers: Mapping[str, bytes]
    partition: int
    offset: int

    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.value))


class Live:
    """Topics, a bundle and a configuration file for one test, and the processes that use them."""

    def __init__(self, folder: Path, bootstrap: str, topic: MakeTopic, definition: Definition, **settings: Any) -> None:
        self.folder, self.bootstrap = folder, bootstrap
        self.input = topic("in", PARTITIONS)
        self.alerts = topic("alerts", 1)
        self.dead = topic("dead", 1)
        self.status = topic("status", 1)
        self.mutes = topic("mutes", 1, {"cleanup.policy": "compact"})
        self.open = topic("open", 2, {"cleanup.policy": "compact"})
        self.state = topic("state", PARTITIONS, {"cleanup.policy": "compact"})
        self.definition = publish(folder / "registry", definition)
        self.config = folder / "narrows.yaml"
        tree = {
            "detector": definition.detector,
            "registry": str(folder / "registry"),
            "input": {"topic": self.input},
            "kafka": {
                "bootstrap": bootstrap, "group": f"g-{self.input}", "instance": "one", "alerts": self.alerts,
                "dead_letters": self.dead, "state": self.state,
                "status": self.status, "open_incidents": self.open, "mutes": self.mutes,
            },
            # Streams of tests stop, jump and end as they like: a test of coverage sets its own limit.
            "serve": {"session_timeout": "6s", "log_format": "json", "log_every": "1s", "unwatched_after": "1000d"}
            | settings.pop("serve", {}),
        }  # fmt: skip
        self.config.write_text(yaml.safe_dump(tree | settings))
        self._processes: list[Running] = []
        self._sent = 0

    def send(self, messages: Iterable[tuple[str, bytes | None]]) -> None:
        """Sends messages (key, value); their order within a key is kept."""
        # The producer learns of partitions that were added since.
        self._producer.list_topics(self.input, timeout=PATIENCE_S)
        for key, value in messages:
            while True:
                try:
                    self._producer.produce(self.input, value, key)
                    break
                except BufferError:
                    self._producer.poll(0.1)
            self._sent += 1
        assert self._producer.flush(PATIENCE_S) == 0

    @cached_property
    def _producer(self) -> Producer:
        # Idempotent: a retry must not put a reading before an earlier one. Kept between calls, as a new producer takes
        # half a second until it may write.
        return Producer(
            {"bootstrap.servers": self.bootstrap, "linger.ms": 20, "enable.idempotence": True, "log_level": QUIET}
        )

    @cached_property
    def _group(self) -> Consumer:
        """A client that asks for the offsets of the group, without joining it."""
        return Consumer({"bootstrap.servers": self.bootstrap, "group.id": f"g-{self.input}", "log_level": QUIET})

    def start(self, *overrides: str, fault: str = "", launch: Launch = warm) -> Running:
        """Starts `narrows run` as a process that appends to `log`. `fault`: the failpoint where it kills itself."""
        extra = [part for override in overrides for part in ("--set", override)]
        program = ["stream", "run", "--config", str(self.config), *extra]
        process = launch(program, self.log, os.environ | {VARIABLE: fault})
        self._processes.append(process)
        return process

    def expect_kill(self, process: Running) -> None:
        """Waits until the process has killed itself at its failpoint."""
        assert process.wait(PATIENCE_S) == -signal.SIGKILL, self.log.read_text()[-3000:]

    @property
    def log(self) -> Path:
        return self.folder / "run.log"

    def logged(self, event: str, since: datetime | None = None) -> list[dict[str, Any]]:
        """Lines of the log with this event, written after `since` if given."""
        text = self.log.read_text() if self.log.exists() else ""
        lines = text[: text.rfind("\n") + 1].splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [line for line in found if line["event"] == event and (since is None or _at(line) > since)]

    def partitions(self, event: str, since: datetime) -> set[int]:
        """Partitions that the log names with this event after `since`. Repeats mean nothing: commits may be refused."""
        return {line["partition"] for line in self.logged(event, since)}

    def health(self, path: str) -> tuple[int, dict[str, Any]]:
        """Answer of the last process with `serve.health`: status and JSON; status 0 before it listens."""
        listening = self.logged("health.listening")
        return http_json(listening[-1]["port"], path) if listening else (0, {})

    def kill(self, process: Running) -> None:
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self, process: Running, allowed: Collection[int] = ()) -> float:
        """Sends SIGTERM and returns the seconds until the process has ended; it must end with code 0."""
        # A signal before the handlers are in place would end the process without a commit.
        self.wait(
            lambda: len(self.logged("service.started")) == len(self._processes), "the service started", allowed=allowed
        )
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0, self.log.read_text()[-3000:]
        return time.monotonic() - started

    def close(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                self.kill(process)

    def committed(self) -> int:
        """Number of messages below the committed offsets; without transactions, the input topic has no gaps."""
        try:
            found = self._group.committed([TopicPartition(self.input, p) for p in range(PARTITIONS)], timeout=20)
        except KafkaException as fault:
            if fault.args[0].code() in NOT_YET:
                return -1
            raise
        return sum(max(tp.offset, 0) for tp in found)

    def wait(
        self, until: Callable[[], bool], what: str, seconds: float = PATIENCE_S, allowed: Collection[int] = ()
    ) -> None:
        """Waits until the condition holds. A process may only end by a kill, or with 0 or an exit code of `allowed`."""
        deadline = time.monotonic() + seconds
        while not until():
            expected = (None, 0, -signal.SIGKILL, *allowed)
            dead = [p.returncode for p in self._processes if p.poll() not in expected]
            assert not dead, f"ended with {dead}: {self.log.read_text()[-3000:]}"
            assert time.monotonic() < deadline, f"{what} not within {seconds} s: {self.log.read_text()[-3000:]}"
            time.sleep(0.05)

    def wait_for_all(self) -> None:
        """Waits until every message that was sent is committed."""
        self.wait(lambda: self.committed() == self._sent, f"all of {self._sent} messages committed")

    def expect(self, more: int) -> None:
        """Counts messages that somebody else has sent to the input topic."""
        self._sent += more

    def forget_sent(self) -> None:
        """Starts counting again, for an input topic that is empty again."""
        self._sent = 0

    def statuses(self) -> list[dict[str, Any]]:
        """All status events but heartbeats, in order."""
        told = (record.json() for record in self.read(self.status))
        return [event for event in told if event["kind"] != "detector.heartbeat"]

    def read(self, topic: str) -> list[Record]:
        """All records that a `read_committed` subscriber gets, in order."""
        return read_committed(self.bootstrap, topic)


def http_json(port: int, path: str) -> tuple[int, dict[str, Any]]:
    """Status and JSON of an HTTP answer of this machine."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=HTTP_S) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def _at(line: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(line["timestamp"])


def read_committed(bootstrap: str, topic: str) -> list[Record]:
    """All committed records of a topic, in order of partition and offset."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap, "group.id": "subscriber", "isolation.level": "read_committed",
            "auto.offset.reset": "earliest", "enable.partition.eof": True, "enable.auto.commit": False,
            "fetch.wait.max.ms": 10,
        }
    )  # fmt: skip
    count = len(consumer.list_topics(topic, timeout=20).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, p, 0) for p in range(count)])
    found: list[Record] = []
    ended: set[int | None] = set()
    while len(ended) < count:
        for message in consumer.consume(1000, BREATH_S):
            error = message.error()
            if error is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error.str()
                ended.add(message.partition())
                continue
            found.append(_record(message))
    consumer.close()
    return sorted(found, key=lambda record: (record.partition, record.offset))


def _record(message: Message) -> Record:
    headers = {name: value for name, value in dict(message.headers() or []).items() if isinstance(value, bytes)}
    key, value = message.key() or b"", message.value() or b""
    return Record(key.decode(errors="replace"), value, headers, message.partition() or 0, message.offset() or 0)
