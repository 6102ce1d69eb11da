"""The watch on the thresholds: reports on their age, and on incidents that do not come as often as promised."""

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from deploy.kafka.broker import Broker
from stream.counters import Count
from stream.detect.definition import Definition
from stream.detect.incidents.threshold import Promise
from stream.events.status import status_schema
from stream.serve.watch.threshold_watch import DAY_S, PROMISED_SINCE, SEGMENTS, WEEK_S, ThresholdWatch
from tests.conftest import MakeTopic
from tests.stream.serve.test_service import SERIES, SPEC, Stream
from tests.support.builders import SECOND, a_definition, a_policy, a_spec
from tests.support.live import Live

DAY_NS = int(DAY_S) * SECOND
NOW_S = 2_000_000_000.0
STEP_S = 60
FRAMES_A_WEEK = int(WEEK_S) // STEP_S


def served(per_week: float | None = 1.0, age_days: float | None = 0.0, version: str = "v1") -> Definition:
    at = None if age_days is None else round((NOW_S - age_days * DAY_S) * SECOND)
    plain = a_definition(policy=a_policy(interval_ns=STEP_S * SECOND, max_gap_ns=10 * STEP_S * SECOND))
    return replace(plain, version=version, promise=Promise(at, per_week))


class Watched:
    """A watch on a wall clock that the test sets, and the counts of a process."""

    def __init__(self, definition: Definition, stale_after_s: float | None = 90 * DAY_S) -> None:
        self.now = NOW_S
        self.definition = definition
        self.watch = ThresholdWatch(stale_after_s, lambda: self.now)
        self.counts: Counter[Count] = Counter()

    def after(self, scored: int = 0, opened: int = 0) -> list[str]:
        """Kinds of the events after a commit of so many frames and incidents."""
        self.counts.update(
            {Count.SCORED: scored, Count.INCIDENTS_EXCEEDING: opened, Count.INCIDENTS_OPENED: opened + 1}
        )
        return [event.kind for event in self.watch.update(self.definition, self.counts)]

    def weeks(self, opened: list[int], series: int = 1) -> list[str]:
        """Kinds of the events after weeks of the series with so many incidents each, one commit a day."""
        reported = []
        for week in opened:
            at = np.random.default_rng(week).integers(0, 7, week)
            for day in range(7):
                reported += self.after(series * FRAMES_A_WEEK // 7, int((at == day).sum()))
        return reported


@pytest.mark.parametrize(("age", "reports"), [(89.9, 0), (90.1, 1)])
def test_a_threshold_older_than_the_setting_is_reported_once_and_again_each_day(age: float, reports: int) -> None:
    watched = Watched(served(age_days=age))
    assert watched.after() == ["detector.stale_threshold"] * reports
    assert watched.after(1000) == []
    watched.now += DAY_S - 1
    assert watched.after() == (["detector.stale_threshold"] if not reports else [])
    watched.now += 1
    assert watched.after() == ["detector.stale_threshold"] * reports


def test_the_report_on_a_stale_threshold_says_since_when_and_what_to_do() -> None:
    watched = Watched(served(age_days=100.5))
    (event,) = watched.watch.update(watched.definition, watched.counts)
    assert event.details == {"bundle": "v1", "calibrated_at": "2033-02-06T15:33:20Z", "age_days": 100}
    assert "narrows recalibrate --data NEWER --dry-run" in event.message
    health = watched.watch.health(watched.definition)
    assert health.is_stale
    assert health.age_s == pytest.approx(100.5 * DAY_S)


def test_no_age_and_no_limit_are_never_stale() -> None:
    assert Watched(served(age_days=None)).after() == []
    assert Watched(served(age_days=1e4), stale_after_s=None).after() == []


def test_another_bundle_begins_anew() -> None:
    watched = Watched(served(age_days=100.0))
    assert watched.after() == ["detector.stale_threshold"]
    watched.definition = served(age_days=0.0, version="v2")
    assert watched.after() == []
    watched.definition = served(age_days=100.0, version="v3")
    assert watched.after() == ["detector.stale_threshold"]


def test_five_times_as_many_incidents_as_promised_for_half_of_the_span_are_a_drift() -> None:
    watched = Watched(served())
    assert watched.weeks([0, 0, 0, 0, 5, 6, 5]) == []
    assert watched.weeks([5]) == ["detector.drift"]
    health = watched.watch.health(watched.definition)
    assert (health.drift, health.opened) == ("many", 21)
    assert health.promised == pytest.approx(8.0)
    assert watched.weeks([0, 0, 0, 0, 0, 0, 0, 0]) == []
    assert watched.watch.health(watched.definition).drift is None


def test_the_report_on_a_drift_has_the_numbers() -> None:
    watched = Watched(served())
    watched.weeks([9] * (SEGMENTS - 5))
    watched.counts.update({Count.SCORED: FRAMES_A_WEEK, Count.INCIDENTS_EXCEEDING: 9})
    (event,) = watched.watch.update(watched.definition, watched.counts)
    assert event.kind == "detector.drift"
    assert event.details == {"bundle": "v1", "opened": 36, "promised": "4", "drift": "many"}
    assert "36 incidents where the thresholds of bundle v1 promise 4, 1 per series and week" in event.message


def test_one_long_incident_and_a_fault_of_the_whole_fleet_are_no_drift() -> None:
    """An incident counts once, however long; 500 series that open one at the same hour fill one segment."""
    watched = Watched(served())
    assert watched.weeks([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]) == []
    fleet = Watched(served())
    assert fleet.after(500 * FRAMES_A_WEEK // 500, 500) == []
    assert fleet.weeks([1] * 20, series=1) == []


def test_no_incident_where_many_were_promised_is_a_drift_and_the_first_one_ends_it() -> None:
    watched = Watched(served())
    assert watched.weeks([1, *[0] * (int(PROMISED_SINCE) - 1)]) == []
    assert watched.weeks([0, 0]) == ["detector.drift"]
    assert watched.watch.health(watched.definition).drift == "none"
    assert watched.after(10, 1) == []
    assert watched.watch.health(watched.definition).drift is None


def test_incidents_that_rules_on_ranges_open_are_not_promised_and_not_counted() -> None:
    watched = Watched(served())
    for _ in range(40):
        watched.counts[Count.INCIDENTS_OPENED] += 50
        watched.after(FRAMES_A_WEEK, 1)
    assert watched.watch.health(watched.definition).drift is None


def test_without_a_promise_nothing_is_a_drift() -> None:
    assert Watched(served(per_week=None)).weeks([9] * 20) == []
    assert Watched(served(per_week=0.0)).weeks([9] * 20) == []


def test_incidents_that_keep_the_promise_raise_no_alarm_in_two_thousand_years() -> None:
    """Poisson incidents at the promised rate, in commits of a week of one series: 100,000 segments, no event.

    The same at half the rate, since thresholds are cautious. At a quarter, 30 promised incidents without one are rare.
    """
    draw = np.random.default_rng(0)
    for rate, most in ((1.0, 0), (0.5, 2)):
        watched = Watched(served())
        reported = 0
        for opened in draw.poisson(rate, 100_000).tolist():
            watched.now += WEEK_S
            watched.definition = served_for_ever
            reported += len(watched.after(FRAMES_A_WEEK, opened))
        assert reported <= most, rate


served_for_ever = served(age_days=None)


def test_ten_times_the_promise_is_reported_within_its_span() -> None:
    draw = np.random.default_rng(1)
    for _ in range(50):
        watched = Watched(served())
        reported = [watched.weeks([opened]) for opened in draw.poisson(10.0, SEGMENTS).tolist()]
        assert ["detector.drift"] in reported


# --- on a real broker


def test_a_stale_threshold_is_one_status_event_and_one_warning_and_the_status_counts_incidents(
    tmp_path: Path, broker: Broker, topic: MakeTopic
) -> None:
    at = round((time.time() - 100 * DAY_S) * SECOND)
    definition = replace(a_definition(a_spec(**SPEC), q=2.0, series=SERIES[:8]), promise=Promise(at, 1.0))
    live = Live(tmp_path, broker.bootstrap, topic, definition, serve={"health": "127.0.0.1:0"})
    try:
        live.send(Stream(1_000).messages())
        process = live.start()
        live.wait_for_all()
        opened = sum(record.json()["state"] == "opened" for record in live.read(live.alerts))
        # The health is made once a second: the first ones have no thresholds.
        live.wait(lambda: live.health("/status")[1].get("threshold", {}).get("opened") == opened, "all counted")
        shown = live.health("/status")[1]["threshold"]
        live.stop(process)
        (event,) = live.statuses()
        jsonschema.validate(event, status_schema())
        assert (event["kind"], event["details"]["age_days"]) == ("detector.stale_threshold", 100)
        (line,) = live.logged("detector.stale_threshold")
        assert (line["level"], line["message"]) == ("warning", event["message"])
        assert opened > 0
        assert (shown["is_stale"], shown["drift"]) == (True, None)
    finally:
        live.close()
