"""Silence: series that have sent nothing for long. Nothing else depends on the wall clock."""

from collections.abc import Callable, Iterable, Iterator

import structlog

from stream.kafka.partition import Partition

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

    def note_readings(self, partition: int, series: Iterable[str]) -> None:
        """Notes that these series have sent readings just now."""
        if self._after_s is None or partition not in self._last_reading:
            return
        last_reading, now = self._last_reading[partition], self._clock()
        for name in series:
            last_reading.pop(name, None)
            last_reading[name] = now

    def forget(self, partition: int) -> None:
        """Forgets the series of a partition that has come or gone: their time begins again."""
        self._last_reading.pop(partition, None)

    def silent_series(self, partition: Partition, is_drained: Callable[[Partition], bool]) -> Iterator[str]:
        """Series of the partition that are silent with an open tick or incident; each comes once.

        None come while records wait in the topic, or are on their way: until those are read, a series may only seem
        silent.

        Args:
            is_drained: asks the broker whether all records of the partition were read.
        """
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
