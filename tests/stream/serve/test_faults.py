"""What a broker, an administrator or retention can do to a running detector: named, and recovered from."""

import contextlib
import json
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.cimpl import NewPartitions

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
from tests.chaos.feeder import Feeder
from tests.conftest import MakeTopic, create_topic
from tests.stream.serve.test_service import SERIES, SPEC, Stream, same_in_order, told
from tests.support.builders import a_definition, a_spec, fields
from tests.support.live import PARTITIONS, Live, Record
from tests.support.processes import cold

SECONDS = 20.0
# Readings/s that are sent while something is wrong, and how many are committed before it begins.
RATE, WARM = 300.0, 1_500
# For an outage to be noticed: a flush that waits for the broker has 5 s, the look after it comes at the turn's end.
NOTICED_S = 20.0
OUTAGE = timedelta(seconds=20)
# All that can grow while nothing comes in is what librdkafka has fetched ahead (here a few MB: the topic holds no
# more), and a producer that replaces another: some 2 MB are seen. What is kept by every turn or try would go on
# growing; half of what librdkafka may ever fetch ahead (64 MB) leaves room for an allocator's whims.
GROWTH = 32 << 20


@pytest.fixture
def live(tmp_path: Path, broker: Broker, topic: MakeTopic) -> Iterator[Live]:
    running = Live(tmp_path, broker.bootstrap, topic, a_definition(a_spec(**SPEC), q=2.0, series=SERIES[:8]))
    yield running
    running.close()


@pytest.fixture
def admin(broker: Broker) -> AdminClient:
    return AdminClient({"bootstrap.servers": broker.bootstrap})


def ended(live: Live, *overrides: str) -> str:
    """The log of a process that ends by itself with exit code 1."""
    process = live.start(*overrides)
    assert process.wait(90) == 1, live.log.read_text()[-2000:]
    return live.log.read_text()


def configure(admin: AdminClient, topic: str, **settings: str) -> None:
    entries = [
        ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
        for name, value in settings.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    admin.incremental_alter_configs([resource])[resource].result(SECONDS)


def delete_below(admin: AdminClient, topic: str, offsets: dict[int, int]) -> None:
    """What retention does, at once."""
    partitions = [TopicPartition(topic, number, offset) for number, offset in offsets.items()]
    for done in admin.delete_records(partitions).values():
        done.result(SECONDS)


def committed(live: Live, admin: AdminClient) -> dict[int, int]:
    group = f"g-{live.input}"
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(SECONDS)
    return {tp.partition: tp.offset for tp in asked.topic_partitions}


def set_offsets(live: Live, admin: AdminClient, offsets: dict[int, int]) -> None:
    """As kafka-consumer-groups.sh --reset-offsets does: no metadata. The group takes it once its session has ended."""
    group = f"g-{live.input}"

    def done() -> bool:
        partitions = [TopicPartition(live.input, number, offset) for number, offset in offsets.items()]
        asked = admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, partitions)])[group]
        return all(tp.error is None for tp in asked.result(SECONDS).topic_partitions)

    live.wait(done, "the offsets set")


def test_an_alert_that_the_topic_does_not_take_is_named_and_told_once_it_does(live: Live, admin: AdminClient) -> None:
    stream = Stream(2_000)
    live.send(stream.messages())
    configure(admin, live.alerts, max_message_bytes="200")
    log = ended(live)
    assert "MSG_SIZE_TOO_LARGE" in log
    assert "max.message.bytes" in log
    assert live.read(live.alerts) == []
    configure(admin, live.alerts, max_message_bytes="1000000")
    process = live.start()
    live.wait(lambda: live.committed() == 2_000, "all committed", allowed=(1,))
    live.stop(process, allowed=(1,))
    same_in_order(told(live), stream.alerts(live.definition))


