"""Situations in which no asset is watched, on a real broker: told by event, `/ready` and `doctor`, and taken back."""

import gzip
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from deploy.kafka.broker import Broker
from stream.kafka.admin.check_result import CheckResult
from stream.kafka.admin.cluster import describe_cluster
from stream.kafka.admin.published_checks import check_published
from stream.serve.connection import kafka_options
from stream.settings import load
from tests.conftest import MakeTopic
from tests.support.builders import SECOND, START, a_definition, a_policy
from tests.support.live import Live

Messages = Sequence[tuple[str, bytes | None]]
START_MS = START // 1_000_000
OPEN, ENDED = "detector.hardly_anything_used", "detector.readings_used_again"
WATCHED = {"unwatched_after": None}
OVERRIDES = ("serve.unused_after=500ms", "serve.health=127.0.0.1:0", "input.late=dead")
N = 40


class Watched:
    """A running service, with a clock for good readings that only goes ahead."""

    def __init__(self, live: Live) -> None:
        self.live, self.process, self._second = live, live.start(*OVERRIDES), 10_000
        self.settings = load(live.config, OVERRIDES)

    def good(self, key: str = "a", n: int = N) -> Messages:
        self._second += n
        return rows(self._second - n, n, key)

    def told(self) -> list[str]:
        """Kinds of the events about the use of readings, in order."""
        kinds = [record.json()["kind"] for record in self.live.read(self.live.status)]
        return [kind for kind in kinds if kind in (OPEN, ENDED)]

    def checks(self) -> dict[str, CheckResult]:
        """The findings of `doctor` in what was published, by check."""
        options = kafka_options(self.settings)
        results = check_published(describe_cluster(options), options, "test", datetime.now(UTC))
        return {result.check: result for result in results}

    def is_ready(self) -> bool:
        return self.live.health("/ready")[0] == 200

    def wait(self, until: Callable[[], bool], what: str) -> None:
        self.live.wait(until, what, 20)

    def sent_until(self, messages: Callable[[], Messages], until: Callable[[], bool], what: str) -> None:
        """Sends such messages again and again, until the condition holds."""

        def sent() -> bool:
            self.live.send(messages())
            return until()

        self.wait(sent, what)


def rows(first: int, n: int, key: str) -> Messages:
    return [(key, b'{"time": %d, "s0": 1, "s1": 2}' % (START_MS + 1000 * (first + i))) for i in range(n)]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, broker: Broker, topic: MakeTopic) -> Iterator[Watched]:
    # No clock starts anew: all of a backlog is late, however long it is.
    definition = a_definition(policy=a_policy(restart_after=0))
    live = Live(tmp_path_factory.mktemp("watched"), broker.bootstrap, topic, definition, serve=WATCHED)
    running = Watched(live)
    running.sent_until(running.good, running.is_ready, "ready")
    yield running
    live.close()


