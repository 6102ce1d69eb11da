"""Chooses the series that a commit snapshots, so that no restart replays more than `max_replay` messages."""

from typing import NamedTuple

import numpy as np

from stream.detect.frames.clock import NEVER
from stream.detect.stream_clock import StreamClock
from stream.intake.columns import Int64s, Readings

# Stream time and watch time of n readings, int64 (n,) each, ns.
Times = tuple[Int64s, Int64s]
# Share of `max_replay` within which every changed series gets its turn. The rest is slack for large batches and for
# snapshots that an event requires early.
SPREAD = 0.9


class ReplayStart(NamedTuple):
    """A reading from which a replay starts: its offset, and stream and watch time before it, ns."""

    offset: int
    stream_time: int
    watch_time: int = NEVER


def times_around(readings: Readings, clock: StreamClock) -> tuple[Times, Times]:
    """Stream and watch time before the message of each of n readings, and after the reading itself, int64 (n,) each."""
    start = clock.stream_time, clock.watch_time
    after = clock.advance(readings.time)
    first = np.searchsorted(readings.position, readings.position)
    return (np.append(start[0], after[0])[first], np.append(start[1], after[1])[first]), after


class SnapshotSchedule:
    """Series of one partition whose state has changed since their last snapshot, oldest change first.

    Every message that is processed earns a part of a snapshot. Each commit writes as many as were earned, so that the
    writing is spread evenly, and as many more as the limit on replay needs.
    """

    def __init__(self) -> None:
        # First reading of each changed series after its last snapshot. Invariant: in ascending order of offset.
        self._dirty: dict[str, ReplayStart] = {}
        self._required: dict[str, None] = {}
        # Messages since the last commit.
        self._messages = 0
        # Snapshots that messages have earned and no commit has written.
        self._credit = 0.0

    def replay_start(self, position: int, clock: StreamClock) -> ReplayStart:
        """Start of a replay: the first reading that no snapshot covers, or else the given position and time."""
        return next(iter(self._dirty.values()), ReplayStart(position, clock.stream_time, clock.watch_time))

    def touch(self, series: str, start: ReplayStart) -> None:
        """Notes a reading of the series; calls come in order of offset."""
        self._dirty.setdefault(series, start)

    def touch_all(self, readings: Readings, stream_time: Int64s, watch_time: Int64s) -> None:
        """Notes n readings; `stream_time`, `watch_time`: int64 (n,) each, before the message of each."""
        codes, first = np.unique(readings.series, return_index=True)
        order = np.argsort(first)
        for code, row in zip(codes[order].tolist(), first[order].tolist(), strict=True):
            start = ReplayStart(int(readings.position[row]), int(stream_time[row]), int(watch_time[row]))
            self.touch(readings.names[code], start)

    def require(self, series: str) -> None:
        """Makes the next commit carry a snapshot of the series, because it publishes something about it."""
        self._required[series] = None

    def require_all(self) -> None:
        """Makes the next commit leave nothing to replay."""
        self._required |= dict.fromkeys(self._dirty)

    def count_messages(self, messages: int) -> None:
        """Notes that so many more messages were processed."""
        self._messages += messages

    def due(self, position: int, max_replay: int) -> list[str]:
        """Series that this commit snapshots: the required ones, then the oldest changes, as many as were earned.

        A series is also due where its first change lies more than `max_replay` offsets before `position`. The series
        count as covered from here on. After a failed commit the whole partition is restored, and so is its schedule.
        """
        earned = len(self._dirty) * self._messages / (SPREAD * max_replay)
        self._credit = min(self._credit + earned, float(len(self._dirty)))
        chosen = dict(self._required)
        for series, start in self._dirty.items():
            if self._credit < 1 and position - start.offset <= max_replay:
                break
            if series not in chosen:
                chosen[series] = None
                self._credit = max(self._credit - 1, 0.0)
        for series in chosen:
            self._dirty.pop(series, None)
        self._required, self._messages = {}, 0
        return list(chosen)
