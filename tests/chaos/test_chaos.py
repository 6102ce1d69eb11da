"""Chaos: alerts come exactly once through all faults at once, and the oracle finds each fault built in on purpose."""

import json
import select
import socket
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy.kafka.broker import Broker, free_port
from deploy.kafka.process import HOST
from stream.kafka.failpoints import PLACES
from tests.chaos.cluster import Proxy
from tests.chaos.consumers import Instance
from tests.chaos.feeder import Feeder
from tests.chaos.many_series import Restart
from tests.chaos.oracle import Event, Expected, Verdict, judge, open_differences
from tests.chaos.plan import NO_SWAP, SIZES, make
from tests.chaos.recovery_time import NOT_RESTARTED, NOT_TAKEN_OVER, Times
from tests.chaos.run import Report, run
from tests.chaos.source import Source, definition
from tests.chaos.world import World, until
from tests.conftest import MakeTopic
from tests.support.live import Record
from tests.support.processes import warm

SEED = 20
RECORDS = 10_000
PATIENCE_S = 60.0
# Above the transaction timeout of 4 s and the broker's scan of 1 s, below the session timeout of 20 s.
STALL_S = 8.0


def test_every_alert_comes_exactly_once_through_kills_a_pause_a_dead_broker_and_a_cut_cable(
    kafka_here: None, tmp_path: Path
) -> None:
    """The short size of `make chaos`: three consumers, four partitions, a broker of its own."""
    report = run("short", SIZES["short"], SEED, tmp_path, print, warm)
    assert report.complaints == []
    assert report.kills >= SIZES["short"].kills
    assert (report.done["pause"], report.done["broker killed"], report.done["cut"]) == (1, 1, 1)
    assert len(report.expected.events) > 200, "there must be something to lose"
    assert {"used", "late", "duplicate"} <= report.expected.dispositions.keys()


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path, broker: Broker, topic: MakeTopic) -> Iterator[World]:
    """Input that waits in the topic; the test configures the consumer.

    Commits come when an alert asks for one, so each holds alerts. Batches are small, so that there are many commits.
    """
    serve: Mapping[str, Any] = {"batch": 20, "commit_interval": "3s"} | request.param
    made = World(tmp_path, broker.bootstrap, broker.bootstrap, topic, definition(), serve)
    Feeder(broker.bootstrap, made.input, Source(40, SEED), rate=0).finish(RECORDS)
    yield made
    made.close()


OFFSETS = pytest.mark.parametrize("world", [{}], indirect=True, ids=["defaults"])
SHORT = {"transaction_timeout": "4s", "session_timeout": "20s"}
STALLS = pytest.mark.parametrize("world", [SHORT], indirect=True, ids=["short transactions"])
REPLAYS = pytest.mark.parametrize("world", [{"max_replay": 100_000}], indirect=True, ids=["long replay"])


@OFFSETS
@pytest.mark.parametrize("variant", ["none", "offsets_before_alerts"])
def test_offsets_committed_before_alerts_lose_alerts_in_a_crash_between_the_two(world: World, variant: str) -> None:
    """A kill -9 right after the second commit, three times."""
    verdict = verdict_after(world, variant, *["committed:2"] * 3)
    if variant == "none":
        assert verdict.clean, str(verdict)
    else:
        assert verdict.lost > 0, str(verdict)


@STALLS
@pytest.mark.parametrize("variant", ["none", "state_kept_on_abort"])
def test_state_that_is_not_rolled_back_with_its_transaction_loses_alerts(world: World, variant: str) -> None:
    """A stall before the commit that outlasts the transaction, but not the session: aborted, the partitions stay."""
    verdict = verdict_after(world, variant, "flushed:3:freeze")
    if variant == "none":
        assert verdict.clean, str(verdict)
        assert verdict.aborted > 0, "the aborted transaction must have held alerts"
    else:
        assert verdict.lost > 0, str(verdict)


