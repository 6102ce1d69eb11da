"""Restarts after retention has deleted readings of the replay: series warm up, nothing is invented."""

import itertools
import json
from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stream.counters import Count
from stream.detect.detector import Detector
from stream.detect.incidents.incident import IncidentEvent
from stream.detect.outcome import Verdict
from stream.detect.series_state import without_history
from stream.intake.columns import Disposition, Readings
from stream.kafka.partition import Partition
from stream.kafka.records import Records
from stream.kafka.state.state_topic import decode_snapshot
from tests.simulation.alone import OPTIONS, TURNS, a_broker, a_service, feed, kill, metadata, serve, statuses
from tests.simulation.oracle import check_lives, committed_alerts, differences, name_of
from tests.simulation.plant import Plant
from tests.simulation.silent_logs import silent_logs
from tests.stream.kafka.test_partition import Log, cut, records, state_of
from tests.support.builders import SECOND, START, a_definition, a_policy, a_spec, readings


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with silent_logs():
        yield


def times_from(whole: Records, offset: int) -> set[int]:
    """Event times, ns, of all readings at or beyond `offset`."""
    values = cut(whole, offset, len(whole)).values
    several = [json.loads(value or b"") for value in values]
    return {r["time"] * 1_000_000 for one in several for r in (one if isinstance(one, list) else [one])}


def frame_times(partition: Partition, series: str) -> set[int]:
    return set(np.frombuffer(partition.detector.snapshot(series).time, "<i8").tolist())


def as_of(log: Log) -> dict[str, int]:
    """Offset of the newest snapshot of each series."""
    found = [decode_snapshot(record) for _, record in log.state if record is not None]
    return {snapshot.series: snapshot.as_of for snapshot in found if snapshot is not None}


@given(
    seed=st.integers(0, 10**6),
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=6),
    eaten=st.floats(0, 1),
    max_replay=st.integers(10, 120),
)
def test_series_whose_readings_retention_has_deleted_warm_up_and_nothing_is_invented(
    seed: int, sizes: list[int], eaten: float, max_replay: int
) -> None:
    """No window spans the gap, incidents that subscribers know go on, and every later restart is exact."""
    log = Log(max_replay=max_replay)
    whole = records(seed, sum(sizes) + 60)
    running, at, published = log.start(len(whole)), 0, list[IncidentEvent]()
    for size in sizes:
        published += [event for event, _ in running.process(cut(whole, at, at + size)).events]
        at += size
        log.commit(running)
    assume(running.replay_from < at)
    low = running.replay_from + 1 + int(eaten * (at - running.replay_from - 1))
    short = {series for series, covered in as_of(log).items() if covered < low - 1}
    again = log.start(len(whole), low=low)
    assert again.process(cut(whole, low, at)).events == []
    assert again.is_live
    for series in short & set(again.detector.slots.names()):
        assert frame_times(again, series) <= times_from(whole, low)
    assert [(n.kind, n.details) for n in again.status_events] == [
        ("data.history_lost", {"count": len(short), "oldest": low})
    ]
    assert again.uncommitted_counts[Count.HISTORY_LOST] == len(short)
    assert again.needs_commit, "the status event is committed at once"
    for end in range(at + 5, len(whole) + 1, 5):
        events = again.process(cut(whole, at, end)).events
        assert all(offset >= at for _, offset in events)
        published += [event for event, _ in events]
        at = end
        log.commit(again)
        later = log.start(len(whole), low=low)
        assert later.process(cut(whole, low, at)).events == []
        assert later.status_events == [], "the hole is behind the commit"
        assert state_of(later) == state_of(again)
    check_lives((e.series, e.alert_id, e.sequence, e.state) for e in published)


def test_an_incident_that_is_open_across_the_gap_is_resolved_and_late_readings_stay_late() -> None:
    """Windows start again; the clock and the incident are those that subscribers know."""
    log = Log()
    running, events = log.start(99), list[IncidentEvent]()
    for offset in range(9):
        events += [event for event, _ in running.process(message(offset, offset, 9.0 * (offset % 2))).events]
    log.commit(running)
    for offset in (9, 10):
        events += [event for event, _ in running.process(message(offset, offset, 9.0)).events]
    log.commit(running)
    count = len(events)
    assert events[0].state == "opened"
    assert {event.state for event in events[1:]} <= {"updated"}
    again = log.start(99, low=10)
    again.process(message(10, 10, 9.0))
    assert again.is_live
    again.process(message(11, 10, 9.0))
    again.process(message(12, 3, 9.0))
    for offset in range(13, 30):
        events += [event for event, _ in again.process(message(offset, offset, 0.0)).events]
    assert (again.uncommitted_counts[Count.DUPLICATE], again.uncommitted_counts[Count.LATE]) == (1, 1)
    assert again.uncommitted_counts[Count.WARMING] == 1, "a window is two frames, and the replay has given one"
    assert [(event.alert_id, event.sequence, event.state) for event in events[count:]] == [
        (events[0].alert_id, count, "resolved")
    ]


