"""Status events: the record of each kind is the same byte for byte, and the schema has the details of each kind."""

import json
from typing import Any

import jsonschema
import pytest

from stream.detect.detector import Detector
from stream.detect.incidents.usual_events import UsualEvent
from stream.detect.outcome import ClockRestart
from stream.detect.unwatched import CoverageEvent, CoverageReason
from stream.events.data_events import (
    HistoryLost,
    PartitionsChanged,
    PartitionUnwatched,
    PartitionWatched,
    ReadingsLost,
    SensorsComplete,
    SensorsMissing,
    SeriesInTwoPartitions,
    SeriesRetired,
    series_event,
)
from stream.events.detector_events import (
    BundleActivated,
    BundleRefused,
    Drift,
    HardlyAnythingUsed,
    Heartbeat,
    MutesChanged,
    ReadingsUsedAgain,
    StaleThreshold,
)
from stream.events.record import encode
from stream.events.status import status, status_headers, status_schema
from stream.events.status_event import StatusEvent, kind_of
from tests.conftest import ROOT
from tests.stream.events.test_status import NOW
from tests.support.builders import a_definition, a_spec

SECOND = 1_000_000_000
# One line per event below: its record, and the id in its headers. Subscribers rely on both.
PUBLISHED = [json.loads(line) for line in (ROOT / "tests/stream/events/status_records.jsonl").read_text().splitlines()]
SILENT = "silent for longer than `serve.retire_after`"
FAILED = "taking v2 over failed 5 times in a row; see the log for transaction.failed"


def coverage(watched: bool, masked: tuple[str, ...] = (), **counts: int) -> StatusEvent:
    since, time = 1_700_000_010 * SECOND, 1_700_000_076 * SECOND
    counted = tuple(counts.get(reason.label, 0) for reason in CoverageReason)
    return series_event(CoverageEvent("pump-1", watched, since, time, counted, masked, 0), offset=7)


def usual(factor: float, *sensors: str) -> StatusEvent:
    since, time = 1_700_000_020 * SECOND, 1_700_086_420 * SECOND
    return series_event(UsualEvent("pump-1", since, time, factor, sensors, 0, returned=factor == 1.0), offset=7)


EVENTS: list[StatusEvent] = [
    BundleActivated.of("v1", "v2", warm=True, offset=40),
    BundleActivated.of("v1", "v2", warm=False, offset=40),
    BundleRefused("v2", "v1", message="no such bundle"),
    BundleRefused("v2", "v1", message=FAILED),
    StaleThreshold.of("v1", 1_991_316_800 * SECOND, 100),
    Drift.of("v1", "many", 36, 4.0, 1.0),
    Drift.of("v1", "none", 0, 31.25, 1.0),
    ReadingsLost.of(30, offset=40),
    HistoryLost.of([f"pump-{i}" for i in range(12)], oldest=12, offset=40),
    HistoryLost.of([], oldest=12, offset=40),
    SeriesInTwoPartitions.of("pump-1", kept_in=1, refused_in=2, offset=7),
    SeriesRetired.of(["a"], "moved to another partition", offset=7),
    SeriesRetired.of(["a", "b"], SILENT, offset=7),
    coverage(watched=False, masked=("s0", "s1"), degraded=61, late=2),
    coverage(watched=False),
    coverage(watched=False, off=1200),
    coverage(watched=True, warming=61),
    PartitionUnwatched.of(3, ["pump-1", "pump-2"], 60.5, 0, 1_700_000_016 * SECOND, 7),
    PartitionUnwatched.of(3, ["pump-1"], 60.5, 12, 1_700_000_016 * SECOND, 7),
    PartitionWatched.of(3, "pump-1", 7),
    SensorsMissing.of("v1", ["s0", "s2"], ["s1"], ["p1", "p2"]),
    SensorsMissing.of("v1", ["s0", "s1", "s2"], [], ["p1", "p2"]),
    SensorsComplete.of("v1", 3),
    PartitionsChanged.of("readings", 4, 6),
    usual(3.25, "s1", "s0"),
    usual(3.25),
    usual(1.0, "s1"),
    HardlyAnythingUsed.of("nothing is of use", [("not_json", 60), ("late", 1)], 61, 0, "gzip", "2026-12-01T03:00:00Z"),
    HardlyAnythingUsed.of("nothing is of use", [], 61, 1, "", "2026-12-01T03:00:00Z"),
    ReadingsUsedAgain.of("in", 60, 0.984),
    MutesChanged.of(("pump-1", ""), offset=40),
    MutesChanged.of((), offset=40),
    Heartbeat.of(1_700_000_040 * SECOND, "stream", 1_700_000_046 * SECOND, Detector(a_definition(a_spec())), offset=40),
    Heartbeat.of(1_700_000_040 * SECOND, "wall", None, Detector(a_definition(a_spec())), offset=0),
    series_event(ClockRestart("pump-1", 1_700_000_000 * SECOND, 1_700_003_600 * SECOND, 20, 0), offset=7),
]


@pytest.mark.parametrize(("event", "published"), list(zip(EVENTS, PUBLISHED, strict=True)))
def test_an_event_gives_the_record_of_before_to_the_byte(event: StatusEvent, published: dict[str, str]) -> None:
    record = status(event, "pumps", "one", None if event.offset is None else 3, NOW)
    assert encode(record).decode() == published["record"]
    assert dict(status_headers(record))["ce_id"].decode() == published["ce_id"]


@pytest.mark.parametrize("published", PUBLISHED)
def test_the_records_of_before_fit_the_schema(published: dict[str, str]) -> None:
    jsonschema.validate(json.loads(published["record"]), status_schema())


def test_each_kind_has_its_own_details_in_the_schema() -> None:
    """The details of one kind are refused under another, and so is a detail of the wrong type."""
    by_kind: dict[str, dict[str, Any]] = {r["kind"]: r for r in (json.loads(p["record"]) for p in PUBLISHED)}
    wrong = [by_kind["data.readings_lost"] | {"details": details} for details in ({"lost": "ten"}, {"count": 1}, {})]
    wrong.append(by_kind["data.readings_lost"] | {"kind": "data.history_lost"})
    for record in wrong:
        with pytest.raises(jsonschema.ValidationError, match="Failed validating"):
            jsonschema.validate(record, status_schema())


def test_every_kind_is_in_this_test_and_in_the_readme() -> None:
    kinds = set(status_schema()["$defs"]["Status"]["properties"]["kind"]["enum"])
    assert {event.kind for event in EVENTS} == kinds == {kind_of(event) for event in StatusEvent.__subclasses__()}
    pages = "".join(page.read_text() for page in (ROOT / "README.md", ROOT / "stream" / "README.md") if page.exists())
    assert [kind for kind in sorted(kinds) if f"`{kind}`" not in pages] == []
