"""The status record: its schema is committed, its headers are CloudEvents."""

import json
from datetime import UTC, datetime

import jsonschema

from stream.events.data_events import PartitionsChanged, ReadingsLost, SeriesInTwoPartitions
from stream.events.detector_events import BundleRefused
from stream.events.record import encode
from stream.events.status import status, status_headers, status_schema
from tests.conftest import ROOT

COMMITTED = ROOT / "deploy" / "schemas" / "status.v1.schema.json"
REGENERATE = "python -m deploy.schemas"
NOW = datetime(2026, 3, 7, 12, tzinfo=UTC)


def test_the_committed_schema_is_that_of_the_record() -> None:
    assert json.loads(COMMITTED.read_text()) == status_schema(), REGENERATE


def test_a_record_fits_the_schema_and_names_itself_in_its_headers() -> None:
    event = ReadingsLost.of(10, offset=40)
    record = status(event, "pumps", "one", 3, NOW)
    jsonschema.validate(json.loads(encode(record)), status_schema())
    headers = dict(status_headers(record))
    assert headers["ce_type"] == b"narrows.data.readings_lost.v1"
    assert headers["ce_id"].startswith(b"pumps/data.readings_lost/3/40/-/")
    assert headers["ce_subject"] == b"pumps"
    assert headers["ce_time"] == b"2026-03-07T12:00:00.000Z"


def test_the_same_event_has_the_same_id_whichever_instance_reports_it() -> None:
    event = SeriesInTwoPartitions.of("pump-1", kept_in=1, refused_in=2, offset=7)
    ids = {dict(status_headers(status(event, "pumps", who, 2, NOW)))["ce_id"] for who in ("one", "two")}
    assert len(ids) == 1


def test_two_refusals_have_two_ids_and_one_that_is_reported_twice_has_one() -> None:
    """They are about no partition: a subscriber that drops repeated ids must not lose the second."""

    def refused(version: str, serving: str, who: str = "one") -> bytes:
        event = BundleRefused(version, serving, message="no")
        return dict(status_headers(status(event, "pumps", who, None, NOW)))["ce_id"]

    assert len({refused("v2", "v1"), refused("v3", "v1"), refused("v2", "v3")}) == 3
    assert refused("v2", "v1", "two") == refused("v2", "v1")


def test_two_changes_of_the_number_of_partitions_have_two_ids() -> None:
    def changed(before: int, now: int) -> bytes:
        event = PartitionsChanged.of("readings", before, now)
        return dict(status_headers(status(event, "pumps", "one", None, NOW)))["ce_id"]

    assert len({changed(4, 6), changed(6, 8)}) == 2
