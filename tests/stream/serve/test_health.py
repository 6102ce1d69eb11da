"""Health: the server answers with what the loop shows, and names each reason why no alert may come."""

import json
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stream.cli import app as cli
from stream.errors import ConfigError
from stream.intake.decode import Decoder
from stream.kafka.broker_liveness import QUIET_SECONDS, SILENT_SECONDS, BrokerLiveness
from stream.kafka.partition import Partition
from stream.kafka.state.owners import Owners
from stream.kafka.state.resume_point import ResumePoint
from stream.serve.health import STARTING, Answer, Health, HealthBoard, PartitionHealth, ThresholdHealth, longest_turn_s
from stream.serve.health_server import HealthServer
from stream.serve.monitor import partition_health, waiting_reasons
from tests.support.builders import a_definition, fields
from tests.support.live import http_json

LONGEST_S = 60.0
SINCE = datetime(2026, 3, 7, 12, 12, 5, tzinfo=UTC)
LIVE = PartitionHealth(0, "live", None, 41, 3)
ASKING = PartitionHealth(1, "asking", "its turn", -1, 0)


@dataclass
class Clock:
    """A clock that stands until the test sets it."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class SwitchableBroker:
    """A broker that answers or not, and counts the questions."""

    answers: bool = True
    questions: int = 0

    def __call__(self) -> bool:
        self.questions += 1
        return self.answers


def a_health(**changes: Any) -> Health:
    """Health of a service with one live partition, committed a second ago."""
    health = Health(
        instance="one", detector="pumps", bundle="v1", waits_for=(), partitions=(LIVE,), broker_away_since=None,
        counts={"used": 7}, turned_at=100.0, committed_at=99.0,
        threshold=ThresholdHealth("2026-03-07T12:12:05Z", 86_400.0, False, None, 2, 2.5),
    )  # fmt: skip
    return msgspec.structs.replace(health, **changes)


@dataclass
class TimedBoard:
    """A board on a clock that the test sets."""

    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.board = HealthBoard(LONGEST_S, self.clock)


def body(answer: Answer) -> dict[str, Any]:
    """The body of an answer, as it goes over HTTP."""
    return dict(json.loads(msgspec.json.encode(answer.body)))


@pytest.fixture
def timed() -> TimedBoard:
    return TimedBoard()


def test_before_the_first_turn_it_lives_and_is_not_ready(timed: TimedBoard) -> None:
    assert timed.board.live().well
    ready = timed.board.ready()
    assert (ready.well, body(ready)) == (False, {"ready": False, "waits_for": [STARTING], "partitions": {}})
    assert body(timed.board.status())["waits_for"] == [STARTING]


def test_a_loop_that_has_not_turned_for_longer_than_any_turn_takes_is_neither_live_nor_ready(timed: TimedBoard) -> None:
    timed.board.show(a_health())
    timed.clock.now += LONGEST_S
    assert timed.board.live().well
    assert timed.board.ready().well
    timed.clock.now += 1
    for answer in (timed.board.live(), timed.board.ready()):
        assert not answer.well
        assert body(answer)["waits_for"] == ["the loop: it has not turned for 61 s"]
    timed.board.show(a_health(turned_at=timed.clock.now))
    assert timed.board.live().well


def test_a_start_that_never_ends_is_not_live(timed: TimedBoard) -> None:
    timed.clock.now += LONGEST_S + 1
    assert not timed.board.live().well


def test_the_longest_turn_covers_a_swap_whose_transactions_may_be_long() -> None:
    assert longest_turn_s(10.0) == 60.0
    assert longest_turn_s(60.0) > 2 * 60.0


def test_ready_gives_the_reasons_and_what_each_partition_waits_for(timed: TimedBoard) -> None:
    timed.board.show(a_health(waits_for=("recovery: 1 of 2 partitions",), partitions=(LIVE, ASKING)))
    ready = timed.board.ready()
    waits = {"waits_for": ["recovery: 1 of 2 partitions"], "partitions": {"1": "its turn"}}
    assert (ready.well, body(ready)) == (False, {"ready": False, **waits})
    assert timed.board.live().well, "a restart would not mend it"


def test_status_shows_everything(timed: TimedBoard) -> None:
    timed.board.show(a_health(broker_away_since=SINCE))
    timed.clock.now = 102.0
    status = body(timed.board.status())
    assert status == {
        "live": True, "ready": True, "waits_for": [], "instance": "one", "detector": "pumps", "bundle": "v1",
        "last_turn_age_s": 2.0, "last_commit_age_s": 3.0, "broker_away_since": "2026-03-07T12:12:05Z",
        "partitions": [{"partition": 0, "state": "live", "waits_for": None, "offset": 41, "series": 3}],
        "counts": {"used": 7},
        "threshold": {
            "calibrated_at": "2026-03-07T12:12:05Z", "age_s": 86_400.0, "is_stale": False, "drift": None,
            "opened": 2, "promised": 2.5,
        },
    }  # fmt: skip
    timed.board.show(a_health(committed_at=None))
    assert body(timed.board.status())["last_commit_age_s"] is None, "never is not now"


@pytest.mark.parametrize(
    ("away", "transaction", "partitions", "is_member", "expected"),
    [
        (None, None, (LIVE,), True, []),
        (None, None, (), True, []),
        (None, None, (), False, ["the group: it has not let us in"]),
        (SINCE, None, (LIVE,), True, ["the broker: it has not answered since 2026-03-07T12:12:05Z"]),
        (SINCE, "no producer", (LIVE,), True, ["the broker: it has not answered since 2026-03-07T12:12:05Z"]),
        (None, "no producer", (LIVE, ASKING), True, ["no producer", "recovery: 1 of 2 partitions"]),
    ],
    ids=["all live", "idle in peace", "not let in", "away", "away, hence no producer", "no producer"],
)
def test_each_state_that_keeps_alerts_from_coming_is_a_reason(
    away: datetime | None,
    transaction: str | None,
    partitions: tuple[PartitionHealth, ...],
    is_member: bool,
    expected: list[str],
) -> None:
    assert list(waiting_reasons(away, transaction, partitions, is_member)) == expected


def test_a_partition_says_how_far_it_is() -> None:
    definition = a_definition()
    partition = Partition(3, definition, Decoder(fields(), definition.sensors, None), Owners())
    assert partition_health(partition, None) == PartitionHealth(3, "asking", "its turn", -1, 0)
    assert partition_health(partition, "its committed offset: timed out").waits_for == "its committed offset: timed out"
    partition.begin(ResumePoint(replay_from=10, committed=50, state_start=0, state_end=0, topic_id=""), 0)
    assert partition_health(partition, None) == PartitionHealth(3, "replaying", "the replay of 40 messages", 10, 0)
    partition.begin(ResumePoint(replay_from=50, committed=50, state_start=0, state_end=0, topic_id=""), 0)
    assert partition_health(partition, None) == PartitionHealth(3, "live", None, 50, 0)


# --- whether the broker answers


def test_a_broker_that_was_heard_of_lately_is_not_asked() -> None:
    clock, broker = Clock(), SwitchableBroker(answers=False)
    liveness = BrokerLiveness(clock)
    clock.now += QUIET_SECONDS - 1
    assert liveness.away_since(broker) is None
    assert broker.questions == 0


def test_a_broker_that_was_lost_is_away_until_it_answers() -> None:
    liveness, broker = BrokerLiveness(Clock()), SwitchableBroker(answers=False)
    before = datetime.now(UTC)
    liveness.disconnected()
    away = liveness.away_since(broker)
    assert away is not None
    assert away <= before, "since it was last heard of"
    assert liveness.away_since(broker) == away
    broker.answers = True
    assert liveness.away_since(broker) is None
    broker.answers = False
    assert liveness.away_since(broker) is None, "heard of just before"


def test_a_broker_that_is_silent_without_a_word_is_away_after_a_while() -> None:
    """As with a cut cable: no connection breaks, and nothing comes."""
    clock, broker = Clock(), SwitchableBroker(answers=False)
    liveness = BrokerLiveness(clock)
    clock.now += SILENT_SECONDS - 1
    assert liveness.away_since(broker) is None, "one question without an answer is no outage"
    clock.now += 1
    assert liveness.away_since(broker) is not None
    liveness.answered()
    assert liveness.away_since(broker) is None


# --- by HTTP


@pytest.fixture
def server(timed: TimedBoard) -> Iterator[HealthServer]:
    with HealthServer("127.0.0.1", 0, timed.board) as running:
        yield running


def test_the_answers_come_by_http_with_their_codes(timed: TimedBoard, server: HealthServer) -> None:
    assert http_json(server.port, "/ready") == (503, {"ready": False, "waits_for": [STARTING], "partitions": {}})
    timed.board.show(a_health())
    assert http_json(server.port, "/ready") == (200, {"ready": True, "waits_for": [], "partitions": {}})
    assert http_json(server.port, "/live") == (200, {"live": True, "waits_for": []})
    assert http_json(server.port, "/status")[1]["counts"] == {"used": 7}
    timed.clock.now += LONGEST_S + 1
    assert http_json(server.port, "/live")[0] == 503
    assert http_json(server.port, "/status")[0] == 200


def test_it_listens_no_longer_than_the_service_runs(timed: TimedBoard) -> None:
    with HealthServer("127.0.0.1", 0, timed.board) as server:
        http_json(server.port, "/live")
    with pytest.raises(ConnectionRefusedError, match="refused"):
        socket.create_connection(("127.0.0.1", server.port))
    with HealthServer("127.0.0.1", server.port, timed.board) as after:
        assert http_json(after.port, "/live")[0] == 200, "the next start has the port"


def test_a_port_in_use_is_an_error_of_the_configuration(timed: TimedBoard, server: HealthServer) -> None:
    message = rf"serve.health: cannot listen on 127.0.0.1, port {server.port} \(Address already in use"
    with pytest.raises(ConfigError, match=message), HealthServer("127.0.0.1", server.port, timed.board):
        pass


def test_a_run_whose_port_is_in_use_ends_at_once_with_2(
    server: HealthServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Also without a bundle and a broker: the port is taken first."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["narrows", "run", "--set", f"serve.health=127.0.0.1:{server.port}"])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    assert f"serve.health: cannot listen on 127.0.0.1, port {server.port}" in capsys.readouterr().err