@pytest.mark.parametrize("known", [True, False], ids=["with a snapshot", "without any"])
def test_events_that_a_truncated_replay_derives_are_never_published(known: bool) -> None:
    """A mean of two errors, all there are after the gap, opens on a spike; a mean of three does not."""
    spike, low, end = the_largest_spike_without_an_event(), 7, 12
    log = Log()
    running = log.start(99)
    for offset in range(end):
        assert running.process(message(offset, offset, spike * (offset == low + 1))).events == []
        if offset == 3 and known:
            running.require_all_snapshots()
            log.commit(running)
    log.commit(running)
    assert ("a" in as_of(log)) == known
    for life in range(2):
        again = log.start(99, low=low)
        for offset in range(low, end + life):
            assert again.process(message(offset, offset, spike * (offset == low + 1))).events == []
        assert again.detector.open_incidents == 0
        assert again.process(message(end + life, end + life, 0.0)).events == []
        log.commit(again)


def test_a_lapse_that_only_the_gap_causes_is_never_published() -> None:
    """Only deleted readings could be scored. The time until the series counts as unwatched starts after the gap."""
    log = Log(unwatched_after_ns=6 * SECOND)
    running = log.start(99)
    for offset in range(12):
        running.process(message(offset, offset, 0.0 if offset < 3 or 4 <= offset < 7 else None))
        if offset == 3:
            running.require_all_snapshots()
            log.commit(running)
    log.commit(running)
    for life in range(2):
        again = log.start(99, low=7)
        for offset in range(7, 12 + life):
            again.process(message(offset, offset, None))
        assert "data.series_unwatched" not in [event.kind for event in again.status_events]
        again.process(message(12 + life, 12 + life, None))
        assert "data.series_unwatched" not in [event.kind for event in again.status_events]
        log.commit(again)
    again.process(message(14, 14, None))
    assert [event.kind for event in again.status_events] == ["data.series_unwatched"]


def the_largest_spike_without_an_event() -> float:
    sizes: list[float] = np.arange(0.5, 10, 0.02).tolist()
    for quiet, loud in itertools.pairwise(sizes):
        partition = Log().start(0)
        if any(partition.process(message(i, i, loud * (i == 8))).events for i in range(12)):
            return quiet
    raise AssertionError("no spike is large enough")


def message(offset: int, second: int, value: float | None) -> Records:
    """One message; None: both sensors have no value."""
    other = None if value is None else 0.0
    document = {"time": (START + second * SECOND) // 1_000_000, "series": "a", "s0": value, "s1": other}
    return Records([b"a"], [json.dumps(document).encode()], [offset], [START // 1_000_000], [None])  # type: ignore[list-item]


@pytest.mark.parametrize("resample", ["none", "last"])
def test_a_series_without_its_frames_stands_behind_a_gap_and_keeps_clock_and_incident(resample: str) -> None:
    """Also where the next frame is near enough to fill the ticks between; the incident ends at the last frame."""
    definition = a_definition(a_spec(window=4, smoothing=1), a_policy(resample=resample), q=0.01)
    whole, without = Detector(definition), Detector(definition)
    (opened,) = whole.push(some(range(8))).events
    without.restore([without_history(whole.snapshot("a"), definition)])
    silenced = Detector(definition)
    silenced.restore([without_history(whole.snapshot("a"), definition)])
    (ended,) = silenced.silence("a").events
    assert (ended.alert_id, ended.ended_at) == (opened.alert_id, START + 7 * SECOND)
    outcome = without.push(some([7, 11, 12, 13, 14, 15]))
    late = Disposition.DUPLICATE if resample == "none" else Disposition.LATE
    assert outcome.disposition.tolist() == [late] + [Disposition.USED] * 5
    assert outcome.verdicts.verdict.tolist() == [Verdict.WARMING] * 3 + [Verdict.SCORED] * 2


def some(seconds: Iterable[int]) -> Readings:
    times = [START + second * SECOND for second in seconds]
    return readings(["a"] * len(times), times, np.full((len(times), 2), 3.0))


@pytest.mark.parametrize("seed", range(12))
def test_a_service_whose_replay_is_truncated_reports_it_once_and_its_next_restart_is_exact(seed: int) -> None:
    """Also where some of the deleted readings were never scored."""
    broker = a_broker(seed)
    plant, log = Plant(broker.draw, 1), broker.logs["in", 0]
    process = a_service(broker)
    for _ in range(4):
        feed(broker, plant, 20)
        serve(process, broker)
    kill(process, broker)
    end, count = broker.committed[0].offset, len(list(committed_alerts(broker, OPTIONS)))
    feed(broker, plant, 40)
    log.low = broker.draw.randint(metadata(broker).replay_from + 1, end + 3)
    start = max(end, log.low)
    process = a_service(broker)
    serve(process, broker)
    new = list(committed_alerts(broker, OPTIONS))[count:]
    assert all(alert["source"]["offset"] >= start for alert in new)
    *lost, event = statuses(broker)
    assert [one["details"] for one in lost] == ([{"lost": log.low - end}] if log.low > end else [])
    assert (event["kind"], event["offset"], event["details"]["oldest"]) == ("data.history_lost", start, log.low)
    assert process.service.counts[Count.HISTORY_LOST] == event["details"]["count"]
    states = process.states()[0]
    kill(process, broker)
    process = a_service(broker)
    for _ in range(TURNS):
        process.service.turn()
        if process.service.is_live:
            break
    assert differences(process.states()[0], states) == []
    feed(broker, plant, 20)
    serve(process, broker)
    assert statuses(broker) == [*lost, event]
    check_lives(map(name_of, committed_alerts(broker, OPTIONS)))
