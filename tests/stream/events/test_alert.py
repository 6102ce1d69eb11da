"""The alert record, its headers and its schema: what they promise must not change by accident."""

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest
from jsonschema import Draft202012Validator, ValidationError

from stream.detect.incidents.incident import IncidentEvent, SensorShare
from stream.events.alert import Alert, Source, alert, alert_headers, alert_schema
from stream.events.record import encode
from tests.conftest import ROOT
from tests.support.builders import a_definition

COMMITTED = ROOT / "deploy" / "schemas" / "alert.v1.schema.json"
REGENERATE = "python -m deploy.schemas"
SECOND = 1_000_000_000
AT = 1_772_409_600 * SECOND  # 2026-03-02T00:00:00Z
OBSERVED = datetime(2026, 3, 2, 1, 0, 7, 123_456, timezone(timedelta(hours=1)))


def an_event(**changes: Any) -> IncidentEvent:
    plain: dict[str, Any] = {
        "series": "pump-07",
        "alert_id": "ba8e5c2e-b448-50d4-8efa-9a58b476e4a0",
        "sequence": 0,
        "state": "opened",
        "reason": None,
        "started_at": AT,
        "ended_at": None,
        "time": AT,
        "severity": "medium",
        "score": 2.5,
        "peak_score": 3.0,
        "level": 5.0,
        "threshold": 2.0,
        "disagreement": 0.0,
        "imputed": 1,
        "sensors": (
            SensorShare("flow", 0.75, 41.5, 60.25, "low", at=AT - 5 * SECOND),
            SensorShare("pressure", 0.25, None, 4.0, "unknown", visible=False),
        ),
        "row": 17,
        "cause": "model",
        "scored": True,
        "view": "window",
    }
    return IncidentEvent(**(plain | changes))


def an_alert(**changes: Any) -> Alert:
    definition = replace(a_definition(), detector="pumps", version="20260101T000000Z-aaaaaaaa", usual_disagreement=0.25)
    return alert(an_event(**changes), definition, Source("readings", 2, 17), OBSERVED)


def as_read(record: Alert) -> dict[str, Any]:
    return dict(json.loads(encode(record)))


def test_the_committed_schema_is_the_schema_of_the_records() -> None:
    committed = json.loads(COMMITTED.read_text())
    assert committed == alert_schema(), f"the record has changed; if that keeps the contract: {REGENERATE}"


def test_the_fields_of_version_1_are_all_there_with_their_types() -> None:
    """Fields may be added. The list is written out: a changed record with a regenerated schema must not pass."""
    alert_fields = alert_schema()["$defs"]["Alert"]
    types = {name: field.get("type") for name, field in alert_fields["properties"].items()}
    promised = {
        "schema_version": "integer", "alert_id": "string", "sequence": "integer", "state": None, "reason": None,
        "series": "string", "detector": "string", "started_at": "string", "observed_at": "string", "ended_at": None,
        "duration_s": "number", "severity": None, "score": "number", "peak_score": "number", "level": "number",
        "threshold": "number", "disagreement": "number", "sensors": "array", "model_version": "string",
        "imputed": "integer", "source": None,
    }  # fmt: skip
    assert {name: types.get(name) for name in promised} == promised
    assert set(promised) <= set(alert_fields["required"])
    added = {
        "cause": {"enum": ["model", "range"]},
        "scored": {"type": "boolean"},
        "disagreement_unusual": {"type": "boolean"},
    }
    assert {name: alert_fields["properties"][name] for name in added} == added
    assert set(alert_fields["properties"]["state"]["enum"]) == {"opened", "updated", "resolved"}
    assert set(alert_fields["properties"]["severity"]["enum"]) == {"low", "medium", "high", "critical"}
    assert alert_schema()["$id"].endswith("alert.v1.schema.json")
    shares = alert_schema()["$defs"]["NamedSensor"]
    assert set(shares["required"]) == {"name", "share", "observed", "expected", "direction"}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"state": "updated", "sequence": 1},
        {"state": "resolved", "reason": "recovered", "ended_at": AT + 90 * SECOND, "time": AT + 120 * SECOND},
        {"state": "resolved", "reason": "silent", "ended_at": AT},
        {"sensors": ()},
        {
            "cause": "range",
            "scored": False,
            "sensors": (SensorShare("flow", 0.0, -3.0, 0.0, "low", outside=True),),
            **dict.fromkeys(("score", "peak_score", "level", "disagreement"), 0.0),
        },
    ],
)
def test_records_fit_the_schema(changes: dict[str, Any]) -> None:
    Draft202012Validator(alert_schema()).validate(as_read(an_alert(**changes)))


