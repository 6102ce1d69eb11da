"""Checks of what the service has published: open conditions fail, what is over and old does not count."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from stream.detect.unwatched import CoverageEvent, CoverageReason
from stream.events.data_events import (
    PartitionsChanged,
    PartitionUnwatched,
    PartitionWatched,
    SensorsComplete,
    SensorsMissing,
    SeriesInTwoPartitions,
    SeriesUnwatched,
)
from stream.events.detector_events import Drift, HardlyAnythingUsed, ReadingsUsedAgain
from stream.events.record import encode
from stream.events.status import status
from stream.events.status_event import StatusEvent
from stream.kafka.admin.published_checks import letter_results, status_results, status_views
from stream.kafka.topic_reader import TopicRecord

NOW = datetime(2026, 3, 7, 12, tzinfo=UTC)
UNUSED = HardlyAnythingUsed.of("of 60 readings, hardly any is of use; look there", [("late", 60)], 60, 0, "", "")
USED = ReadingsUsedAgain.of("in", 60, 1.0)
MISSING, COMPLETE = SensorsMissing.of("v1", ["s0"], ["s1"], []), SensorsComplete.of("v1", 2)
SILENT, HEARD = PartitionUnwatched.of(1, ["a"], 90.0, 0, 0, 7), PartitionWatched.of(1, "a", 8)
DRIFT = Drift.of("v1", "none", 0, 31.25, 1.0)


def unwatched(reason: CoverageReason) -> SeriesUnwatched:
    counts = tuple(5 * (each is reason) for each in CoverageReason)
    return SeriesUnwatched.of(CoverageEvent("a", False, 0, 1, counts, (), 0), 7)


def published(
    *events: StatusEvent, hours_ago: float = 2.0, detector: str = "pumps", partition: int | None = None
) -> list[TopicRecord]:
    at = NOW - timedelta(hours=hours_ago)
    records = [
        status(event, detector, "one", partition, at + timedelta(seconds=second)) for second, event in enumerate(events)
    ]
    return [TopicRecord(0, i, None, encode(record), 0) for i, record in enumerate(records)]


def outcomes(records: list[TopicRecord]) -> dict[str, str]:
    return {result.check: result.outcome for result in status_results(status_views(records, "pumps"), NOW)}


@pytest.mark.parametrize(
    ("records", "found"),
    [
        ([], {"status": "ok"}),
        (published(UNUSED, MISSING), {UNUSED.kind: "failure", MISSING.kind: "failure"}),
        (published(UNUSED, MISSING, COMPLETE, USED), {"status": "ok"}),
        (published(UNUSED, USED, UNUSED, hours_ago=2000), {UNUSED.kind: "failure"}),
        (published(unwatched(CoverageReason.LATE), partition=1), {"data.series_unwatched": "failure"}),
        (published(unwatched(CoverageReason.OFF), partition=1), {"status": "ok"}),
        (published(SILENT, partition=1) + published(HEARD, partition=2, hours_ago=1), {SILENT.kind: "failure"}),
        (published(SILENT, partition=1) + published(HEARD, partition=1, hours_ago=1), {"status": "ok"}),
        (published(UNUSED, detector="others"), {"status": "ok"}),
        (published(DRIFT, UNUSED), {UNUSED.kind: "failure", DRIFT.kind: "warning"}),
        (published(DRIFT, hours_ago=25), {"status": "ok"}),
        (published(SeriesInTwoPartitions.of("a", 1, 2, 7)), {"data.series_in_two_partitions": "warning"}),
        (published(PartitionsChanged.of("in", 4, 6)), {"status": "ok"}),
        ([TopicRecord(0, 0, None, value, 0) for value in (b"{", None, b"[]")], {"status": "ok"}),
    ],
)
def test_what_stands_is_a_failure_and_a_warning_of_the_last_day_is_a_warning(
    records: list[TopicRecord], found: dict[str, str]
) -> None:
    assert outcomes(records) == found
    assert list(outcomes(records)) == list(found), "the worst first"


def test_a_line_says_since_when_and_what_to_do() -> None:
    (result,) = status_results(status_views(published(UNUSED), "pumps"), NOW)
    assert result.seen == "since 2026-03-07T10:00:00Z: of 60 readings, hardly any is of use"
    assert result.do == "look there"


def test_several_series_of_a_kind_are_one_line() -> None:
    events = [SeriesInTwoPartitions.of(name, 1, 2, 7) for name in ("a", "b", "a")]
    (result,) = status_results(status_views(published(*events), "pumps"), NOW)
    assert "2 series (a, b), the newest: 'a' is scored in partition 1" in f"{result.seen}; {result.do}"


def test_dead_letters_of_the_last_hour_are_told_by_reason() -> None:
    def letter(reason: bytes, minutes_ago: int) -> TopicRecord:
        names = {"partition": b"0", "offset": b"7", "topic": b"in", "index": b"-1", "count": b"1", "detail": b"no {"}
        headers = {f"narrows_{name}": value for name, value in (names | {"reason": reason}).items()}
        written = int((NOW - timedelta(minutes=minutes_ago)).timestamp() * 1000)
        return TopicRecord(0, minutes_ago, None, b"x", written, headers)

    letters = [letter(b"late", 30), letter(b"not_json", 20), letter(b"not_json", 10), letter(b"empty", 61)]
    results = letter_results(letters, NOW)
    assert [(result.check, result.outcome) for result in results] == [
        ("dead_letters.not_json", "warning"), ("dead_letters.late", "warning"),
    ]  # fmt: skip
    assert (
        results[0].seen
        == "2 dead letters of reason not_json in the last hour, the newest at 2026-03-07T11:50:00Z: no {"
    )
    assert "`narrows dlq show 0/10`" in results[0].do
    assert [result.outcome for result in letter_results(letters[-1:], NOW)] == ["ok"]
    assert msgspec.json.encode(results[0])
