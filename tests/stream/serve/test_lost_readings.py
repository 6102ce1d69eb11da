"""Readings that are gone before they were scored, and offsets that a tool has set: reported, nothing is invented."""

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient

from deploy.kafka.broker import Broker
from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.outcome import Outcome
from stream.detect.series_state import without_history
from stream.events.record import encode
from stream.events.verdict import frame_verdicts
from stream.intake.columns import Readings
from stream.intake.decode import Decoder
from stream.kafka.state.state_topic import Snapshot, decode_metadata, decode_snapshot
from tests.conftest import MakeTopic
from tests.stream.serve.test_service import SERIES, SPEC, Stream, published_alerts, same_in_order
from tests.support.administration import SECONDS, committed, delete_below, set_offsets
from tests.support.builders import a_definition, a_spec, fields
from tests.support.live import PARTITIONS, Live, Record


@pytest.fixture
def live(tmp_path: Path, broker: Broker, topic: MakeTopic) -> Iterator[Live]:
    running = Live(tmp_path, broker.bootstrap, topic, a_definition(a_spec(**SPEC), q=2.0, series=SERIES[:8]))
    yield running
    running.close()


@pytest.fixture
def admin(broker: Broker) -> AdminClient:
    return AdminClient({"bootstrap.servers": broker.bootstrap})


def test_readings_that_retention_ate_before_they_were_scored_are_counted_and_reported(
    live: Live, admin: AdminClient
) -> None:
    """By a log line, a counter and a status event, once."""
    stream = Stream(3_000)
    live.send(stream.messages(0, 1_000))
    process = live.start()
    live.wait_for_all()
    live.stop(process)
    before = committed(live, admin)
    live.send(stream.messages(1_000, 2_000))
    delete_below(admin, live.input, {number: offset + 10 for number, offset in before.items()})
    process = live.start()
    live.send(stream.messages(2_000))
    live.wait_for_all()
    live.stop(process)
    again = datetime.now(UTC)
    process = live.start()
    live.wait(lambda: len(live.partitions("partition.live", again)) == PARTITIONS, "live once more")
    live.stop(process)
    events = live.statuses()
    assert [e["details"] for e in events if e["kind"] == "data.readings_lost"] == [{"lost": 10}] * PARTITIONS
    assert [e["kind"] for e in events].count("data.history_lost") == PARTITIONS, (
        "windows do not reach over what is gone"
    )
    assert len(events) == 2 * PARTITIONS
    assert max(line["lost"] for line in live.logged("progress")) == 10 * PARTITIONS


@dataclass(frozen=True)
class LastCommit:
    """State of a partition after its last commit: offset C, offset R, and the newest snapshot of each series."""

    committed: int
    replay_from: int
    snapshots: dict[str, Snapshot]


def last_commits(live: Live, admin: AdminClient) -> dict[int, LastCommit]:
    """State of each partition after its last commit."""
    group = ConsumerGroupTopicPartitions(f"g-{live.input}")
    answer = admin.list_consumer_group_offsets([group])[group.group_id].result(SECONDS)
    newest: dict[int, dict[str, Snapshot]] = {number: {} for number in range(PARTITIONS)}
    for record in live.read(live.state):
        snapshot = decode_snapshot(record.value)
        assert snapshot is not None
        newest[record.partition][record.key] = snapshot
    found = {tp.partition: (tp.offset, decode_metadata(tp.metadata)) for tp in answer.topic_partitions}
    return {p: LastCommit(at, said.replay_from, newest[p]) for p, (at, said) in found.items() if said is not None}


def outcome_without_lost(live: Live, partition: int, left: LastCommit, low: int) -> Outcome:
    """Expected outcome of the readings from C on, where those before `low` are gone.

    Snapshots from before `low` give no frames. Readings before C open and close no incidents.
    """
    definition = live.definition
    detector = Detector(definition)
    states = [(s.as_of, s.state) for s in left.snapshots.values() if s.state is not None]
    open_states = deepcopy({state.series: state for _, state in states})
    detector.restore(without_history(state, definition) if as_of < low - 1 else state for as_of, state in states)
    as_of = {series: snapshot.as_of for series, snapshot in left.snapshots.items()}
    records = [r for r in live.read(live.input) if r.partition == partition and r.offset > as_of.get(r.key, -1)]
    replayed = detector.push(decoded(definition, [r for r in records if r.offset < left.committed]))
    for event in replayed.events:
        detector.restore_open(event.series, open_states.get(event.series))
    return detector.push(decoded(definition, [r for r in records if r.offset >= left.committed]))