@pytest.mark.parametrize(
    ("field", "value"), [("state", "closed"), ("score", "high"), ("sensors", None), ("started_at", 5), ("source", {})]
)
def test_the_schema_refuses_what_is_no_alert(field: str, value: object) -> None:
    record = as_read(an_alert()) | {field: value}
    with pytest.raises(ValidationError, match=r"is not|required"):
        Draft202012Validator(alert_schema()).validate(record)
    del record[field]
    with pytest.raises(ValidationError, match=f"'{field}' is a required property"):
        Draft202012Validator(alert_schema()).validate(record)


def test_an_alert_has_in_json_what_the_event_has() -> None:
    assert as_read(an_alert()) == {
        "schema_version": 1,
        "alert_id": "ba8e5c2e-b448-50d4-8efa-9a58b476e4a0",
        "sequence": 0,
        "state": "opened",
        "reason": None,
        "series": "pump-07",
        "detector": "pumps",
        "started_at": "2026-03-02T00:00:00Z",
        "observed_at": "2026-03-02T00:00:07.123Z",
        "ended_at": None,
        "duration_s": 0.0,
        "severity": "medium",
        "score": 2.5,
        "peak_score": 3.0,
        "level": 5.0,
        "threshold": 2.0,
        "disagreement": 0.0,
        "sensors": [
            {
                "name": "flow", "share": 0.75, "observed": 41.5, "expected": 60.25, "direction": "low",
                "outside": False,
                "at": "2026-03-01T23:59:55Z",
                "visible": True,
            },
            {
                "name": "pressure", "share": 0.25, "observed": None, "expected": 4.0, "direction": "unknown",
                "outside": False,
                "at": None,
                "visible": False,
            },
        ],
        "model_version": "20260101T000000Z-aaaaaaaa",
        "imputed": 1,
        "source": {"topic": "readings", "partition": 2, "offset": 17},
        "cause": "model",
        "scored": True,
        "disagreement_unusual": False,
        "view": "window",
    }  # fmt: skip


@pytest.mark.parametrize(("disagreement", "unusual"), [(0.25, False), (0.26, True)])
def test_an_alert_says_whether_its_members_disagree_more_than_on_normal_frames(
    disagreement: float, unusual: bool
) -> None:
    assert an_alert(disagreement=disagreement).disagreement_unusual is unusual


def test_a_duration_runs_to_the_end_once_there_is_one_and_to_the_frame_of_the_event_before() -> None:
    assert an_alert(time=AT + 60 * SECOND).duration_s == 60.0
    resolved = an_alert(state="resolved", ended_at=AT + 90 * SECOND, time=AT + 120 * SECOND)
    assert (resolved.duration_s, resolved.ended_at) == (90.0, "2026-03-02T00:01:30Z")


def test_headers_are_cloud_events_in_binary_mode() -> None:
    headers = alert_headers(an_alert(state="resolved", sequence=4), [("traceparent", b"00-trace-01")])
    assert dict(headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"ba8e5c2e-b448-50d4-8efa-9a58b476e4a0/4",
        "ce_source": b"narrows/pumps",
        "ce_type": b"narrows.incident.resolved.v1",
        "ce_subject": b"pump-07",
        "ce_time": b"2026-03-02T00:00:07.123Z",
        "content-type": b"application/json",
        "traceparent": b"00-trace-01",
    }
    assert len(headers) == len(dict(headers)), "each header once"
    assert "traceparent" not in dict(alert_headers(an_alert(), []))
    assert urlparse(dict(headers)["ce_source"].decode()).path == "narrows/pumps", "a URI reference, as CloudEvents asks"


def test_the_schema_is_shipped_as_readable_text() -> None:
    assert COMMITTED.read_text() == json.dumps(alert_schema(), indent=2) + "\n", REGENERATE
    assert Path(COMMITTED).stat().st_size < 20_000