@REPLAYS
@pytest.mark.parametrize("variant", ["none", "replay_that_publishes"])
def test_a_replay_that_publishes_what_was_published_before_publishes_it_twice(world: World, variant: str) -> None:
    verdict = verdict_after(world, variant, *["committed:3"] * 2)
    if variant == "none":
        assert verdict.clean, str(verdict)
    else:
        assert verdict.twice > 0, str(verdict)


def verdict_after(world: World, variant: str, *orders: str) -> Verdict:
    """One consumer of this variant through faults at these places, then to the end of the input."""
    program = ("tests.chaos.broken", variant, "run")
    instance = Instance("one", world.folder, world.config, program, warm)
    try:
        for order in orders:
            instance.start(order)
            until(lambda: instance.is_frozen or instance.was_killed(), order, PATIENCE_S)
            if instance.runs:
                time.sleep(STALL_S)
                instance.thaw()
        if not instance.runs:
            instance.start()
        ends = world.ends()
        until(lambda: world.passed(ends), "all input is committed", PATIENCE_S)
        instance.stop()
    except TimeoutError as fault:
        raise AssertionError(instance.tail()) from fault
    finally:
        instance.close()
    return world.judge()[0]


def test_a_cut_cable_forwards_nothing_and_loses_nothing() -> None:
    """Bytes sent during the cut arrive after it; a connection made meanwhile waits until then."""
    with socket.create_server((HOST, 0)) as server, Proxy(free_port(), server.getsockname()[1]) as proxy:
        server.settimeout(PATIENCE_S)
        with socket.create_connection((HOST, proxy.port)) as near, server.accept()[0] as far:
            far.settimeout(PATIENCE_S)
            near.sendall(b"before")
            assert far.recv(100) == b"before"
            proxy.cut()
            near.sendall(b"meanwhile")
            with socket.create_connection((HOST, proxy.port)):
                readable, _, _ = select.select([far, server], [], [], 0.3)
                assert not readable, "the cable is cut"
                proxy.heal()
                assert far.recv(100) == b"meanwhile"
                server.accept()[0].close()


def test_recovery_times_are_judged_by_the_longest() -> None:
    times = Times((1.0, 2.0, 5.0), bar_s=4.0, goal_s=2.0)
    assert times.as_dict() | {"p90": 0} == {
        "count": 3, "median": 2.0, "p90": 0, "max": 5.0, "bar": 4.0, "goal": 2.0, "met": False, "goal_met": False,
    }  # fmt: skip
    assert Times((), 4.0, 2.0).as_dict()["met"] is None, "not measured is neither met nor missed"


def a_report(size: str, **changes: Any) -> Report:
    """A run that did all that its size promises."""
    wanted = SIZES[size]
    report = Report(SEED, size, records=wanted.records)
    report.done.update({"random": wanted.kills, "pause": wanted.pauses, "broker killed": 1, "cut": 1})
    report.restart = replace(NOT_RESTARTED, seconds=(2.0,) * wanted.restarts)
    report.takeover = replace(NOT_TAKEN_OVER, seconds=(6.0,) * wanted.takeovers)
    return replace(report, **changes)


@pytest.mark.parametrize("size", SIZES)
def test_a_run_that_came_up_to_its_size_has_nothing_to_complain_of(size: str) -> None:
    assert a_report(size).complaints == []


@pytest.mark.parametrize("size", ["bars", "goal"])
def test_a_missed_bar_is_a_complaint(size: str) -> None:
    wanted = SIZES[size]
    slow = {
        "restart": replace(NOT_RESTARTED, seconds=(*(2.0,) * (wanted.restarts - 1), 4.1)),
        "takeover": replace(NOT_TAKEN_OVER, seconds=(6.0,)),
    }
    assert a_report(size, **slow).complaints == [
        "restart after a kill took 4.1 s, the bar is 4 s",
        f"takeover after a kill measured 1 times of {wanted.takeovers}",
    ]


