"""What the loop has to tell, as records of the output topics; logged once it is committed."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import structlog

from stream.detect.definition import Definition
from stream.detect.incidents.incident import IncidentEvent
from stream.events.alert import Alert, Source, alert, alert_headers
from stream.events.dead_letter import dead_letters
from stream.events.record import encode
from stream.events.status import status, status_headers
from stream.events.status_event import StatusEvent
from stream.events.verdict import frame_verdicts
from stream.kafka import failpoints
from stream.kafka.batch_result import BatchResult
from stream.kafka.client import KafkaOptions
from stream.kafka.commit.transaction import Transaction
from stream.kafka.input import traceparent
from stream.kafka.partition import Partition
from stream.kafka.records import Records

log = structlog.get_logger()


class Publisher:
    """Adds records to the open transaction, or begins one.

    Its methods raise RolledBackError where the transaction is lost.
    """

    def __init__(self, options: KafkaOptions, detector: str, transaction: Transaction) -> None:
        self._options = options
        self._detector = detector
        self._transaction = transaction
        # Lines for the log that are true once the transaction is committed.
        self._lines: list[tuple[int, str, dict[str, Any]]] = []
        self.alert_waits = False

    def publish(self, partition: Partition, told: BatchResult, batch: Records) -> None:
        """Alerts, dead letters and verdicts of a batch of the partition."""
        for event, offset in told.events:
            self._alert(partition.number, partition.definition, event, offset, batch)
        for letter in dead_letters(told.dead, self._options.input, partition.number):
            self._transaction.send(self._options.dead_letters, letter.key, letter.value, letter.headers)
        if self._options.scores is not None and told.outcome is not None:
            for verdict in frame_verdicts(told.outcome.verdicts, partition.definition.version):
                self._transaction.send(self._options.scores, verdict.series.encode(), encode(verdict), [])
        failpoints.at("published")

    def notices(self, notices: Iterable[StatusEvent], partition: int | None) -> None:
        """Status events; `partition` None: of the process."""
        for notice in notices:
            record = status(notice, self._detector, self._options.instance, partition, datetime.now(UTC))
            key = (notice.series or self._detector).encode()
            self._transaction.send(self._options.status, key, encode(record), status_headers(record))
            about = {"partition": partition, "offset": notice.offset, "series": notice.series, **notice.details}
            said = {name: value for name, value in about.items() if value is not None}
            self._lines.append((notice.log_level, notice.kind, {"message": notice.message, **said}))

    def has_committed(self) -> None:
        """What was published can be read."""
        for level, name, values in self._lines:
            log.log(level, name, **values)
        self.forget()

    def forget(self) -> None:
        """The transaction is over, or gone."""
        self._lines, self.alert_waits = [], False

    def _alert(self, number: int, definition: Definition, event: IncidentEvent, offset: int, batch: Records) -> None:
        source = Source(self._options.input, number, offset)
        record = alert(event, definition, source, datetime.now(UTC))
        cause = batch.at(offset)
        headers = alert_headers(record, None if cause is None else traceparent(cause))
        self._transaction.send(self._options.alerts, event.series.encode(), encode(record), headers)
        self.alert_waits = True
        self._lines.append((logging.INFO, f"alert.{event.state}", _line(record)))


def _line(record: Alert) -> dict[str, Any]:
    return {
        "series": record.series,
        "severity": record.severity,
        "score": round(record.score, 3),
        "alert_id": record.alert_id,
        "partition": record.source.partition,
        "offset": record.source.offset,
    }
