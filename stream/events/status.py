"""What the detector says of itself: the records of the status topic.

An event that belongs to a partition stands in the transaction of the offsets it is about: it is told exactly once.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from stream.events.record import SCHEMA_VERSION, Headers, schema_of

Kind = Literal[
    "detector.bundle_activated",
    "detector.bundle_refused",
    "detector.stale_threshold",
    "detector.drift",
    "data.readings_lost",
    "data.history_lost",
    "data.series_in_two_partitions",
    "data.series_retired",
    "data.series_blind",
    "data.series_sees_again",
    "data.sensors_missing",
    "data.sensors_complete",
    "data.partitions_changed",
]
# Names that a message lists when it is about many.
NAMED = 10


class Status(msgspec.Struct, frozen=True):
    """One thing that an operator, or a program that follows the alerts, must know.

    Attributes:
        kind: `detector.bundle_activated`: from `offset` of the partition on, scores are those of bundle `details.to`.
            `detector.bundle_refused`: `details.version` is not served, the old bundle goes on; the message says why.
            `detector.stale_threshold`: the thresholds of `details.bundle` are `details.age_days` days old, longer than
            `serve.stale_after`; once a day while it holds.
            `detector.drift`: `details.opened` incidents of one process where `details.promised` were promised: far too
            many for long, or none (`details.drift`); once a day while it holds.
            `data.readings_lost`: retention deleted `details.lost` readings of the partition before they were scored.
            `data.history_lost`: readings that a restart needs are gone, or a tool has passed over them:
                `details.count` series of the partition warm up at offset `details.oldest`.
            `data.series_in_two_partitions`: readings of the series in this partition are dead letters from now on.
            `data.series_retired`: `details.count` series have left memory: silent for `serve.retire_after`, or moved.
            `data.series_blind`: no frame of the series since `details.since` could be scored, longer than
            `serve.blind_after`; `details.masked` are the sensors without a value.
            `data.series_sees_again`: a series that was blind since `details.since` has a frame that can be scored.
            `data.sensors_missing`: sensors of `details.bundle` that have never come with a value: `details.missing`.
            `data.sensors_complete`: all have come, after some were told to be missing.
            `data.partitions_changed`: the input topic has `details.to` partitions now: series may have moved.
        partition, offset, series: what it is about; null where it is about all of them.
        message: for people. details: for programs, by kind.
    """

    schema_version: int
    kind: Kind
    detector: str
    instance: str
    observed_at: str
    partition: int | None
    offset: int | None
    series: str | None
    message: str
    details: dict[str, str | int]


class Notice(msgspec.Struct, frozen=True):
    """A status event before it is known who says it, and when."""

    kind: Kind
    message: str
    series: str | None = None
    offset: int | None = None
    details: dict[str, str | int] = {}


def named(names: Sequence[str]) -> str:
    """Names for a message, the first of them where they are many."""
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")


def status(notice: Notice, detector: str, instance: str, partition: int | None, observed_at: datetime) -> Status:
    """The record of a notice."""
    return Status(
        schema_version=SCHEMA_VERSION,
        kind=notice.kind,
        detector=detector,
        instance=instance,
        observed_at=observed_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        partition=partition,
        offset=notice.offset,
        series=notice.series,
        message=notice.message,
        details=notice.details,
    )


def status_headers(record: Status) -> Headers:
    """CloudEvents 1.0, Kafka binding, binary mode; events that say the same of the same place share a `ce_id`."""
    said = hashlib.sha256(msgspec.json.encode(record.details, order="sorted")).hexdigest()[:8]
    about = (record.detector, record.kind, record.partition, record.offset, record.series, said)
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", "/".join("-" if part is None else str(part) for part in about).encode()),
        ("ce_source", f"narrows/{record.detector}".encode()),
        ("ce_type", f"narrows.{record.kind}.v{record.schema_version}".encode()),
        ("ce_subject", (record.series or record.detector).encode()),
        ("ce_time", record.observed_at.encode()),
        ("content-type", b"application/json"),
    ]


def status_schema() -> dict[str, Any]:
    """JSON Schema of the status record."""
    return schema_of(Status, "status")
