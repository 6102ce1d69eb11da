"""Publisher: turns results into records of the output topics, and logs them once they are committed."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

import structlog

from stream.detect.definition import Definition
from stream.detect.incidents.incident import IncidentEvent
from stream.events.alert import CARRIED, Source, alert, alert_headers
from stream.events.dead_letter import ORIGIN, REPLAYS, dead_letters
from stream.events.record import encode
from stream.events.status import status, status_headers
from stream.events.status_event import StatusEvent
from stream.events.verdict import frame_verdicts
from stream.kafka import failpoints
from stream.kafka.batch_result import BatchResult
from stream.kafka.client import KafkaOptions
from stream.kafka.commit.transaction import Transaction
from stream.kafka.input import headers_of
from stream.kafka.partition import Partition
from stream.kafka.records import Records

log = structlog.get_logger()


class LogLine(NamedTuple):
    """A line for the log: its level, its event, its keys."""

    level: int
    event: str
    keys: dict[str, object]


class Publisher:
    """Adds records to the transaction, which the first of them opens.

    All methods that add records raise RolledBackError if the transaction is lost.

    Attributes:
        has_alerts: whether the open transaction has an alert.
    """

    def __init__(self, options: KafkaOptions, detector: str, transaction: Transaction) -> None:
        self._options = options
        self._detector = detector
        self._transaction = transaction
        # Logged once the transaction is committed: they are not true before.
        self._lines: list[LogLine] = []
        self.has_alerts = False

    def publish(self, partition: Partition, result: BatchResult, batch: Records) -> None:
        """Adds alerts, the incidents that they leave open, dead letters and frame verdicts of one batch."""
        for event, offset in result.events:
            self._alert(partition.number, partition.definition, event, offset, batch)
        for letter in dead_letters(result.dead, self._options.input, partition.number):
            headers = letter.headers + headers_of(batch.at(letter.offset), (REPLAYS, ORIGIN))
            self._transaction.send(self._options.dead_letters, letter.key, letter.value, headers)
        if self._options.scores is not None and result.outcome is not None:
            for verdict in frame_verdicts(result.outcome.verdicts, partition.definition.version):
                self._transaction.send(self._options.scores, verdict.series.encode(), encode(verdict), [])
        failpoints.at("published")

    def publish_status(self, events: Iterable[StatusEvent], partition: int | None) -> None:
        """Adds status events; `partition` None: they are about the whole process."""
        for event in events:
            record = status(event, self._detector, self._options.instance, partition, datetime.now(UTC))
            key = (event.series or self._detector).encode()
            self._transaction.send(self._options.status, key, encode(record), status_headers(record))
            keys = {"partition": partition, "offset": event.offset, "series": event.series, **event.details}
            known = {name: value for name, value in keys.items() if value is not None}
            self._lines.append(LogLine(event.level, event.kind, {"message": event.message, **known}))

    def mark_committed(self) -> None:
        """Logs what was published: the transaction is committed."""
        for line in self._lines:
            log.log(line.level, line.event, **line.keys)
        self.clear()

    def clear(self) -> None:
        """Forgets what was published: the transaction is over, or lost."""
        self._lines, self.has_alerts = [], False

    def _alert(self, number: int, definition: Definition, event: IncidentEvent, offset: int, batch: Records) -> None:
        source = Source(self._options.input, number, offset)
        record = alert(event, definition, source, datetime.now(UTC))
        headers = alert_headers(record, headers_of(batch.at(offset), CARRIED))
        value = encode(record)
        self._transaction.send(self._options.alerts, event.series.encode(), value, headers)
        newest = None if event.state == "resolved" else value
        self._transaction.send(self._options.open_incidents, record.alert_id.encode(), newest, headers)
        self.has_alerts = True
        keys: dict[str, object] = {
            "series": record.series,
            "severity": record.severity,
            "score": round(record.score, 3),
            "alert_id": record.alert_id,
            "partition": number,
            "offset": offset,
        }
        self._lines.append(LogLine(logging.INFO, f"alert.{event.state}", keys))