@pytest.mark.parametrize("size", SIZES)
def test_a_run_that_did_less_than_its_size_promises_complains(size: str) -> None:
    """Also the short one: what it counts does not depend on who else uses the machine."""
    wanted = SIZES[size]
    done = Counter({"random": wanted.kills - 1, "pause": 0, "broker killed": 0, "cut": 1})
    assert a_report(size, done=done, records=wanted.records - 1).complaints == [
        f"records: {wanted.records - 1} of {wanted.records}",
        f"kills: {wanted.kills - 1} of {wanted.kills}",
        f"pauses: 0 of {wanted.pauses}",
        "broker killed: 0 of 1",
    ]


@pytest.mark.parametrize(
    ("series", "seconds", "met"), [(100_000, 15.0, True), (1_000, 15.1, False), (200_000, 99.0, None)]
)
def test_a_restart_with_many_series_is_held_to_its_bar(series: int, seconds: float, met: bool | None) -> None:
    restart = Restart(series, snapshot_bytes=1, started_s=1.0, restored_s=2.0, live_s=seconds, replayed=0)
    assert restart.met is met


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seed", range(3))
def test_a_plan_holds_what_its_size_promises_and_is_the_same_for_the_same_seed(size: str, seed: int) -> None:
    faults = make(SIZES[size], seed)
    assert faults == make(SIZES[size], seed)
    kinds = Counter(fault.kind for fault in faults)
    assert kinds["kill"] + kinds["place"] == SIZES[size].kills
    assert kinds["pause"] == SIZES[size].pauses
    assert {fault.place for fault in faults if fault.kind == "place"} >= set(SIZES[size].places)


def test_the_bars_size_dies_at_every_place_that_it_passes() -> None:
    assert set(SIZES["bars"].places) | set(NO_SWAP) == set(PLACES)


def test_the_judge_counts_lost_twice_extra_late_and_wrong_apart() -> None:
    """Five events of one series, each wrong in its own way."""
    events = [Event("a", "id", i, "updated", None, "low", 0, i, 1.5) for i in range(5)]
    stranger = replace(events[0], alert_id="other")
    worse = replace(events[4], score=1.6)
    got = [events[1], events[0], events[2], events[2], worse, stranger]
    verdict = judge(Expected(events, Counter(), 0), got, got)
    assert (verdict.lost, verdict.twice, verdict.extra, verdict.out_of_order, verdict.wrong) == (1, 1, 1, 1, 1)
    assert (verdict.uncommitted_lost, verdict.uncommitted_extra) == (1, 2)
    assert not verdict.clean


def test_the_judge_counts_incidents_that_are_open_in_one_topic_alone_or_differ() -> None:
    """Incident 0 is resolved in both; 1 is open in both; 2 was left open, 3 forgotten, 4 is of an earlier event."""
    alerts = [alert_record(name, 0, "opened") for name in range(5)]
    alerts += [alert_record(0, 1, "resolved"), alert_record(2, 1, "resolved"), alert_record(4, 1, "updated")]
    kept = [Record(str(name), alerts[name].value, {}, 0, name) for name in (0, 1, 2, 4)]
    kept.append(Record("0", b"", {}, 0, 5))
    assert open_differences(alerts, kept) == 3
    assert not Verdict(open_differs=3).clean


def alert_record(name: int, sequence: int, state: str) -> Record:
    value = json.dumps({"alert_id": str(name), "sequence": sequence, "state": state}).encode()
    return Record("a", value, {}, 0, 5 * sequence + name)


def test_the_judge_asks_of_a_read_uncommitted_subscriber_only_the_set() -> None:
    """Aborted events come again with the same ids; their order and number do not count."""
    events = [Event("a", "id", i, "updated", None, "low", 0, i, 1.5) for i in range(3)]
    assert judge(Expected(events, Counter(), 0), events, [*reversed(events), *events]).clean
