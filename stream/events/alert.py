"""What narrows publishes: alerts, verdicts and dead letters, typed; the types are their JSON Schema.

Fields may be added; within a major version none is renamed, removed or given another type.
"""

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from stream.detect.incidents.incidents import IncidentEvent, SensorShare
from stream.detect.outcome import Verdict, Verdicts
from stream.intake.columns import Dead, Reason

if TYPE_CHECKING:  # It would bring torch, which commands that only read names and times do without.
    from stream.detect.definition import Definition

SCHEMA_VERSION = 1
# A topic takes 1 MiB by default, headers included: a longer message is cut in its letter, and the letter says so.
LETTER_BYTES = 1_000_000
NAMED_ELEMENTS = 100
Headers = list[tuple[str, bytes]]


class Source(msgspec.Struct, frozen=True):
    """The message (or row) that caused the event: topic (or file), partition (or 0), offset (or row)."""

    topic: str
    partition: int
    offset: int


class Alert(msgspec.Struct, frozen=True):
    """One event in the life of an incident. Everything but `observed_at` follows from the readings and the bundle.

    Attributes:
        alert_id: the incident; the same in replay, mirror and broker. (alert_id, sequence) is unique.
        sequence: 0 for opened, then rising by 1.
        reason: why it was resolved; null before.
        started_at: event time of the first exceeding frame. observed_at: wall clock of the detector.
        ended_at: event time of the first quiet frame; null before it is resolved. Times are RFC 3339, UTC.
        duration_s: event time from started_at to ended_at, or to the frame this event is about.
        severity: of the peak so far; never falls within an incident.
        score: level / threshold at the last scored frame; 1.0 is the boundary.
        sensors: those outside their valid range first (`outside`; observed is the first such value, expected the limit
            that it broke, share 0), then those with the largest part in the error at the peak, largest first.
        imputed: sensors that were carried or masked in the last scored frame, or in the first where none was scored.
        cause: what opened the incident: the model's score, or a value outside its valid range.
        disagreement_unusual: whether `disagreement` is above what 99 of 100 held-out normal frames stay below: members
            that see different things are a sign of readings that no training has seen, or that somebody shaped.
        scored: whether a frame of the incident had a score; until then score, peak_score, level and disagreement are 0
            and mean nothing.
    """

    schema_version: int
    alert_id: str
    sequence: int
    state: Literal["opened", "updated", "resolved"]
    reason: Literal["recovered", "silent", "split", "amended"] | None
    series: str
    detector: str
    started_at: str
    observed_at: str
    ended_at: str | None
    duration_s: float
    severity: Literal["low", "medium", "high", "critical"]
    score: float
    peak_score: float
    level: float
    threshold: float
    disagreement: float
    sensors: tuple[SensorShare, ...]
    model_version: str
    imputed: int
    source: Source
    cause: Literal["model", "range"]
    scored: bool
    disagreement_unusual: bool


VerdictName = Literal["scored", "warming", "degraded", "off"]
# Invariant: in the order of `Verdict`.
VERDICTS: tuple[VerdictName, ...] = ("scored", "warming", "degraded", "off")
assert tuple(verdict.name.lower() for verdict in Verdict) == VERDICTS


class FrameVerdict(msgspec.Struct, frozen=True):
    """One frame's verdict, for the optional scores topic; numbers are null where the frame was not scored."""

    series: str
    time: str
    verdict: VerdictName
    score: float | None
    level: float | None
    error: float | None
    disagreement: float | None
    imputed: int
    model_version: str


def rfc3339(ns: int) -> str:
    """ns since 1970 as RFC 3339 in UTC, with as many of 3, 6 or 9 decimals as it needs."""
    whole, fraction = str(np.datetime64(ns, "ns")).split(".")
    while fraction.endswith("000"):
        fraction = fraction[:-3]
    return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"


