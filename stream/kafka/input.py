"""Reads the input topic, and turns errors of the clients into errors of narrows."""

from collections.abc import Callable, Container
from typing import Any

import numpy as np
import structlog
from confluent_kafka import Consumer, KafkaError
from confluent_kafka import Message as KafkaMessage

from stream.errors import BrokerError, FencedError, NarrowsError
from stream.events.record import Headers
from stream.intake.columns import Int64s
from stream.kafka.assignment import Assignment
from stream.kafka.broker_liveness import BrokerLiveness
from stream.kafka.client import FORBIDDEN, TWIN_SECONDS, KafkaOptions, group_membership
from stream.kafka.records import Records

log = structlog.get_logger()


class ClientErrors:
    """Errors of all clients.

    Errors that pass by themselves are logged. The first of the others is kept, and the loop raises it.
    """

    def __init__(self, options: KafkaOptions, liveness: BrokerLiveness, clock: Callable[[], float]) -> None:
        self._options = options
        self._liveness = liveness
        self._clock = clock
        self._final: NarrowsError | None = None
        self._fenced_at: float | None = None

    def note(self, error: KafkaError) -> None:
        """Receives an error: the `error_cb` of every client."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._liveness.disconnected()
        final = self._final_error(error)
        if final is None:
            log.warning("kafka.error", error=error.str(), code=error.name())
        else:
            self._final = self._final or final

    def check(self) -> None:
        """Raises the first error that a retry cannot fix, if there was one."""
        if self._final is not None:
            raise self._final

    def allows_rejoin(self, fencing: FencedError) -> bool:
        """True where the consumer was fenced, for the first time in a while, and may join the group again.

        A broker that was killed while we joined may keep a member that never was, and fence us. A twin fences us again
        soon.
        """
        if fencing is not self._final:
            return False
        before, self._fenced_at, self._final = self._fenced_at, self._clock(), None
        return before is None or self._fenced_at - before > TWIN_SECONDS

    def _final_error(self, error: KafkaError) -> NarrowsError | None:
        """The error to end with; None for an error that passes by itself."""
        if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
            return BrokerError(f"{error.str()}; make the topics with `narrows topics --create`, or set `input.topic`")
        if error.code() in FORBIDDEN:
            return BrokerError(f"{error.str()}; grant this user Read on topic and group, Write on its outputs")
        if error.code() in (KafkaError.FENCED_INSTANCE_ID, KafkaError.UNRELEASED_INSTANCE_ID):
            return self._twin(error)
        if error.code() == KafkaError._FATAL and "fenced" in error.str().lower():
            return self._twin(error)
        fatal = error.fatal() or error.code() == KafkaError._FATAL
        return BrokerError(f"{error.str()}; see the log above") if fatal else None

    def _twin(self, error: KafkaError) -> FencedError:
        return FencedError(
            f"{error.str()}: another process runs as instance {self._options.instance!r}; give each its own "
            "`kafka.instance`"
        )


class Input:
    """The main consumer, and the records that it fetches."""

    def __init__(self, consumer: Consumer, assignment: Assignment, faults: ClientErrors) -> None:
        self.consumer = consumer
        self._assignment = assignment
        self._faults = faults
        assignment.subscribe(self.consumer)

    def poll(self, records: int, seconds: float) -> dict[int, Records]:
        """Fetches up to `records` records within `seconds`, by partition. Rebalance callbacks run in here.

        librdkafka may still have records of partitions that are no longer ours, or not fetched yet. They are dropped:
        the next owner reads them from the committed offset.
        """
        polled = self.consumer.consume(records, seconds)
        failed = [record for record in polled if record.error() is not None]
        if failed:
            polled = [record for record in polled if record.error() is None]
            for record in failed:
                self._on_error(record)
        numbers = np.array(list(map(KafkaMessage.partition, polled)), np.int32)
        return {
            number: _columns(polled, np.flatnonzero(numbers == number))
            for number in np.unique(numbers).tolist()
            if (partition := self._assignment.partitions.get(number)) is not None and partition.fetching
        }

    def is_member(self) -> bool:
        """True where we are a member of the group, with partitions or without."""
        return group_membership(self.consumer) is not None

    def close(self) -> None:
        """Leaves the group; the revoke callback makes the last commit."""
        self.consumer.close()

    def _on_error(self, record: KafkaMessage) -> None:
        """Handles a record that is no message: an end of partition, an offset out of range, or an error."""
        error = record.error()
        assert error is not None
        partition = self._assignment.partitions.get(record.partition() or 0)
        if error.code() == KafkaError._PARTITION_EOF:
            if partition is not None and partition.fetching:
                partition.end = record.offset() or 0
            return
        if error.code() == KafkaError._AUTO_OFFSET_RESET and partition is not None:
            log.error("partition.out_of_range", partition=partition.number, error=error.str())
            partition.rolled_back = True
            return
        self._faults.note(error)


def _columns(records: list[KafkaMessage], rows: Int64s) -> Records:
    """The records at `rows`, as columns."""
    chosen = records if len(rows) == len(records) else [records[i] for i in rows.tolist()]
    offsets: list[int] = list(map(KafkaMessage.offset, chosen))  # type: ignore[arg-type] # None is for errors
    return Records(
        keys=list(map(KafkaMessage.key, chosen)),
        values=list(map(KafkaMessage.value, chosen)),
        offsets=offsets,
        timestamps_ms=[stamp[1] for stamp in map(KafkaMessage.timestamp, chosen)],
        records=chosen,
    )


def headers_of(message: KafkaMessage | None, names: Container[str]) -> Headers:
    """Headers of a message that what is published about it carries on, each once; none where there is no message."""
    headers: Any = () if message is None else message.headers() or ()
    first: dict[str, bytes] = {}
    for key, value in headers:
        if key in names and isinstance(value, bytes):
            first.setdefault(key, value)
    return list(first.items())
