"""`narrows status` on a real broker: who serves, how far behind it is, and what is wrong."""

import json
import time

from confluent_kafka import Producer

from stream.events.status import ENDS, KINDS, StatusView, standing
from tests.conftest import MakeTopic
from tests.stream.cli.look.test_alerts import still_open
from tests.support.commands import Narrows
from tests.support.live import Live


def event(kind: str, series: str | None, minute: int) -> StatusView:
    return StatusView(kind, "test", f"2026-01-01T00:{minute:02d}:00Z", 0, series, f"{series} {kind}")


def test_the_end_of_every_condition_is_a_kind_of_event() -> None:
    assert set(ENDS) <= set(KINDS)


def test_a_condition_stands_until_its_end_comes_for_the_same_series() -> None:
    unwatched, again, missing = "data.series_unwatched", "data.series_watched", "data.sensors_missing"
    events = [
        event(unwatched, "a", 1), event("data.series_retired", "a", 2), event(unwatched, "b", 3), event(again, "a", 4),
        event(missing, None, 5), event(unwatched, "c", 0), event(again, "b", 6), event(unwatched, "b", 7),
    ]  # fmt: skip
    assert [(one.series, one.observed_at[14:16]) for one in standing(events)] == [
        ("c", "00"),
        (None, "05"),
        ("b", "07"),
    ]


def test_status_tells_what_is_behind_open_and_not_served(narrows: Narrows, served: Live, topic: MakeTopic) -> None:
    """While a service runs, and after it has gone with messages that wait."""
    service = served.start()
    served.wait(lambda: len(served.logged("partition.live")) >= 4, "it serves")
    found = narrows("status", "--json").data
    assert [one["owner"] for one in found["partitions"]] == ["one"] * 4
    assert (found["lag"], found["lag_s"]) == (0, 0.0)
    assert sum(one["committed"] for one in found["partitions"]) == served.committed()
    assert {one["bundle"] for one in found["partitions"]} == {served.definition.version}
    assert all(one["committed_at"].startswith("20") for one in found["partitions"])
    incidents = still_open(served)
    assert {one["alert_id"] for one in found["worst"]} == set(incidents)
    assert sum(found["open"].values()) == len(incidents)
    assert found["dead_letters"]["not_json"] >= 2
    assert [beat["partition"] for beat in found["heartbeats"]] == [0, 1, 2, 3]
    assert found["series"]["known"] == sum(beat["known"] for beat in found["heartbeats"]) >= 12
    served.stop(service)
    served.send([("pump-1", b"{}")])
    # A static member stays in the group for one session.
    served.wait(lambda: not narrows("status", "--json").data["partitions"][0]["owner"], "the member has left")
    text = narrows("status")
    assert text.code == 0
    assert "NOT: the group has no members, so nobody reads" in text.out
    assert "  behind      1 message, " in text.out
    (waiting,) = [one for one in narrows("status", "--json").data["partitions"] if one["lag"]]
    assert 0 < waiting["lag_s"] < 120
    assert "next: narrows doctor" in text.err


def test_status_shows_series_that_are_not_watched(narrows: Narrows, served: Live, topic: MakeTopic) -> None:
    """Events of another detector on the same topic, and records that are no events, are left out."""
    named = topic("status")
    producer = Producer({"bootstrap.servers": served.bootstrap})
    for detector, series in (("test", "pump-7"), ("other", "pump-8")):
        record = {
            "schema_version": 1, "kind": "data.series_unwatched", "detector": detector, "instance": "one",
            "partition": 0, "observed_at": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
            "offset": 5, "series": series,
            "message": f"{series} is not watched; look at its wiring", "details": {"masked": "s0"},
        }  # fmt: skip
        producer.produce(named, json.dumps(record).encode())
    producer.produce(named, b"hello")
    assert producer.flush(20) == 0
    text = narrows("status", "--set", f"kafka.status={named}")
    assert "  conditions  1 condition\n" in text.out
    assert " ago: pump-7 is not watched; look at its wiring" in text.out
    assert "pump-8" not in text.out
    assert f"next: narrows why pump-7 -c {served.config}" in text.err
