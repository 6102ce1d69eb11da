"""The alert record, its headers and its JSON Schema, which is generated from the struct."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from stream.detect.incidents.incident import IncidentEvent, SensorShare
from stream.events.record import SCHEMA_VERSION, Headers, JsonSchema, rfc3339, schema_of

if TYPE_CHECKING:  # The module imports torch, which commands that only read records do not need.
    from stream.detect.definition import Definition

# Headers of a reading that its alerts carry on.
CARRIED = ("traceparent",)


class Source(msgspec.Struct, frozen=True):
    """Message or row that caused an event: topic or file, partition or 0, offset or row."""

    topic: str
    partition: int
    offset: int


class NamedSensor(msgspec.Struct, frozen=True):
    """A sensor that an event names.

    Attributes:
        share: part of the error at the peak, in [0, 1].
        observed: in the sensor's units, where it deviates most in the window of the peak; null: masked.
        expected: by the model, there. Of a sensor that stood still in training: the value at which it stood.
        outside: the value was outside its valid range, and not part of the error; `expected` is the limit it broke.
        at: event time of `observed`, RFC 3339; null: not recorded.
        visible: the deviation stands out, against the sensor's spread and its usual error in training and against the
            other sensors. False: no deviation does; this sensor has the largest share of many small ones.
    """

    name: str
    share: float
    observed: float | None
    expected: float
    direction: Literal["high", "low", "unknown"]
    outside: bool = False
    at: str | None = None
    visible: bool = True


class Alert(msgspec.Struct, frozen=True):
    """One event of an incident. Everything but `observed_at` follows from the readings and the bundle.

    Attributes:
        alert_id: id of the incident; the same in replay, mirror and broker. (alert_id, sequence) is unique.
        sequence: 0 for opened, then rising by 1.
        reason: why the incident was resolved; null before.
        started_at: event time of the first exceeding frame. observed_at: wall clock of the detector.
        ended_at: event time of the first quiet frame; null before it is resolved. Times are RFC 3339, UTC.
        duration_s: event time from started_at to ended_at, or to the frame of this event.
        severity: how rare the peak so far is on normal data; it never falls within an incident. low: above the
            threshold. medium, high, critical: by default 10, 100 and 1,000 times rarer than that.
        score: level / threshold at the last scored frame; 1.0 is the boundary.
        sensors: first those outside their valid range (`outside`). For them, observed is the first such value,
            expected the limit, share 0. Then those whose deviation at the peak is `visible`, largest share of the error
            first.
        imputed: number of sensors that were carried or masked in the last scored frame. If no frame was scored: in the
            first frame.
        cause: what opened the incident: the model's score, or a value outside its valid range.
        disagreement_unusual: whether `disagreement` is above that of 99 of 100 held-out normal frames. Members disagree
            on readings unlike all of training, and on readings that somebody has shaped.
        scored: whether a frame of the incident had a score. Until then score, peak_score, level and disagreement are 0
            and mean nothing.
        view: what the peak score is of: the newest frame alone, the whole window, or a sensor that has stopped moving;
            null: no frame was scored, or an older version opened the incident.
    """

    schema_version: int
    alert_id: str
    sequence: int
    state: Literal["opened", "updated", "resolved"]
    reason: Literal["recovered", "silent", "split", "amended", "new_usual", "unwatched", "clock_restarted"] | None
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
    sensors: tuple[NamedSensor, ...]
    model_version: str
    imputed: int
    source: Source
    cause: Literal["model", "range"]
    scored: bool
    disagreement_unusual: bool
    view: Literal["newest", "window", "still", "relation"] | None = None


def alert(event: IncidentEvent, definition: "Definition", source: Source, observed_at: datetime) -> Alert:
    """The record of an incident event; `definition`: that of its detector. `source`: what caused the event."""
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
        sensors=tuple(map(named_sensor, event.sensors)),
        model_version=definition.version,
        imputed=event.imputed,
        source=source,
        cause=event.cause,
        scored=event.scored,
        disagreement_unusual=event.disagreement > definition.usual_disagreement,
        view=event.view,
    )


def named_sensor(of: SensorShare) -> NamedSensor:
    """A sensor as alerts name it."""
    at = rfc3339(of.at) if of.at else None
    return NamedSensor(of.name, of.share, of.observed, of.expected, of.direction, of.outside, at, of.visible)


def alert_headers(record: Alert, carried: Headers) -> Headers:
    """CloudEvents 1.0 headers, Kafka binding, binary mode; `carried`: `CARRIED` of the message behind the alert."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", f"{record.alert_id}/{record.sequence}".encode()),
        ("ce_source", f"narrows/{record.detector}".encode()),
        ("ce_type", f"narrows.incident.{record.state}.v{record.schema_version}".encode()),
        ("ce_subject", record.series.encode()),
        ("ce_time", record.observed_at.encode()),
        ("content-type", b"application/json"),
        *carried,
    ]


def alert_schema() -> JsonSchema:
    """JSON Schema of the alert record."""
    return schema_of(Alert, "alert")
