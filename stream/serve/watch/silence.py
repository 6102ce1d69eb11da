"""Silence: series that have sent nothing for long. Nothing else depends on the wall clock."""

from collections.abc import Callable, Iterator

import structlog

from stream.kafka.batch_result import BatchResult
from stream.kafka.partition import Partition
from stream.serve.watch.partition_silence import PartitionSilence

log = structlog.get_logger()


class Silence:
    """Time of the last reading of each series, per partition.

    Args:
        after_s: a series is silent after so many seconds of wall clock without a reading; None = never.
    """

    def __init__(self, after_s: float | None, clock: Callable[[], float]) -> None:
        self._after_s = after_s
        self._clock = clock
        # By partition: time of the last reading of each series, in ascending order.
        self._last_reading: dict[int, dict[str, float]] = {}
        self._partitions = PartitionSilence(clock)

    def note(self, partition: Partition, result: BatchResult) -> None:
        """Notes a batch that the partition has processed just now."""
        self._partitions.note(partition, result)
        if self._after_s is None or partition.number not in self._last_reading:
            return
        last_reading, now = self._last_reading[partition.number], self._clock()
        for name in result.series:
            last_reading.pop(name, None)
            last_reading[name] = now

    def forget(self, partition: int) -> None:
        """Forgets the series of a partition that has come or gone: their time begins again."""
        self._last_reading.pop(partition, None)
        self._partitions.forget(partition)

    def silent_series(self, partition: Partition, is_drained: Callable[[Partition], bool]) -> Iterator[str]:
        """Series of the partition that are silent with an open tick or incident; each comes once.

        Where the whole partition has fallen silent, its series with an open incident come too. None come while records
        wait in the topic, or are on their way: until those are read, a series may only seem silent.

        Args:
            is_drained: asks the broker whether all records of the partition were read.
        """
        if self._partitions.begins(partition, is_drained):
            yield from partition.detector.with_incident()
        if self._after_s is None or not (partition.is_live and partition.at_end):
            return
        now = self._clock()
        names = partition.detector.slots.names
        last_reading = self._last_reading.setdefault(partition.number, dict.fromkeys(names(), now))
        drained = False
        while last_reading:
            series, at = next(iter(last_reading.items()))
            if now - at < self._after_s:
                return
            if partition.detector.has_open(series):
                drained = drained or is_drained(partition)
                if not drained:
                    return
                log.warning("series.silent", series=series, seconds=round(now - at, 1))
                yield series
            del last_reading[series]
