"""The clock of a partition: stream time, and watch time, which no single reading moves far."""

import numpy as np

from stream.detect.frames.clock import NEVER
from stream.detect.policy import FramePolicy
from stream.detect.unwatched import unwatched_limit
from stream.intake.columns import Int64s


class StreamClock:
    """Stream time and watch time of one partition, in ns.

    Stream time is the largest event time so far. Watch time follows it, but each reading moves it by
    `longest_step_ns` at most: one reading with a wrong time, or the first one after an outage, says nothing about
    other series.
    """

    def __init__(self) -> None:
        # None: watch time is stream time.
        self.longest_step_ns: int | None = None
        self.stream_time = self.watch_time = NEVER

    def limit_by(self, policy: FramePolicy, after_ns: int | None) -> int:
        """The limit of `unwatched_limit`; from here on, a reading moves watch time by half of it at most."""
        limit = unwatched_limit(policy, after_ns)
        self.follow(limit)
        return limit

    def follow(self, limit_ns: int) -> None:
        """From here on, a reading moves watch time by half of this limit at most."""
        self.longest_step_ns = max(limit_ns // 2, 1)

    def restore(self, stream_time: int, watch_time: int) -> None:
        """Sets the clock; a watch time of NEVER is the stream time."""
        self.stream_time, self.watch_time = stream_time, stream_time if watch_time == NEVER else watch_time

    def advance(self, time: Int64s) -> tuple[Int64s, Int64s]:
        """Passes n readings of event times `time`; returns stream and watch time after each, int64 (n,) each."""
        if not len(time):
            return time, time
        stream = np.maximum(np.maximum.accumulate(time), self.stream_time)
        if self.stream_time == NEVER:
            self.stream_time = self.watch_time = int(stream[0])
        steps = np.diff(stream, prepend=self.stream_time)
        if self.longest_step_ns is not None:
            steps = np.minimum(steps, self.longest_step_ns)
        watch = self.watch_time + np.cumsum(steps)
        self.stream_time, self.watch_time = int(stream[-1]), int(watch[-1])
        return stream, watch
