"""Retirement: a snapshot says it first, and is deleted only when no replay can need it."""

from stream.detect.detector import Detector
from stream.intake.decode import Decoder
from stream.kafka.partition import Partition
from stream.kafka.state.admission import Admission
from stream.kafka.state.owners import Owners
from stream.kafka.state.retirement import Retirement
from stream.kafka.state.snapshot_schedule import SnapshotSchedule
from stream.kafka.state.state_topic import Fate, Snapshot
from tests.support.builders import a_definition, fields

DEFINITION = a_definition()


class Room:
    """A retirement with everything it works on, and no series in memory."""

    def __init__(self) -> None:
        self.schedule = SnapshotSchedule()
        partition = Partition(0, DEFINITION, Decoder(fields(), DEFINITION.sensors, None), Owners())
        self.retirement = Retirement(self.schedule, Admission(partition, Owners(), self.schedule))
        self.detector: Detector = partition.detector

    def retire(self, *names: str, position: int) -> None:
        self.retirement.retire(names, self.detector, position, "a test")


def a_snapshot(series: str, as_of: int, fate: Fate) -> Snapshot:
    return Snapshot(1, "", as_of, series, fate, None)


def test_the_next_commit_says_that_a_series_is_retired() -> None:
    room = Room()
    room.retire("a", "b", position=7)
    assert room.schedule.due(7, 100) == ["a", "b"]


def test_the_snapshot_is_deleted_once_no_replay_begins_before_it() -> None:
    room = Room()
    room.retire("a", position=7)
    assert room.retirement.deletable(6) == []
    assert room.retirement.deletable(7) == ["a"]
    assert room.retirement.deletable(8) == [], "it is deleted once"


def test_a_series_that_is_retired_again_waits_anew() -> None:
    room = Room()
    room.retire("a", position=7)
    room.retire("b", position=8)
    room.retire("a", position=20)
    assert room.retirement.deletable(10) == ["b"]
    assert room.retirement.deletable(20) == ["a"]


def test_after_a_restart_the_snapshots_that_say_retired_are_known() -> None:
    room = Room()
    for snapshot in (a_snapshot("gone", 6, "retired"), a_snapshot("here", 6, "kept"), a_snapshot("else", 6, "refused")):
        room.retirement.restore(snapshot)
    assert room.retirement.deletable(7) == ["gone"]
