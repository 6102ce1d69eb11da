"""The status record: what subscribers of the status topic read, its headers and its JSON Schema, and what stands.

A status event of a partition is written in the transaction of the offsets it is about, so it is published exactly once.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import msgspec

from stream.events import data_events, detector_events
from stream.events.record import SCHEMA_VERSION, Headers, JsonSchema, schema_of
from stream.events.status_event import StatusEvent, details_schema, kind_of

EVENT_MODULES = (data_events.__name__, detector_events.__name__)
# Every kind of status event, by its name.
KINDS: Mapping[str, type[StatusEvent]] = {
    kind_of(event): event for event in StatusEvent.__subclasses__() if event.__module__ in EVENT_MODULES
}
# The kind that each of these kinds ends, for the same series, or the same partition.
ENDS: Mapping[str, str] = {event.ended_by: kind for kind, event in KINDS.items() if event.ended_by is not None}


class Status(msgspec.Struct, frozen=True):
    """One thing that an operator, or a program that follows the alerts, must know.

    Attributes:
        kind: kind of the event; it says which `details` there are.
        observed_at: wall clock of the detector, RFC 3339.
        partition, offset, series: what the event is about; null where it is about all of them.
        message: for people. details: for programs, by kind.
    """

    schema_version: int
    kind: str
    detector: str
    instance: str
    observed_at: str
    partition: int | None
    offset: int | None
    series: str | None
    message: str
    details: dict[str, str | int]


def status(event: StatusEvent, detector: str, instance: str, partition: int | None, observed_at: datetime) -> Status:
    """The record of an event; `partition` None: the event is about the whole process."""
    return Status(
        schema_version=SCHEMA_VERSION,
        kind=event.kind,
        detector=detector,
        instance=instance,
        observed_at=observed_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        partition=partition,
        offset=event.offset,
        series=event.series,
        message=event.message,
        details=event.details,
    )


def status_headers(record: Status) -> Headers:
    """CloudEvents 1.0, Kafka binding, binary mode. Two instances that report the same event use the same `ce_id`."""
    digest = hashlib.sha256(msgspec.json.encode(record.details, order="sorted")).hexdigest()[:8]
    about = (record.detector, record.kind, record.partition, record.offset, record.series, digest)
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", "/".join("-" if part is None else str(part) for part in about).encode()),
        ("ce_source", f"narrows/{record.detector}".encode()),
        ("ce_type", f"narrows.{record.kind}.v{record.schema_version}".encode()),
        ("ce_subject", (record.series or record.detector).encode()),
        ("ce_time", record.observed_at.encode()),
        ("content-type", b"application/json"),
    ]


def status_schema() -> JsonSchema:
    """JSON Schema of the status record: one alternative per kind, each with its own details."""
    events = sorted(KINDS.values(), key=kind_of)
    schema = schema_of(Status, "status")
    record = schema["$defs"]["Status"]
    record["properties"]["kind"] = {"enum": [kind_of(event) for event in events]}
    record["oneOf"] = [
        {"properties": {"kind": {"const": kind_of(event)}, "details": {"$ref": f"#/$defs/{event.__name__}"}}}
        for event in events
    ]
    schema["$defs"] |= {event.__name__: details_schema(event) for event in events}
    return schema


class StatusView(msgspec.Struct, frozen=True):
    """Fields of a status event that readers use, see `Status`; other fields are ignored."""

    kind: str
    detector: str
    observed_at: str
    partition: int | None
    series: str | None
    message: str
    details: dict[str, str | int | float] = {}


def standing(events: Iterable[StatusView]) -> list[StatusView]:
    """The events whose kind another one ends and whose end has not come, the oldest first.

    An event about a whole process is ended by any process: one that has taken its partitions over, for example.
    """
    begun: dict[tuple[str, str | int | None], StatusView] = {}
    for event in events:
        # A series may move to another partition.
        about = event.partition if event.series is None else event.series
        begun.pop((ENDS.get(event.kind, ""), about), None)
        if event.kind in ENDS.values():
            begun[event.kind, about] = event
    return sorted(begun.values(), key=lambda event: event.observed_at)
