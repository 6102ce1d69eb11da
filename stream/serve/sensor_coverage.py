"""Whether the bundle fits the topic: which of its sensors have ever come with a value."""

import numpy as np

from stream.detect.definition import Definition
from stream.events.data_events import SensorsComplete, SensorsMissing
from stream.events.status_event import StatusEvent
from stream.kafka.batch_result import BatchResult
from stream.kafka.partition import Partition

# Frames of each series, on the average, without a sensor: one that comes in every other frame, by chance, is not among
# them (2^-20). Twice `max_carry` is added: as seldom as the bundle carries a value for, a sensor may come.
ROUNDS = 20


class SensorCoverage:
    """The sensors of a bundle that the topic has sent a value of, over all partitions of a process.

    Whichever have not come after long enough are told to be missing: the bundle is for another topic, or misread. So
    is each change of that, once no other sensor comes, and that they are all there. A sensor that has come once is
    none of this: what becomes of it later, masks and `serve.blind_after` tell.
    """

    def __init__(self) -> None:
        self._sensors: tuple[str, ...] = ()
        self._seen = np.zeros(0, np.bool_)
        # What was told to be missing; empty where nothing is.
        self._told: tuple[str, ...] = ()
        # Since a sensor came for the first time, and no other since.
        self._frames = self._ignored = 0
        self._series: set[str] = set()
        self._others: set[str] = set()

    def note(self, partition: Partition, told: BatchResult) -> list[StatusEvent]:
        """What is to be told after a batch of the partition."""
        if partition.definition.sensors != self._sensors:
            self._begin(partition.definition.sensors)
        if self._is_complete or told.decoded is None or told.outcome is None:
            return []
        new = np.isfinite(told.decoded.readings.values).any(axis=0) & ~self._seen
        if new.any():
            self._seen |= new
            self._frames = self._ignored = 0
        self._frames += len(told.outcome.verdicts)
        self._ignored += told.decoded.ignored
        self._series.update(told.outcome.verdicts.names.values())
        self._others |= partition.decoder.others
        return self._notices(partition.definition)

    def _begin(self, sensors: tuple[str, ...]) -> None:
        """Another bundle. What was told of the one before is still to be taken back."""
        self._sensors, self._seen = sensors, np.zeros(len(sensors), np.bool_)
        self._frames = self._ignored = 0
        self._series, self._others = set(), set()

    @property
    def _is_complete(self) -> bool:
        return bool(self._seen.all())

    def _rounds(self) -> float:
        """Frames per series. Where no sensor has ever come: all frames, and readings of other sensors per name."""
        if self._seen.any():
            return self._frames / max(len(self._series), 1)
        return self._frames + self._ignored / max(len(self._others), 1)

    def _notices(self, definition: Definition) -> list[StatusEvent]:
        missing = tuple(name for name, seen in zip(self._sensors, self._seen, strict=True) if not seen)
        waited = not missing or self._rounds() >= ROUNDS + 2 * definition.policy.max_carry
        if missing == self._told or not waited:
            return []
        self._told = missing
        if not missing:
            return [SensorsComplete.of(definition.version, len(self._sensors))]
        seen = [name for name in self._sensors if name not in missing]
        return [SensorsMissing.of(definition.version, missing, seen, sorted(self._others))]
