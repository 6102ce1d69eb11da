"""Which series a commit must snapshot, so that no restart replays more than `max_replay` messages."""

from typing import NamedTuple

# Part of max_replay within which every series that has changed gets its turn; the rest is slack for what comes in
# large batches, or is written early because of an event.
SPREAD = 0.9


class ReplayStart(NamedTuple):
    """Where a series' first reading that no snapshot covers stands: its offset, and the stream time before it."""

    offset: int
    stream_time: int


class SnapshotSchedule:
    """Series whose state has changed since their last snapshot, oldest first."""

    def __init__(self) -> None:
        # Invariant: in ascending order of offset.
        self._dirty: dict[str, ReplayStart] = {}
        self._required: dict[str, None] = {}
        self._messages = 0
        # Snapshots that the messages so far have earned, and that no commit has written.
        self._credit = 0.0

    @property
    def oldest(self) -> ReplayStart | None:
        """What a replay must start from; None where snapshots cover everything."""
        return next(iter(self._dirty.values()), None)

    def touch(self, series: str, since: ReplayStart) -> None:
        """The series has a reading at `since`; calls come in order of offset."""
        self._dirty.setdefault(series, since)

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