def decoded(definition: Definition, records: list[Record]) -> Readings:
    decoder = Decoder(fields(), definition.sensors, None)
    keys, values = [r.key.encode() for r in records], [r.value for r in records]
    return decoder.decode(values, keys, [r.offset for r in records], [1 << 42] * len(records)).readings


def test_where_retention_ate_what_a_replay_needs_series_warm_up_and_no_alert_is_invented(
    live: Live, admin: AdminClient, topic: MakeTopic
) -> None:
    """Reported and counted. The gaps are of a second or two: by the times alone, windows would span them."""
    stream, scores = Stream(2_000), topic("scores", 1)
    process = live.start("serve.max_replay=40")
    for start, end in ((0, 960), (960, 1_000)):
        # The first part is more than may be replayed, so it is in snapshots; the second is not.
        live.send(stream.messages(start, end))
        live.wait_for_all()
    live.stop(process)
    before, left = len(published_alerts(live)), last_commits(live, admin)
    low = {number: min(of.replay_from + 2, of.committed) for number, of in left.items()}
    delete_below(admin, live.input, low)
    live.send(stream.messages(1_000))
    process = live.start(f"kafka.scores={scores}")
    live.wait_for_all()
    live.stop(process)
    cut = {line["partition"] for line in live.logged("replay.cut")}
    assert cut, "some partition needed what is gone"
    assert max(line["received"] for line in live.logged("progress")) == 1_000
    assert live.logged("readings.lost") == []
    lost = {e["partition"]: e for e in live.statuses()}
    assert {(e["kind"], p, e["offset"]) for p, e in lost.items()} == {
        ("data.history_lost", p, left[p].committed) for p in cut
    }
    short = {p: sum(s.as_of < low[p] - 1 for s in left[p].snapshots.values()) for p in cut}
    assert {p: e["details"] for p, e in lost.items()} == {p: {"count": short[p], "oldest": low[p]} for p in cut}
    assert live.logged("progress")[-1]["history_lost"] == sum(short.values()) > 0
    due = [outcome_without_lost(live, number, left[number], low[number] if number in cut else 0) for number in left]
    expected = [e for outcome in due for e in outcome.events]
    same_in_order(
        published_alerts(live)[before:], [(e.series, e.alert_id, e.sequence, e.state, e.score) for e in expected]
    )
    verdicts = [json.loads(encode(v)) for outcome in due for v in frame_verdicts(outcome.verdicts, "")]
    got = [record.json() | {"model_version": ""} for record in live.read(scores)]
    assert sorted(got, key=repr) == sorted(verdicts, key=repr)


@pytest.mark.parametrize("to", ["earlier", "later"])
def test_offsets_that_a_tool_has_set_are_followed_and_reported(live: Live, admin: AdminClient, to: str) -> None:
    """Scoring goes on at the offset that was set, with the snapshots that are not newer than it."""
    stream = Stream(2_000)
    live.send(stream.messages())
    process = live.start("serve.max_replay=100", "serve.batch=100")
    live.wait_for_all()
    live.stop(process)
    ends = committed(live, admin)
    if to == "later":
        live.send(stream.messages(0, 400))
    target = {number: end // 2 if to == "earlier" else end + 5 for number, end in ends.items()}
    set_offsets(live, admin, target)
    process = live.start()
    live.wait_for_all()
    live.stop(process)
    assert {line["partition"] for line in live.logged("partition.no_metadata")} == set(range(PARTITIONS))
    expected = sum(ends.values()) - sum(target.values()) + (400 if to == "later" else 0)
    assert live.logged("progress")[-1]["received"] == expected
    first = [record.json() for record in live.read(live.alerts)]
    ids = {(a["alert_id"], a["sequence"]) for a in first}
    if to == "earlier":
        again = {(i, n) for _, i, n, *_ in stream.alerts(live.definition)}
        assert len(ids & again) >= 0.9 * len(again), "what is scored again has the same ids: a subscriber can drop it"
