"""Heartbeats: status events that say through when a partition is complete.

With them an empty alert topic means something. A heartbeat is part of the commit that it is about. One is due with the
first commit in a new period of watch time. It is also due by wall clock: after one period in which nothing came, or
after two in which watch time stood still. The metadata of a commit holds the last periods, so that no restart and no
other process tells of one again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from stream.detect.frames.clock import NEVER
from stream.events.detector_events import Heartbeat
from stream.kafka.partition import Partition

SECOND_NS = 1_000_000_000


@dataclass(slots=True)
class _Watched:
    """A partition since it was first seen here: when it beat last, and when its position moved last, s."""

    partition: Partition
    beaten_at: float
    moved_at: float
    position: int

    def is_overdue(self, now: float, period_s: float) -> bool:
        """True where nothing came for one period, or no heartbeat for two."""
        if self.partition.position != self.position:
            self.position, self.moved_at = self.partition.position, now
        return now - max(self.beaten_at, self.moved_at) >= period_s or now - self.beaten_at >= 2 * period_s


class Heartbeats:
    """Heartbeats of the partitions of one process.

    Args:
        period_ns: see `serve.heartbeat`; None: there are none.
        clock: s. wall: s since 1970.
    """

    def __init__(self, period_ns: int | None, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._period_ns = period_ns
        self._clock = clock
        self._wall = wall
        self._watched: dict[int, _Watched] = {}

    def wake(self, partition: Partition) -> None:
        """Requires a commit of a live partition whose heartbeat is due by wall clock."""
        if self._period_ns is not None and partition.is_live and self._is_overdue(partition, self._period_ns):
            partition.needs_commit = True

    def beat(self, partition: Partition) -> None:
        """Adds the heartbeat that is due to the commit of this partition, if one is."""
        if self._period_ns is None or not partition.is_live:
            return
        stream, wall = partition.beats
        read_to, now = (
            _start(time, self._period_ns) for time in (partition.clock.watch_time, int(self._wall() * SECOND_NS))
        )
        if partition.clock.watch_time != NEVER and read_to > stream:
            self._add(partition, read_to, "stream")
            partition.beats = read_to, wall
        elif now > wall and self._is_overdue(partition, self._period_ns):
            self._add(partition, now, "wall")
            partition.beats = stream, now

    def _is_overdue(self, partition: Partition, period_ns: int) -> bool:
        return self._look(partition).is_overdue(self._clock(), period_ns / SECOND_NS)

    def _wall_ns(self) -> int:
        return int(self._wall() * SECOND_NS)

    def _look(self, partition: Partition) -> _Watched:
        watched = self._watched.get(partition.number)
        if watched is None or watched.partition is not partition:
            now = self._clock()
            watched = self._watched[partition.number] = _Watched(partition, now, now, partition.position)
        return watched

    def _add(self, partition: Partition, period: int, clock: Literal["stream", "wall"]) -> None:
        through = None if partition.clock.watch_time == NEVER else partition.clock.watch_time
        partition.status_events.append(Heartbeat.of(period, clock, through, partition.detector, partition.position))
        self._look(partition).beaten_at = self._clock()


def _start(time: int, period_ns: int) -> int:
    """Start of the period of a time."""
    return time // period_ns * period_ns
