"""Rolling snapshots bound the replay, for any mix of fast, slow, idle and vanishing series."""

from hypothesis import given
from hypothesis import strategies as st

from stream.detect.stream_clock import StreamClock
from stream.kafka.state.snapshot_schedule import ReplayStart, SnapshotSchedule

MAX_REPLAY = 1_000


class Feed:
    """Messages of a partition, each of one series, and the schedule that counts them."""

    def __init__(self) -> None:
        self.schedule = SnapshotSchedule()
        self.position = 0
        self.written: list[str] = []

    def send(self, series: list[str]) -> None:
        for name in series:
            self.schedule.touch(name, ReplayStart(self.position, 0))
            self.position += 1
        self.schedule.count_messages(len(series))

    def commit(self) -> list[str]:
        due = self.schedule.due(self.position, MAX_REPLAY)
        self.written += due
        return due

    @property
    def replay(self) -> int:
        return self.position - self.schedule.replay_start(self.position, StreamClock()).offset


batches = st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=300), min_size=1, max_size=30)


@given(batches)
def test_no_commit_leaves_more_to_replay_than_it_may(sent: list[list[int]]) -> None:
    feed = Feed()
    for batch in sent:
        feed.send([f"s{number}" for number in batch])
        feed.commit()
        assert feed.replay <= MAX_REPLAY


@given(batches)
def test_a_series_is_named_once_a_commit_and_only_when_it_has_changed(sent: list[list[int]]) -> None:
    feed = Feed()
    changed: set[str] = set()
    for batch in sent:
        names = [f"s{number}" for number in batch]
        changed |= set(names)
        feed.send(names)
        due = feed.commit()
        assert len(due) == len(set(due))
        assert set(due) <= changed
        changed -= set(due)


def test_snapshots_are_spread_evenly_over_the_messages() -> None:
    """No commit writes all of them at once: 50 series, commits every 50 messages."""
    feed = Feed()
    sizes = []
    for _ in range(200):
        feed.send([f"s{i}" for i in range(50)])
        sizes.append(len(feed.commit()))
    assert max(sizes) <= 6
    assert sum(sizes) * MAX_REPLAY * 0.85 <= 50 * feed.position, "each series once in 0.9 max_replay messages"


def test_an_idle_series_costs_one_snapshot_and_no_more() -> None:
    feed = Feed()
    feed.send(["idle"])
    for _ in range(100):
        feed.send(["busy"] * 100)
        feed.commit()
    assert feed.written.count("idle") == 1


def test_a_required_snapshot_is_in_the_next_commit() -> None:
    feed = Feed()
    feed.send(["a", "b", "c"])
    feed.schedule.require("c")
    assert feed.commit() == ["c"]
    feed.schedule.require_all()
    assert sorted(feed.commit()) == ["a", "b"]
    assert feed.replay == 0