def test_an_input_topic_that_is_deleted_while_it_runs_ends_it_with_what_to_do(live: Live, admin: AdminClient) -> None:
    live.send(Stream(500).messages())
    process = live.start("kafka.options={topic.metadata.refresh.interval.ms: 1000}")
    live.wait_for_all()
    admin.delete_topics([live.input])[live.input].result(SECONDS)
    assert process.wait(60) == 1
    assert "narrows topics --create" in live.log.read_text()


def test_readings_that_retention_ate_before_they_were_scored_are_counted_and_told(
    live: Live, admin: AdminClient
) -> None:
    """The loudest of all: a log line, a counter and a status event, once."""
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
    events = [record.json() for record in live.read(live.status)]
    assert [e["details"] for e in events if e["kind"] == "data.readings_lost"] == [{"lost": 10}] * PARTITIONS
    assert [e["kind"] for e in events].count("data.history_lost") == PARTITIONS, (
        "windows do not reach over what is gone"
    )
    assert len(events) == 2 * PARTITIONS
    assert max(line["lost"] for line in live.logged("progress")) == 10 * PARTITIONS


@dataclass(frozen=True)
class Kept:
    """What a partition's last commit left: C, R, and the newest snapshot of each series."""

    committed: int
    replay_from: int
    snapshots: dict[str, Snapshot]


def kept(live: Live, admin: AdminClient) -> dict[int, Kept]:
    group = ConsumerGroupTopicPartitions(f"g-{live.input}")
    asked = admin.list_consumer_group_offsets([group])[group.group_id].result(SECONDS)
    newest: dict[int, dict[str, Snapshot]] = {number: {} for number in range(PARTITIONS)}
    for record in live.read(live.state):
        snapshot = decode_snapshot(record.value)
        assert snapshot is not None
        newest[record.partition][record.key] = snapshot
    found = {tp.partition: (tp.offset, decode_metadata(tp.metadata)) for tp in asked.topic_partitions}
    return {p: Kept(at, said.replay_from, newest[p]) for p, (at, said) in found.items() if said is not None}


def after_the_cut(live: Live, partition: int, left: Kept, low: int) -> Outcome:
    """What must come of the readings from C on, where those before `low` are gone: snapshots before it give no
    frames, the readings up to C are judged by nobody."""
    definition = live.definition
    detector = Detector(definition)
    states = [(s.as_of, s.state) for s in left.snapshots.values() if s.state is not None]
    told = deepcopy({state.series: state for _, state in states})
    detector.restore(without_history(state, definition) if as_of < low - 1 else state for as_of, state in states)
    as_of = {series: snapshot.as_of for series, snapshot in left.snapshots.items()}
    records = [r for r in live.read(live.input) if r.partition == partition and r.offset > as_of.get(r.key, -1)]
    replayed = detector.push(decoded(definition, [r for r in records if r.offset < left.committed]))
    for event in replayed.events:
        detector.restore_open(event.series, told.get(event.series))
    return detector.push(decoded(definition, [r for r in records if r.offset >= left.committed]))


def decoded(definition: Definition, records: list[Record]) -> Readings:
    decoder = Decoder(fields(), definition.sensors, None)
    keys, values = [r.key.encode() for r in records], [r.value for r in records]
    return decoder.decode(values, keys, [r.offset for r in records], [1 << 42] * len(records)).readings


