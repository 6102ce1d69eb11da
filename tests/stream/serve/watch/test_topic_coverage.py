"""A process that uses hardly any reading says so once, with the causes, and says when that is over."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import jsonschema
import pytest

from stream.counters import Count
from stream.detect.definition import Definition
from stream.events.status import status_schema
from stream.events.status_event import StatusEvent
from stream.intake.decode import Decoder
from stream.kafka.partition import Partition
from stream.kafka.records import Records
from stream.kafka.state.owners import Owners
from stream.kafka.state.resume_point import PartitionOffsets, resume_point_of
from stream.serve.watch.topic_coverage import ENOUGH, QUIET_SEGMENTS, TopicCoverage
from tests.support.builders import START, a_definition, a_policy, fields

AFTER_S = 60.0
DEFINITION = a_definition(policy=a_policy(restart_after=0))


class WatchedProcess:
    """A process with one partition, and a clock that the test moves."""

    def __init__(self, definition: Definition = DEFINITION, *reports: str, share: float = 1.0, **changes: Any) -> None:
        self.now, self.share, self.counts = 0.0, share, Counter[Count]()
        self.coverage = TopicCoverage("in", AFTER_S, lambda: self.now)
        self.decoder = Decoder(fields(**changes), definition.sensors, None)
        self.partition = Partition(0, definition, self.decoder, Owners())
        self.partition.begin(resume_point_of(PartitionOffsets(0, None, None, 0, 10**9, "id", 0)), 0)
        self.partition.reports = set(reports)
        self.events: list[StatusEvent] = []

    def take(self, values: Iterable[bytes], key: bytes = b"a") -> None:
        """Takes and commits messages."""
        part: list[bytes | None] = [*values]
        first, n = max(self.partition.position, 0), len(part)
        stamps = [START // 1_000_000 + 10**11] * n
        records = Records([key] * n, part, range(first, first + n), stamps, [None] * n)  # type: ignore[list-item]
        result = self.partition.process(records)
        self.coverage.note(self.partition, result)
        self.counts.update(self.partition.mark_committed())

    def wait(self, seconds: float = AFTER_S) -> list[StatusEvent]:
        """Lets wall clock pass; returns what is reported then."""
        self.now += seconds
        held = [self.partition]
        events = self.coverage.update(self.partition.definition, self.counts, held, self.share)
        self.coverage.report.carry(held, not events)
        self.events += events
        return events


def good(n: int, first: int = 0) -> list[bytes]:
    time = START // 1_000_000
    return [json.dumps({"time": time + 1000 * i, "s0": 1.0, "s1": 2.0}).encode() for i in range(first, first + n)]


def kinds(events: list[StatusEvent]) -> list[str]:
    return [event.kind for event in events]


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        ([b"\x00\x00\x00\x00\x07Hxyz"] * 50, "not_json"),
        ([b"\x1f\x8b\x08\x00abc"] * 50, "not_utf8"),
        ([b""] * 50, "empty"),
        (good(1, 100) + good(60), "late"),
        (good(1) * 50, "duplicate"),
        ([b'{"time": %d, "s0": null, "s1": null}' % (START // 1_000_000 + 1000 * i) for i in range(50)], "degraded"),
    ],
)
def test_whatever_the_cause_one_event_names_it_and_one_says_that_it_is_over(values: list[bytes], cause: str) -> None:
    process = WatchedProcess()
    assert process.wait(1) == []
    process.take(values)
    (event,) = process.wait()
    assert (event.kind, event.details["cause"]) == ("detector.hardly_anything_used", cause)
    assert event.details["received"] == len(values)
    assert process.coverage.reason == event.message
    process.take(values)
    assert process.wait() == []
    process.take(good(200, 1000))
    assert kinds(process.wait()) == ["detector.readings_used_again"]
    assert process.coverage.reason is None
    assert not process.partition.reports


def test_counts_come_most_first_with_an_example_and_a_remedy() -> None:
    process = WatchedProcess()
    process.take([*good(2), *[b"\x00\x00\x00\x00\x07Hxyz"] * 30, *[b'{"s0": 1}'] * 10])
    (event,) = process.wait()
    assert event.details["causes"] == "not_json: 30, missing_time: 10"
    assert "of 42 readings of topic 'in' in 60 s, hardly any is of use: not_json 30, missing_time 10" in event.message
    assert "id 7" in str(event.details["example"])
    assert event.message.endswith("or let `narrows init --from-topic` guess `input` from what they send")
    jsonschema.validate(event.details, status_schema()["$defs"]["HardlyAnythingUsed"])


def test_a_tenth_is_enough_and_few_readings_wait_for_more() -> None:
    process = WatchedProcess()
    process.take([*good(11), *[b"no"] * 89])
    assert process.wait() == []
    process.take([b"no"] * (ENOUGH - 1))
    assert process.wait() == []
    process.take([b"no"])
    assert kinds(process.wait(0.5)) == ["detector.hardly_anything_used"]


def test_what_is_left_out_on_purpose_is_no_cause_while_others_are_used() -> None:
    policy = a_policy(resample="last")
    process = WatchedProcess(a_definition(policy=policy), format="long")
    time = START // 1_000_000

    def long(n: int, *sensors: bytes) -> list[bytes]:
        moments = [(time + 1000 * i, sensor) for i in range(n) for sensor in sensors]
        return [b'{"time": %d, "sensor": "%s", "value": 1}' % moment for moment in moments]

    process.take(long(1000, b"other") + long(30, b"s0", b"s1"))
    assert process.wait() == []
    process.take(long(1000, b"other"))
    (event,) = process.wait()
    assert (event.details["cause"], event.details["example"]) == ("ignored", "sensors other")


def test_a_topic_from_which_nothing_comes_is_told_after_longer_where_something_may_be_expected() -> None:
    process, partial = WatchedProcess(), WatchedProcess(share=0.5)
    for one in (process, partial):
        assert one.wait() == one.wait((QUIET_SEGMENTS - 2) * AFTER_S) == []
    assert process.wait()[0].details["cause"] == "nothing_came"
    assert partial.wait() == []
    partial.take(good(40))
    assert partial.wait() == []
    partial.wait(AFTER_S)
    assert partial.wait(QUIET_SEGMENTS * AFTER_S)[0].details["cause"] == "nothing_came"
    process.take(good(1))
    assert kinds(process.wait()) == ["detector.readings_used_again"]


def test_frames_that_warm_up_for_ever_are_of_no_use_in_the_end() -> None:
    process = WatchedProcess()
    far = [b'{"time": %d, "s0": 1, "s1": 2}' % (START // 1_000_000 + 10_000 * i) for i in range(1, 51)]
    process.take(far)
    (event,) = process.wait()
    assert event.details["cause"] == "warming"
    assert "of 1 series, 1 are not watched: warming 1; send in the step of training" in event.message
    process.take(good(50, 600))
    assert kinds(process.wait()) == ["detector.readings_used_again"]


@pytest.mark.parametrize(("share", "told"), [(1.0, True), (0.5, False)])
def test_series_of_which_the_bundle_knows_none_are_told_unless_another_process_may_have_them(
    share: float, told: bool
) -> None:
    process = WatchedProcess(a_definition(policy=a_policy(), series=("a", "b")), share=share)
    process.take(good(50), key=b"x")
    events = process.wait()
    assert [event.details["cause"] for event in events] == (["other_series"] if told else [])
    process.take(good(50), key=b"a")
    assert kinds(process.wait()) == (["detector.readings_used_again"] if told else [])


def test_a_report_is_carried_by_commits_so_that_the_next_process_ends_it_and_does_not_repeat_it() -> None:
    first = WatchedProcess()
    first.take([b"no"] * 50)
    first.wait()
    (report,) = first.partition.reports
    assert first.partition.needs_commit
    assert first.partition.metadata("one").reports == (report,)
    second, mended = WatchedProcess(DEFINITION, report), WatchedProcess(DEFINITION, report)
    for process in (second, mended):
        assert process.wait(1) == []
        assert process.coverage.reason is None
    second.take([b"no"] * 50)
    mended.take(good(50))
    assert second.wait() == []
    assert second.coverage.reason is not None
    assert kinds(mended.wait()) == ["detector.readings_used_again"]
