"""A bundle that does not fit the topic is reported once: sensors that never came, those that did, and what to do."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import structlog

from deploy.kafka.broker import Broker
from stream.counters import Count
from stream.detect.definition import Definition
from stream.events.status import status_schema
from stream.events.status_event import StatusEvent
from stream.intake.decode import Decoder, Fields
from stream.kafka.partition import Partition
from stream.kafka.records import Records
from stream.kafka.state.owners import Owners
from stream.kafka.state.resume_point import PartitionOffsets, resume_point_of
from stream.serve.watch.sensor_coverage import PATIENCE_FRAMES, SensorCoverage
from tests.conftest import MakeTopic
from tests.support.builders import START, a_definition, a_policy, a_spec, fields
from tests.support.live import Live

MAX_CARRY = 5
ENOUGH = PATIENCE_FRAMES + 2 * MAX_CARRY
Message = dict[str, Any]


def wide(sensors: int) -> Definition:
    return a_definition(a_spec(sensors=sensors), a_policy(max_carry=MAX_CARRY))


def long(sensors: int) -> Definition:
    return a_definition(a_spec(sensors=sensors), a_policy(max_carry=MAX_CARRY, resample="last"))


def at(second: float, series: str = "a") -> Message:
    return {"time": START // 1_000_000 + round(second * 1000), "series": series}


class ReportedTopic:
    """A partition that takes messages in batches, and the reports on its sensors."""

    def __init__(self, definition: Definition, fields: Fields) -> None:
        self.fields, self.coverage = fields, SensorCoverage()
        self.partition = Partition(0, definition, self.decoder(definition), Owners())
        self.partition.begin(resume_point_of(PartitionOffsets(0, None, None, 0, 10**9, "id", 0)), 0)
        self.reports: list[StatusEvent] = []

    def decoder(self, definition: Definition) -> Decoder:
        return Decoder(self.fields, definition.sensors, None)

    def take(self, messages: Iterable[Message], batch: int = 50) -> list[StatusEvent]:
        """Takes messages; returns all reports so far."""
        texts: list[bytes | None] = [json.dumps(message).encode() for message in messages]
        for start in range(0, len(texts), batch):
            part, first = texts[start : start + batch], max(self.partition.position, 0)
            offsets, stamps = list(range(first, first + len(part))), [START // 1_000_000 + 10**9] * len(part)
            records = Records([b"k"] * len(part), part, offsets, stamps, [None] * len(part))  # type: ignore[list-item]
            self.reports += self.coverage.update(self.partition, self.partition.process(records))
        return self.reports


def reported_topic(definition: Definition, **changes: Any) -> ReportedTopic:
    return ReportedTopic(definition, fields(series="series", **changes))


def kinds(events: list[StatusEvent]) -> list[str]:
    return [event.kind for event in events]


def rows(n: int, sensors: Callable[[int], Iterable[str]], series: int = 1, first: int = 0) -> Iterable[Message]:
    """Yields n rounds of wide messages of several series; `sensors` of a round."""
    for second in range(first, first + n):
        for k in range(series):
            yield at(second, f"a{k}") | dict.fromkeys(sensors(second), 1.0)


def values(rounds: int, sensors: Iterable[str], first: int = 0) -> Iterable[Message]:
    """Long messages: in each second one of each sensor."""
    for second in range(first, first + rounds):
        for name in sensors:
            yield at(second) | {"sensor": name, "value": 1.0}


def names(start: int, end: int) -> list[str]:
    return [f"s{i}" for i in range(start, end)]


def test_a_wide_topic_that_sends_half_of_the_sensors_is_reported() -> None:
    topic = reported_topic(wide(40))
    (event,) = topic.take(rows(200, lambda _: [*names(0, 20), "temp"], series=3))
    assert event.kind == "data.sensors_missing"
    assert event.details == {
        "bundle": "v1", "missing": ", ".join(names(20, 40)), "seen": ", ".join(names(0, 20)), "others": "temp",
    }  # fmt: skip
    assert "20 of the 40 sensors of bundle v1 have never come with a value: s20, s21," in event.message
    assert "Seen: s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, ...; other names in the messages: temp." in event.message
    assert "Point `bundle` at one trained on what this topic sends" in event.message


def test_a_long_topic_of_other_sensors_is_reported_though_none_of_its_readings_is_used() -> None:
    topic = reported_topic(long(3), format="long")
    (event,) = topic.take(values(40, ["p1", "p2"]))
    assert topic.partition.uncommitted_counts[Count.IGNORED] == 80
    assert event.details == {"bundle": "v1", "missing": "s0, s1, s2", "seen": "", "others": "p1, p2"}
    assert "Seen: none of them; other names in the messages: p1, p2." in event.message


def test_a_long_topic_that_lacks_some_sensors_is_reported() -> None:
    (event,) = reported_topic(long(3), format="long").take(values(60, ["s0", "s2", "p1"]))
    assert (event.details["missing"], event.details["others"]) == ("s1", "p1")


def test_a_wide_topic_with_none_of_the_sensors_is_reported() -> None:
    (event,) = reported_topic(wide(3)).take(rows(40, lambda _: ["flow", "temp"]))
    assert (event.details["missing"], event.details["others"]) == ("s0, s1, s2", "flow, temp")


@pytest.mark.parametrize("batch", [1, 7, 10_000])
def test_it_is_reported_after_enough_frames_of_each_series_and_not_before(batch: int) -> None:
    topic = reported_topic(wide(3))
    topic.take(rows(1, lambda _: ["s0"], series=4), batch)
    assert topic.take(rows(ENOUGH - 2, lambda _: ["s0"], series=4, first=1), batch) == []
    assert len(topic.take(rows(2, lambda _: ["s0"], series=4, first=ENOUGH), batch)) == 1


def test_where_all_sensors_come_nothing_is_reported() -> None:
    assert reported_topic(wide(3)).take(rows(200, lambda _: names(0, 3))) == []
    assert reported_topic(long(3), format="long").take(values(200, [*names(0, 3), "p1"])) == []


def test_a_sensor_that_dies_later_is_not_missing() -> None:
    """That is masked, and its series may become blind; the bundle fits."""
    assert reported_topic(wide(3)).take(rows(300, lambda second: names(0, 3 if second < 10 else 2))) == []


def test_sensors_as_seldom_as_the_bundle_carries_a_value_for_are_waited_for() -> None:
    """Also where all series send them in the same second."""
    topic = reported_topic(wide(3))
    rare = rows(100, lambda second: names(0, 3 if second % (MAX_CARRY + 1) == MAX_CARRY else 2), series=200)
    assert topic.take(rare, batch=8) == []


def test_a_topic_that_is_mostly_for_others_is_no_misfit() -> None:
    topic = reported_topic(long(3), format="long")
    foreign = [f"p{i}" for i in range(40)]
    assert topic.take(values(20, foreign)) == []
    assert topic.take(values(100, [*foreign, *names(0, 3)], first=20)) == []


def test_a_report_is_repeated_only_when_it_changes_and_taken_back_in_the_end() -> None:
    topic = reported_topic(wide(4))
    assert kinds(topic.take(rows(200, lambda _: ["s0"]))) == ["data.sensors_missing"]
    topic.take(rows(1, lambda _: ["s0", "s1"], first=200))
    topic.take(rows(1, lambda _: ["s0", "s2"], first=201))
    assert len(topic.reports) == 1, "a sensor that comes may be followed by others"
    assert [event.details["missing"] for event in topic.take(rows(200, names_of("s0"), first=202))] == [
        "s1, s2, s3",
        "s3",
    ]
    assert kinds(topic.take(rows(1, lambda _: ["s3"], first=402)))[2:] == ["data.sensors_complete"]
    assert len(topic.take(rows(200, names_of("s0"), first=403))) == 3


def names_of(*sensors: str) -> Callable[[int], Iterable[str]]:
    return lambda _: sensors


def test_another_bundle_starts_anew_and_the_report_on_the_old_one_is_taken_back() -> None:
    topic = reported_topic(wide(4))
    topic.take(rows(100, names_of("s0", "s1")))
    fitting = wide(2)
    topic.partition.swap(fitting, topic.decoder(fitting))
    topic.take(rows(3, names_of("s0", "s1"), first=100))
    assert kinds(topic.reports) == ["data.sensors_missing", "data.sensors_complete"]
    misfit = wide(3)
    topic.partition.swap(misfit, topic.decoder(misfit))
    topic.take(rows(100, names_of("s0", "s1"), first=110))
    assert [event.details.get("missing") for event in topic.reports] == ["s2, s3", None, "s2"]


def test_names_of_others_are_some_and_short_whatever_is_sent() -> None:
    """A sender that makes up names fills no memory."""
    topic = reported_topic(long(3), format="long")
    topic.take(values(1, [f"{i}-{'x' * 1000}" for i in range(500)]))
    assert len(topic.partition.decoder.unused_names) == 64
    assert max(map(len, topic.partition.decoder.unused_names)) == 60


# --- on a real broker


def half_of_them(second: int) -> Iterable[Message]:
    yield at(second) | dict.fromkeys(names(0, 20), 1.0)


def none_of_them(second: int) -> Iterable[Message]:
    yield at(second) | {"flow": 1.0}


def foreign(second: int) -> Iterable[Message]:
    yield at(second) | {"sensor": "flow", "value": 1.0}


@pytest.mark.parametrize(
    ("definition", "sent", "layout", "missing", "others"),
    [
        (wide(40), half_of_them, "wide", names(20, 40), "series"),
        (wide(40), none_of_them, "wide", names(0, 40), "flow, series"),
        (long(40), foreign, "long", names(0, 40), "flow"),
    ],
    ids=["half of them", "none of them", "others only"],
)
def test_a_misfit_is_one_error_in_the_log_and_one_status_event(
    tmp_path: Path, broker: Broker, topic: MakeTopic,
    definition: Definition, sent: Callable[[int], Iterable[Message]], layout: str, missing: list[str], others: str,
) -> None:  # fmt: skip
    live = Live(tmp_path, broker.bootstrap, topic, definition)
    try:
        live.send((f"pump-{k}", json.dumps(row).encode()) for s in range(100) for k in range(3) for row in sent(s))
        process = live.start(f"input.format={layout}")
        live.wait_for_all()
        live.wait(lambda: bool(live.logged("data.sensors_missing")), "the misfit reported")
        live.stop(process)
        (event,) = live.statuses()
        jsonschema.validate(event, status_schema())
        assert event["kind"] == "data.sensors_missing"
        assert event["details"]["missing"] == ", ".join(missing)
        assert event["details"]["others"] == others
        (line,) = live.logged("data.sensors_missing")
        assert (line["level"], line["message"]) == ("error", event["message"])
    finally:
        live.close()


def test_sensors_of_one_time_in_several_messages_are_told_once_with_the_setting() -> None:
    """Interleaved series too; the same message sent twice is another matter."""
    halves = (("s0", "s1"), ("s2", "s3"))
    split = [at(t, f"a{k}") | dict.fromkeys(half, 1.0) for t in range(60) for half in halves for k in range(2)]
    with structlog.testing.capture_logs() as logs:
        reported_topic(wide(4)).take(split)
    (line,) = [line for line in logs if line["event"] == "readings.split"]
    assert "`frames.resample: last`" in line["do"]
    with structlog.testing.capture_logs() as logs:
        reported_topic(wide(4)).take([message for message in rows(60, lambda _: names(0, 4)) for _ in range(2)])
        reported_topic(long(4)).take(split)
    assert "readings.split" not in [line["event"] for line in logs]


def test_a_sensor_that_is_bad_for_ever_costs_a_line_of_the_log_at_each_hundredfold() -> None:
    bad = (at(second) | {"s0": ("n/a", "-")[second % 2], "s1": 1.0} for second in range(1000))
    with structlog.testing.capture_logs() as logs:
        reported_topic(wide(2)).take(bad, batch=1)
    told = [line for line in logs if line["event"] == "values.bad"]
    assert [(line["sensor"], line["series"], line["values"]) for line in told] == [("s0", "a", 1), ("s0", "a", 100)]
    assert (told[1]["kinds"], told[1]["seen"]) == ({"text": 100}, "'n/a', '-'")
