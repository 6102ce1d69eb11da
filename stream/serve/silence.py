"""Who has sent nothing for long: the one thing that the wall clock decides."""

from collections.abc import Callable, Iterable, Iterator

import structlog

from stream.kafka.partition import Partition

log = structlog.get_logger()


class Silence:
    """When each series was last heard of, per partition.

    Args:
        after_s: seconds of wall clock without a reading after which a series is silent; None = never.
    """

    def __init__(self, after_s: float | None, clock: Callable[[], float]) -> None:
        self._after_s = after_s
        self._clock = clock
        # Series in order of when they were last heard of, oldest first.
        self._heard: dict[int, dict[str, float]] = {}

    def heard(self, partition: int, series: Iterable[str]) -> None:
        if self._after_s is None or partition not in self._heard:
            return
        heard, now = self._heard[partition], self._clock()
        for name in series:
            heard.pop(name, None)
            heard[name] = now

    def forget(self, partition: int) -> None:
        """The partition has come or gone: its series are given their time anew."""
        self._heard.pop(partition, None)

    def fallen(self, partition: Partition, is_drained: Callable[[Partition], bool]) -> Iterator[str]:
        """Series of the partition that have fallen silent with something open; each is named once.

        None while records wait in the topic, or on their way to us: nobody knows then who is silent.
        """
        if self._after_s is None or not (partition.is_live and partition.at_end):
            return
        now = self._clock()
        names = partition.detector.slots.names
        heard = self._heard.setdefault(partition.number, dict.fromkeys(names(), now))
        drained = False
        while heard:
            series, at = next(iter(heard.items()))
            if now - at < self._after_s:
                return
            if partition.detector.has_open(series):
                drained = drained or is_drained(partition)
                if not drained:
                    return
                log.warning("series.silent", series=series, seconds=round(now - at, 1))
                yield series
            del heard[series]