def test_where_retention_ate_what_a_replay_needs_series_warm_up_and_no_alert_is_invented(
    live: Live, admin: AdminClient, topic: MakeTopic
) -> None:
    """Said and counted. Holes are of a second or two: by their times alone, windows would reach over them."""
    stream, scores = Stream(2_000), topic("scores", 1)
    process = live.start("serve.max_replay=40")
    for start, end in ((0, 960), (960, 1_000)):
        # The first part is more than may be replayed, hence snapshotted; the second has not earned a snapshot.
        live.send(stream.messages(start, end))
        live.wait_for_all()
    live.stop(process)
    before, left = len(told(live)), kept(live, admin)
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
    lost = {e["partition"]: e for e in (record.json() for record in live.read(live.status))}
    assert {(e["kind"], p, e["offset"]) for p, e in lost.items()} == {
        ("data.history_lost", p, left[p].committed) for p in cut
    }
    short = {p: sum(s.as_of < low[p] - 1 for s in left[p].snapshots.values()) for p in cut}
    assert {p: e["details"] for p, e in lost.items()} == {p: {"count": short[p], "oldest": low[p]} for p in cut}
    assert live.logged("progress")[-1]["history_lost"] == sum(short.values()) > 0
    due = [after_the_cut(live, number, left[number], low[number] if number in cut else 0) for number in left]
    expected = [e for outcome in due for e in outcome.events]
    same_in_order(told(live)[before:], [(e.series, e.alert_id, e.sequence, e.state, e.score) for e in expected])
    verdicts = [json.loads(encode(v)) for outcome in due for v in frame_verdicts(outcome.verdicts, "")]
    got = [record.json() | {"model_version": ""} for record in live.read(scores)]
    assert sorted(got, key=repr) == sorted(verdicts, key=repr)


@pytest.mark.parametrize("to", ["earlier", "later"])
def test_offsets_that_a_tool_has_set_are_followed_and_said(live: Live, admin: AdminClient, to: str) -> None:
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


def test_a_topic_made_anew_under_the_same_name_is_read_from_its_beginning(live: Live, admin: AdminClient) -> None:
    """Old snapshots are of another topic: they hide no reading of this one. (The broker forgets the offsets itself.)"""
    stream = Stream(2_000)
    live.send(stream.messages(0, 200))
    process = live.start()
    live.wait_for_all()
    live.stop(process)
    admin.delete_topics([live.input])[live.input].result(SECONDS)
    live.wait(lambda: live.input not in admin.list_topics(timeout=SECONDS).topics, "the topic gone")
    create_topic(admin, live.input, PARTITIONS, {})
    live.forget_sent()
    before, again = len(live.read(live.alerts)), datetime.now(UTC)
    live.send(stream.messages())
    process = live.start()
    live.wait_for_all()
    live.stop(process)
    assert live.partitions("partition.new", again) == set(range(PARTITIONS))
    same_in_order(told(live)[before:], stream.alerts(live.definition))


def test_new_partitions_are_noticed_wait_for_the_state_topic_and_are_then_served(
    live: Live, admin: AdminClient
) -> None:
    stream, begun = Stream(1_500), datetime.now(UTC)
    refresh = "kafka.options={topic.metadata.refresh.interval.ms: 1000}"
    process = live.start(refresh)
    live.send(stream.messages(0, 500))
    live.wait_for_all()
    admin.create_partitions([NewPartitions(live.input, PARTITIONS + 2)])[live.input].result(SECONDS)
    live.wait(lambda: bool(live.logged("topic.partitions_changed")), "the change noticed")
    live.wait(lambda: _waiting_for_state(live), "it says what the new partitions wait for")
    admin.create_partitions([NewPartitions(live.state, PARTITIONS + 2)])[live.state].result(SECONDS)
    live.wait(lambda: len(live.partitions("partition.live", begun)) == PARTITIONS + 2, "the new ones live")
    live.send(stream.messages(500))
    live.wait(lambda: sum(committed(live, admin).values()) == 1_500, "all committed")
    live.stop(process)
    kinds = [record.json()["kind"] for record in live.read(live.status)]
    assert kinds.count("data.partitions_changed") == 1
    progress = live.logged("progress")[-1]
    assert progress["received"] == progress["used"] + progress["late"] + progress["duplicate"] + progress["dead"]


