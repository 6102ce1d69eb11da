"""Which series a commit must snapshot, so that no restart replays more than `max_replay` messages."""

from typing import NamedTuple

import numpy as np

from stream.intake.columns import Int64s, Readings

# Part of max_replay within which every series that has changed gets its turn; the rest is slack for what comes in
# large batches, or is written early because of an event.
SPREAD = 0.9


class ReplayStart(NamedTuple):
    """Where a series' first reading that no snapshot covers stands: its offset, and the stream time before it."""

    offset: int
    stream_time: int


def stream_times(readings: Readings, start: int) -> tuple[Int64s, Int64s]:
    """Stream time around each of n readings, in ns; `start`: before the first.

    Returns:
        int64 (n,) before the message of the reading, and int64 (n,) after the reading itself.
    """
    if not len(readings):
        return readings.time, readings.time
    after = np.maximum(np.maximum.accumulate(readings.time), start)
    first = np.searchsorted(readings.position, readings.position)
    before = np.where(first == 0, start, after[np.maximum(first - 1, 0)])
    return before, after


class SnapshotSchedule:
    """Series whose state has changed since their last snapshot, oldest first."""

    def __init__(self) -> None:
        # Invariant: in ascending order of offset.
        self._dirty: dict[str, ReplayStart] = {}
        self._required: dict[str, None] = {}
        self._messages = 0
        # Snapshots that the messages so far have earned, and that no commit has written.
        self._credit = 0.0

    def replay_start(self, position: int, stream_time: int) -> ReplayStart:
        """Start of a replay: the first reading that no snapshot covers, or else the given position and time."""
        return next(iter(self._dirty.values()), ReplayStart(position, stream_time))

    def touch(self, series: str, since: ReplayStart) -> None:
        """The series has a reading at `since`; calls come in order of offset."""
        self._dirty.setdefault(series, since)

    def touch_all(self, readings: Readings, stream_time: Int64s) -> None:
        """Notes the first of the readings of each series; `stream_time`: int64 (n,), before the message of each."""
        codes, first = np.unique(readings.series, return_index=True)
        order = np.argsort(first)
        for code, row in zip(codes[order].tolist(), first[order].tolist(), strict=True):
            self.touch(readings.names[code], ReplayStart(int(readings.position[row]), int(stream_time[row])))

    def require(self, series: str) -> None:
        """The next commit carries a snapshot of the series: it holds something that was told."""
        self._required[series] = None

    def require_all(self) -> None:
        """The next commit leaves nothing to replay."""
        self._required |= dict.fromkeys(self._dirty)

    def count_messages(self, messages: int) -> None:
        """So many more messages were processed."""
        self._messages += messages

    def due(self, position: int, max_replay: int) -> list[str]:
        """The series that this commit snapshots: what must be, then the oldest in turn, as the messages earn it.

        Whatever would leave more than `max_replay` offsets to replay is forced. They count as covered from here on:
        after a failed commit everything is restored anyway.
        """
        earned = len(self._dirty) * self._messages / (SPREAD * max_replay)
        self._credit = min(self._credit + earned, float(len(self._dirty)))
        chosen = dict(self._required)
        for series, since in self._dirty.items():
            if self._credit < 1 and position - since.offset <= max_replay:
                break
            if series not in chosen:
                chosen[series] = None
                self._credit = max(self._credit - 1, 0.0)
        for series in chosen:
            self._dirty.pop(series, None)
        self._required, self._messages = {}, 0
        return list(chosen)