def alert(event: IncidentEvent, definition: "Definition", source: Source, observed_at: datetime) -> Alert:
    """The record of an incident event of the detector that the definition is of."""
    until = event.time if event.ended_at is None else event.ended_at
    return Alert(
        schema_version=SCHEMA_VERSION,
        alert_id=event.alert_id,
        sequence=event.sequence,
        state=event.state,
        reason=event.reason,
        series=event.series,
        detector=definition.detector,
        started_at=rfc3339(event.started_at),
        observed_at=observed_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        ended_at=None if event.ended_at is None else rfc3339(event.ended_at),
        duration_s=(until - event.started_at) / 1e9,
        severity=event.severity,  # type: ignore[arg-type]
        score=event.score,
        peak_score=event.peak_score,
        level=event.level,
        threshold=event.threshold,
        disagreement=event.disagreement,
        sensors=event.sensors,
        model_version=definition.version,
        imputed=event.imputed,
        source=source,
        cause=event.cause,
        scored=event.scored,
        disagreement_unusual=event.disagreement > definition.usual_disagreement,
    )


def encode(record: msgspec.Struct) -> bytes:
    """A record as JSON; NaN and infinity do not occur in records."""
    return msgspec.json.encode(record)


def alert_headers(record: Alert, traceparent: bytes | None = None) -> Headers:
    """CloudEvents 1.0, Kafka binding, binary mode."""
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", f"{record.alert_id}/{record.sequence}".encode()),
        ("ce_source", f"narrows/{record.detector}".encode()),
        ("ce_type", f"narrows.incident.{record.state}.v{record.schema_version}".encode()),
        ("ce_subject", record.series.encode()),
        ("ce_time", record.observed_at.encode()),
        ("content-type", b"application/json"),
    ]
    return headers if traceparent is None else [*headers, ("traceparent", traceparent)]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message for the dead-letter topic: the original key and bytes; why and whence stand in the headers."""

    key: bytes | None
    value: bytes | None
    headers: Headers


def dead_letters(dead: Iterable[Dead], topic: str, partition: int) -> Iterator[DeadLetter]:
    """One letter for each message and reason, however many of its elements died of it.

    `narrows_index` names the first elements, -1 for the whole message; `narrows_count` says how many there are.
    """
    for (offset, reason), same in groupby(sorted(dead, key=_message_and_reason), key=_message_and_reason):
        group = list(same)
        value = group[0].value
        headers: Headers = [
            ("narrows_reason", reason.value.encode()),
            ("narrows_detail", group[0].detail.encode()),
            ("narrows_topic", topic.encode()),
            ("narrows_partition", str(partition).encode()),
            ("narrows_offset", str(offset).encode()),
            ("narrows_index", ",".join(str(one.index) for one in group[:NAMED_ELEMENTS]).encode()),
            ("narrows_count", str(len(group)).encode()),
        ]
        if value is not None and len(value) > LETTER_BYTES:
            headers.append(("narrows_truncated", str(len(value)).encode()))
            value = value[:LETTER_BYTES]
        yield DeadLetter(group[0].key, value, headers)


def _message_and_reason(dead: Dead) -> tuple[int, Reason]:
    return dead.position, dead.reason


def frame_verdicts(verdicts: Verdicts, version: str) -> Iterator[FrameVerdict]:
    """A record for each frame."""
    columns = (verdicts.score, verdicts.level, verdicts.error, verdicts.disagreement)
    score, level, error, disagreement = ([None if np.isnan(x) else x for x in c.tolist()] for c in columns)
    for i, (slot, time, kind) in enumerate(
        zip(verdicts.series.tolist(), verdicts.time.tolist(), verdicts.verdict.tolist(), strict=True)
    ):
        yield FrameVerdict(
            series=verdicts.names[slot],
            time=rfc3339(time),
            verdict=VERDICTS[kind],
            score=score[i],
            level=level[i],
            error=error[i],
            disagreement=disagreement[i],
            imputed=int(verdicts.imputed[i]),
            model_version=version,
        )


def schema_of(record: type[msgspec.Struct], name: str) -> dict[str, Any]:
    """JSON Schema (2020-12) of a record that is published."""
    schema = msgspec.json.schema(record)
    for definition in schema["$defs"].values():
        # Docstrings: as Python 3.13 keeps them, whatever Python this is.
        definition["description"] = inspect.cleandoc(definition.get("description", ""))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"narrows/{name}.v{SCHEMA_VERSION}.schema.json",
        **schema,
    }


def alert_schema() -> dict[str, Any]:
    """JSON Schema of the alert record."""
    return schema_of(Alert, "alert")