def test_a_permission_that_is_lost_is_named_and_after_it_is_back_nothing_is_missing(
    tmp_path: Path, kafka_here: None
) -> None:
    """Write on the alerts topic is denied: nothing is committed without its alerts."""
    acls = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
        "super.users": "User:admin",
    }
    definition = a_definition(a_spec(**SPEC), q=2.0, series=SERIES[:8])
    with Broker(tmp_path / "kafka", settings=acls) as broker, contextlib.ExitStack() as stack:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        live = Live(tmp_path, broker.bootstrap, _topics(admin), definition)
        stack.callback(live.close)
        stream = Stream(2_000)
        live.send(stream.messages(0, 500))
        process = live.start()
        live.wait_for_all()
        name, kind = live.alerts, ResourceType.TOPIC
        user, deny = "User:ANONYMOUS", AclPermissionType.DENY
        acl = AclBinding(kind, name, ResourcePatternType.LITERAL, user, "*", AclOperation.WRITE, deny)
        admin.create_acls([acl])[acl].result(SECONDS)
        live.send(stream.messages(500))
        assert process.wait(60) == 1
        assert "TOPIC_AUTHORIZATION_FAILED" in live.log.read_text() or "authorization failed" in live.log.read_text()
        which = AclBindingFilter(kind, name, ResourcePatternType.LITERAL, user, "*", AclOperation.WRITE, deny)
        admin.delete_acls([which])[which].result(SECONDS)
        process = live.start()
        live.wait(lambda: live.committed() == 2_000, "all committed", allowed=(1,))
        live.stop(process, allowed=(1,))
        same_in_order(told(live), stream.alerts(live.definition))


def test_a_broker_that_is_away_is_waited_for_and_log_and_health_say_so(tmp_path: Path, kafka_here: None) -> None:
    """Killed and back, with input all the while: no alert lost or repeated, memory bounded, the process lives on."""
    definition = a_definition(a_spec(**SPEC), q=2.0, series=SERIES[:8])
    stream = Stream(16_000)
    with Broker(tmp_path / "kafka", separate_controller=True) as broker, contextlib.ExitStack() as stack:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
        live = Live(tmp_path, broker.bootstrap, _topics(admin), definition)
        stack.callback(live.close)
        process = live.start("serve.health=127.0.0.1:0", launch=cold)
        feeder = stack.enter_context(Feeder(broker.bootstrap, live.input, stream, RATE))
        live.wait(lambda: live.committed() > WARM, "some of it committed")
        live.wait(lambda: live.asked("/ready")[0] == 200, "it is ready")
        before, killed = psutil.Process(process.pid).memory_info().rss, datetime.now(UTC)
        broker.kill()
        live.wait(lambda: "broker" in str(_unready(live)), "health says that it waits for the broker", NOTICED_S)
        live.wait(lambda: _waiting_for_broker(live, killed), "the log says so as well", NOTICED_S)
        most = _most_memory(process.pid, killed + OUTAGE)
        assert most - before < GROWTH, f"{(most - before) / 1e6:.1f} MB more than before the outage"
        status = live.asked("/status")[1]
        assert status["live"], "to start it anew would not help"
        assert abs(datetime.fromisoformat(status["broker_away_since"]) - killed) < timedelta(seconds=NOTICED_S)
        broker.start()
        live.wait(lambda: live.asked("/ready")[0] == 200, "it is ready again")
        feeder.finish(len(stream.series))
        live.wait(lambda: live.committed() == len(stream.series), "all committed")
        live.stop(process)
        same_in_order(told(live), stream.alerts(live.definition))


def _unready(live: Live) -> list[str]:
    """What health says that it waits for."""
    code, told = live.asked("/ready")
    return list(told["waits_for"]) if code == 503 else []


def _waiting_for_broker(live: Live, since: datetime) -> bool:
    return any("broker" in str(line["waits_for"]) for line in live.logged("service.waiting", since))


def _most_memory(pid: int, until: datetime) -> int:
    """The largest resident memory that is seen until then, bytes."""
    process, most = psutil.Process(pid), 0
    while datetime.now(UTC) < until:
        most = max(most, process.memory_info().rss)
        time.sleep(0.2)
    return most


def _waiting_for_state(live: Live) -> bool:
    return any("narrows topics --create" in str(line["partitions"]) for line in live.logged("service.waiting"))


def _topics(admin: AdminClient) -> MakeTopic:
    def make(name: str = "topic", partitions: int = 1, config: Any = None, *, exact: bool = False) -> str:
        create_topic(admin, name, partitions, config or {})
        return name

    return make
