"""The input topic: records of the partitions that are ours, and what its errors mean."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import structlog
from confluent_kafka import Consumer, KafkaError
from confluent_kafka import Message as KafkaMessage
from numpy.typing import NDArray

from stream.errors import BrokerError, FencedError, NarrowsError
from stream.kafka.assignment import Assignment
from stream.kafka.broker_liveness import BrokerLiveness
from stream.kafka.client import TWIN_SECONDS, KafkaOptions, group_membership
from stream.kafka.records import Records

log = structlog.get_logger()


class Faults:
    """Errors of all clients: those that waiting mends are logged, the first of the others is kept for the loop."""

    def __init__(
        self, options: KafkaOptions, liveness: BrokerLiveness, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._options = options
        self._liveness = liveness
        self._clock = clock
        self._final: NarrowsError | None = None
        self._fenced_at: float | None = None

    def note(self, error: KafkaError) -> None:
        """The `error_cb` of every client."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._liveness.disconnected()
        final = self._meaning(error)
        if final is None:
            log.warning("kafka.error", error=error.str(), code=error.name())
        else:
            self._final = self._final or final

    def check(self) -> None:
        """Raises what waiting does not mend."""
        if self._final is not None:
            raise self._final

    def survives(self, fencing: FencedError) -> bool:
        """Whether the consumer was fenced and may be made anew: once.

        A broker killed in the middle of our joining may hold a member that never was; a living twin fences again soon.
        """
        if fencing is not self._final:
            return False
        before, self._fenced_at, self._final = self._fenced_at, self._clock(), None
        return before is None or self._fenced_at - before > TWIN_SECONDS

    def _meaning(self, error: KafkaError) -> NarrowsError | None:
        if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
            return BrokerError(f"{error.str()}; make the topics with `narrows topics --create`, or set `input.topic`")
        if error.code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED):
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
    """The main consumer and what it fetches."""

    def __init__(self, consumer: Consumer, assignment: Assignment, faults: Faults) -> None:
        self.consumer = consumer
        self._assignment = assignment
        self._faults = faults
        assignment.subscribe(self.consumer)

    def poll(self, records: int, seconds: float) -> dict[int, Records]:
        """Records by partition, waiting for `records` of them at most `seconds`. Rebalance callbacks run in here.

        What librdkafka still had queued of partitions that have gone, or are not fetched yet, is dropped: nothing of
        it was processed, so that its next owner takes it from the committed offset.
        """
        taken = self.consumer.consume(records, seconds)
        failed = [record for record in taken if record.error() is not None]
        if failed:
            taken = [record for record in taken if record.error() is None]
            for record in failed:
                self._on_error(record)
        numbers = np.array(list(map(KafkaMessage.partition, taken)), np.int32)
        return {
            number: _columns(taken, np.flatnonzero(numbers == number))
            for number in np.unique(numbers).tolist()
            if (partition := self._assignment.partitions.get(number)) is not None and partition.fetching
        }

    def is_member(self) -> bool:
        """True where we are a member of the group, with partitions or without."""
        return group_membership(self.consumer) is not None

    def close(self) -> None:
        """Leaves; the revoke callback makes the last commit."""
        self.consumer.close()

    def _on_error(self, record: KafkaMessage) -> None:
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


def _columns(records: list[KafkaMessage], rows: NDArray[np.int64]) -> Records:
    """The records at `rows`."""
    chosen = records if len(rows) == len(records) else [records[i] for i in rows.tolist()]
    offsets: list[int] = list(map(KafkaMessage.offset, chosen))  # type: ignore[arg-type] # None is for errors
    return Records(
        keys=list(map(KafkaMessage.key, chosen)),
        values=list(map(KafkaMessage.value, chosen)),
        offsets=offsets,
        timestamps_ms=[stamp[1] for stamp in map(KafkaMessage.timestamp, chosen)],
        records=chosen,
    )


def traceparent(message: KafkaMessage) -> bytes | None:
    """The trace that a message carries, to be passed through."""
    headers: Any = message.headers() or ()
    for key, value in headers:
        if key == "traceparent":
            return value.encode() if isinstance(value, str) else value
    return None
