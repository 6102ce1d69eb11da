"""The status record: its schema is committed, its headers are CloudEvents."""

import json
from datetime import UTC, datetime

import jsonschema

from stream.events import encode
from stream.status import Notice, status, status_headers, status_schema
from tests.conftest import ROOT

COMMITTED = ROOT / "deploy" / "schemas" / "status.v1.schema.json"
NOW = datetime(2026, 3, 7, 12, tzinfo=UTC)


def test_the_committed_schema_is_that_of_the_record() -> None:
    assert json.loads(COMMITTED.read_text()) == status_schema()


def test_a_record_fits_the_schema_and_names_itself_in_its_headers() -> None:
    notice = Notice("data.readings_lost", "retention deleted 10 messages", None, 40, {"lost": 10})
    record = status(notice, "pumps", "one", 3, NOW)
    jsonschema.validate(json.loads(encode(record)), status_schema())
    headers = dict(status_headers(record))
    assert headers["ce_type"] == b"narrows.data.readings_lost.v1"
    assert headers["ce_id"] == b"pumps/data.readings_lost/3/40/-"
    assert headers["ce_subject"] == b"pumps"
    assert headers["ce_time"] == b"2026-03-07T12:00:00.000Z"


def test_the_same_event_has_the_same_id_whoever_tells_it() -> None:
    notice = Notice("data.series_in_two_partitions", "pump-1 twice", "pump-1", 7, {"kept_in": 1})
    ids = {dict(status_headers(status(notice, "pumps", who, 2, NOW)))["ce_id"] for who in ("one", "two")}
    assert ids == {b"pumps/data.series_in_two_partitions/2/7/pump-1"}