SITUATIONS: dict[str, tuple[Callable[[], Messages], str, str]] = {
    "Avro": (lambda: [("a", b"\0\0\0\0\x07H\x02\x04")] * N, "not_json", "schema id 7"),
    "gzip": (lambda: [("a", gzip.compress(b"{}"))] * N, "not_utf8", "gzip-compressed by the sender"),
    "other bytes": (lambda: [("a", b"\x93\x01\xf7\x05")] * N, "not_utf8", "invalid start byte"),
    "tombstones only": (lambda: [("a", None)] * N, "empty", ""),
    "a backlog after newer readings": (partial(rows, 0, N, "a"), "late", "came after newer readings"),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_topic_of_what_cannot_be_used_is_told_and_taken_back(watched: Watched, name: str) -> None:
    messages, cause, detail = SITUATIONS[name]
    before = watched.told()
    watched.sent_until(messages, lambda: not watched.is_ready(), "not ready")
    _, body = watched.live.health("/ready")
    (reason,) = body["waits_for"]
    assert cause in reason
    assert detail in reason
    watched.wait(lambda: watched.told() == [*before, OPEN], "the event")
    found = watched.checks()
    assert (found[OPEN].outcome, detail in found[OPEN].seen) == ("failure", True)
    assert found[f"dead_letters.{cause}"].outcome == "warning"
    watched.sent_until(watched.good, watched.is_ready, "ready again")
    watched.wait(lambda: watched.told() == [*before, OPEN, ENDED], "the end")
    assert OPEN not in watched.checks()
    assert watched.live.logged(OPEN)


def test_a_kill_in_the_middle_repeats_neither_the_event_nor_a_letter_and_the_next_process_ends_it(
    watched: Watched,
) -> None:
    live, before = watched.live, watched.told()
    live.send(rows(200, 3, "b"))
    backlog = rows(100, N, "b")
    live.send(backlog)
    watched.sent_until(lambda: rows(0, N, "a"), lambda: watched.told() == [*before, OPEN], "the event")
    live.wait_for_all()
    live.kill(watched.process)
    watched.process = live.start(*OVERRIDES)
    watched.sent_until(lambda: rows(0, N, "a"), lambda: len(live.logged("topic.hardly_used")) == 1, "the log line")
    assert watched.told() == [*before, OPEN]
    watched.sent_until(watched.good, lambda: watched.told() == [*before, OPEN, ENDED], "the end")
    live.wait_for_all()
    letters = [r for r in live.read(live.dead) if r.key == "b" and r.headers["narrows_reason"] == b"late"]
    assert [letter.value for letter in letters] == [value for _, value in backlog]


def test_series_that_the_bundle_does_not_know_are_told_until_one_comes(
    tmp_path: Path, broker: Broker, topic: MakeTopic
) -> None:
    live = Live(tmp_path, broker.bootstrap, topic, a_definition(), serve=WATCHED)
    other, key = Watched(live), '{"id": 7}'
    try:
        other.sent_until(partial(other.good, key), lambda: other.told() == [OPEN], "the event")
        other.wait(lambda: "none of the 2 series of bundle" in str(other.live.health("/ready")[1]), "not ready")
        assert other.checks()[OPEN].outcome == "failure"
        other.sent_until(other.good, lambda: other.told() == [OPEN, ENDED], "the end")
        assert OPEN not in other.checks()
    finally:
        live.close()


def test_a_reading_far_ahead_moves_no_clock_and_a_clock_set_back_starts_anew_once(
    tmp_path: Path, broker: Broker, topic: MakeTopic
) -> None:
    """Fifty minutes ahead: one reading is unconfirmed, the others are used. An hour back: told once, also by a kill."""
    live = Live(tmp_path, broker.bootstrap, topic, a_definition(), serve=WATCHED)
    running = live.start()

    def restarts() -> list[tuple[str, str]]:
        told = [record.json() for record in live.read(live.status) if record.json()["kind"] == "data.clock_restarted"]
        return [(one["details"]["seen"], one["details"]["expected"]) for one in told]

    try:
        live.send([*rows(4000, N, "a"), *rows(4040 + 3000, 1, "a"), *rows(4040, N, "a")])
        live.wait_for_all()
        live.send(rows(480, 19, "a"))
        live.wait_for_all()
        assert restarts() == []
        live.kill(running)
        running = live.start()
        live.send(rows(499, N, "a"))
        live.wait_for_all()
        started = START // SECOND
        seen, expected = (datetime.fromtimestamp(started + s, UTC) for s in (499, 4040 + N - 1))
        assert restarts() == [(f"{seen:%Y-%m-%dT%H:%M:%SZ}", f"{expected:%Y-%m-%dT%H:%M:%SZ}")]
        live.stop(running)
        last = live.logged("progress")[-1]
        assert (last["used"], last["late"], last["unconfirmed"]) == (N, 0, 0), "the counts of the second process"
    finally:
        live.close()
