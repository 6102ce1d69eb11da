"""Partition silence: partitions that no reading comes from, by wall clock. One event stands for all of their series.

1. Nothing has come for the limit of `unwatched_limit`: an event, and the name of the report in the partition's commits.
   Open incidents end. A restart finds the report there, and tells nothing again.
2. A frame that is scored or warms up ends it: an event, in the commit of that frame.
"""

from collections.abc import Callable

from stream.detect.outcome import Verdict
from stream.detect.policy import SECOND
from stream.events.data_events import PartitionUnwatched, PartitionWatched
from stream.kafka.batch_result import BatchResult
from stream.kafka.partition import Partition

REPORT = "silent"


class PartitionSilence:
    """Time of the last reading of each partition.

    Args:
        clock: s.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        # By partition: time of the last reading, and dead letters since then.
        self._heard: dict[int, float] = {}
        self._dead: dict[int, int] = {}

    def note(self, partition: Partition, result: BatchResult) -> None:
        """Notes a batch that the partition has processed; its first frame of use ends a silence."""
        number = partition.number
        if result.series:
            self._heard[number], self._dead[number] = self._clock(), 0
        else:
            self._dead[number] = self._dead.get(number, 0) + len(result.dead)
        if REPORT not in partition.reports or result.outcome is None:
            return
        verdicts = result.outcome.verdicts
        of_use = (verdicts.verdict == Verdict.SCORED) | (verdicts.verdict == Verdict.WARMING)
        if of_use.any():
            partition.reports.discard(REPORT)
            series = verdicts.names[int(verdicts.series[of_use.argmax()])]
            partition.status_events.append(PartitionWatched.of(partition.number, series, partition.position - 1))

    def forget(self, partition: int) -> None:
        """Forgets a partition that has come or gone: its time begins again."""
        self._heard.pop(partition, None)

    def begins(self, partition: Partition, is_drained: Callable[[Partition], bool]) -> bool:
        """Notes and tells once that the partition has fallen silent; `is_drained`: all of its records were read."""
        if not (partition.is_live and partition.at_end) or REPORT in partition.reports:
            return False
        number, now, limit = partition.number, self._clock(), partition.detector.coverage.limit / SECOND
        silent = now - self._heard.setdefault(number, now)
        # Series that stream time has left behind were told of one by one.
        watched = partition.detector.watched() if silent > limit else []
        if not watched or not is_drained(partition):
            return False
        dead, position = self._dead.get(number, 0), partition.position
        event = PartitionUnwatched.of(number, watched, silent, dead, partition.clock.stream_time, position)
        partition.status_events.append(event)
        partition.reports.add(REPORT)
        partition.needs_commit = True
        return True
