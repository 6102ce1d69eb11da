"""Retirement: takes series out of a partition's memory, and later their snapshots out of the state topic."""

from collections.abc import Sequence
from itertools import takewhile

from stream.detect.detector import Detector
from stream.events.data_events import SeriesRetired
from stream.kafka.state.admission import Admission
from stream.kafka.state.snapshot_schedule import SnapshotSchedule
from stream.kafka.state.state_topic import Snapshot


class Retirement:
    """Retired series of one partition.

    1. A series leaves memory; the next commit writes a snapshot with the fate `retired`.
    2. Once no replay begins before that snapshot, a commit deletes it.

    A crash before 1 is committed restores the series; a crash between 1 and 2 restores the fate.
    """

    def __init__(self, schedule: SnapshotSchedule, admission: Admission) -> None:
        self._schedule = schedule
        self._admission = admission
        # Series whose `retired` snapshot still stands in the state topic, and the offset it is of.
        self._as_of: dict[str, int] = {}

    def restore(self, snapshot: Snapshot) -> None:
        """Remembers the snapshot of a retired series; ignores others."""
        if snapshot.fate == "retired":
            self._as_of[snapshot.series] = snapshot.as_of

    def retire(self, names: Sequence[str], detector: Detector, position: int, reason: str) -> SeriesRetired:
        """Step 1 for some series; `position` is the next offset of the partition."""
        for series in names:
            if detector.slots.find(series) is not None:
                detector.forget(series)
            self._schedule.require(series)
            # Removed first: the order is that of retirement.
            self._as_of.pop(series, None)
            self._as_of[series] = position - 1
        self._admission.release(names)
        return SeriesRetired.of(names, reason, position)

    def deletable(self, replay_from: int) -> list[str]:
        """Step 2: series that were retired before any replay begins and are not back in memory; each is given once."""
        names = list(takewhile(lambda series: self._as_of[series] < replay_from, self._as_of))
        for series in names:
            del self._as_of[series]
        return [series for series in names if self._admission.fate(series) == "retired"]
