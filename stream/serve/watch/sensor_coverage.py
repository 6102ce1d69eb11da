"""Sensor coverage: the sensors of the bundle that have ever come with a value, to see whether it fits the topic."""

import numpy as np
import structlog

from stream.counters import Count
from stream.detect.definition import Definition
from stream.events.data_events import SensorsComplete, SensorsMissing
from stream.events.status_event import StatusEvent
from stream.intake.bad_values import BadTally
from stream.intake.columns import Readings
from stream.kafka.batch_result import BatchResult
from stream.kafka.partition import Partition
from stream.serve.watch.open_report import OpenReport

# Frames per series without a value of a sensor, before it is reported missing. A sensor that is in every other frame,
# at random, is absent from so many with a probability of 2^-20. Twice `max_carry` is added: a sensor may come as
# seldom as the bundle carries its value.
PATIENCE_FRAMES = 20
# Bad values of a sensor are told again when they are as many times as many.
_BAD_AGAIN = 100
log = structlog.get_logger()


class SensorCoverage:
    """Sensors of a bundle that have come with a value, over all partitions of a process.

    Sensors that have not come after long enough are reported missing: the bundle is for another topic, or the topic is
    misread. The report is repeated when the set has changed and no further sensor comes. Once all are there, that is
    reported too. A sensor that came once and stops later is reported with its series.

    Attributes:
        report: whether missing sensors were reported.
    """

    def __init__(self) -> None:
        self._sensors: tuple[str, ...] = ()
        # bool (F,): sensors that have come with a value.
        self._came = np.zeros(0, np.bool_)
        # Sensors in the last report; empty where none is missing.
        self._reported: tuple[str, ...] = ()
        self.report = OpenReport("sensors")
        # Frames, and readings of other sensors, since a sensor came for the first time.
        self._frames = self._ignored = 0
        # Readings that have other sensors than one of the same series and time; None once that is told.
        self._split: int | None = 0
        self._series: set[str] = set()
        self._other_names: set[str] = set()
        # Values that are no numbers, and by sensor the number of them at which the log tells it the next time.
        self._bad = BadTally()
        self._bad_due: dict[str, int] = {}

    def update(self, partition: Partition, result: BatchResult) -> list[StatusEvent]:
        """Adds the readings of a batch; returns what is to be reported."""
        if partition.definition.sensors != self._sensors:
            self._restart(partition.definition.sensors)
        self._look_for_split_rows(partition.definition, result)
        self._tell_bad_values(result)
        if result.decoded is None or result.outcome is None or (self._came.all() and not self.report.is_open):
            return []
        new = np.isfinite(result.decoded.readings.values).any(axis=0) & ~self._came
        if new.any():
            self._came |= new
            self._frames = self._ignored = 0
        self._frames += len(result.outcome.verdicts)
        self._ignored += result.decoded.ignored
        self._series.update(result.outcome.verdicts.names.values())
        self._other_names |= partition.decoder.unused_names
        return self._report(partition.definition)

    def _restart(self, sensors: tuple[str, ...]) -> None:
        """Begins again for another bundle. The last report stays: it must be taken back once all sensors have come."""
        self._sensors, self._came = sensors, np.zeros(len(sensors), np.bool_)
        self._frames = self._ignored = 0
        self._series, self._other_names = set(), set()

    def _look_for_split_rows(self, definition: Definition, result: BatchResult) -> None:
        """Logs once that the sensors of one time come in several messages, all of which but one are duplicates."""
        if self._split is None or result.decoded is None or result.outcome is None:
            return
        if definition.policy.resample == "none" and result.outcome.counts()[Count.DUPLICATE]:
            self._split += split_rows(result.decoded.readings)
            if self._split >= PATIENCE_FRAMES:
                log.warning(
                    "readings.split",
                    seen=f"{self._split} messages of a time that their series already has, with other sensors; they "
                    "are duplicates, and their values are lost",
                    expected="all sensors of one time in one message",
                    do="set `frames.resample: last` and train again, or send them in one message",
                )
                self._split = None

    def _tell_bad_values(self, result: BatchResult) -> None:
        """Logs the first value of each sensor that is no number, and again each time they are a hundred times as many.

        So a sensor that is bad for ever costs a few lines, and so do further sensors beyond the most of a tally.
        """
        if result.decoded is None or not result.decoded.bad_values:
            return
        self._bad.add(result.decoded.bad_values)
        series = {bad.sensor: bad.series for bad in result.decoded.bad_values}
        for one in self._bad.sensors():
            if one.values >= self._bad_due.get(one.sensor, 1):
                self._bad_due[one.sensor] = _BAD_AGAIN * one.values
                log.warning(
                    "values.bad",
                    sensor=one.sensor or "further ones",
                    series=series.get(one.sensor),
                    values=one.values,
                    kinds=one.kinds,
                    seen=", ".join(one.seen),
                    expected="a number, or null where there is none",
                    effect="the sensor has no value in such readings, and readings without any number are dead; "
                    "counted as `bad_values`",
                    do="mend the sender; `input.bad_values: dead` makes such messages dead letters",
                )

    def _frames_per_series(self) -> float:
        """Frames per series. If no sensor has ever come: all frames, plus readings per name of the other sensors."""
        if self._came.any():
            return self._frames / max(len(self._series), 1)
        return self._frames + self._ignored / max(len(self._other_names), 1)

    def _report(self, definition: Definition) -> list[StatusEvent]:
        missing = tuple(name for name, came in zip(self._sensors, self._came, strict=True) if not came)
        patience = PATIENCE_FRAMES + 2 * definition.policy.max_carry
        if (missing or not self.report.is_open) and missing == self._reported:
            return []
        if missing and self._frames_per_series() < patience:
            return []
        self._reported, self.report.is_open = missing, bool(missing)
        if not missing:
            return [SensorsComplete.of(definition.version, len(self._sensors))]
        seen = [name for name in self._sensors if name not in missing]
        return [SensorsMissing.of(definition.version, missing, seen, sorted(self._other_names))]


def split_rows(readings: Readings) -> int:
    """Number of readings that have no sensor in common with the one of the same series and time before them."""
    order = np.lexsort((readings.time, readings.series))
    series, time = readings.series[order], readings.time[order]
    again = np.flatnonzero((series[1:] == series[:-1]) & (time[1:] == time[:-1]))
    before, after = np.isfinite(readings.values[order[again]]), np.isfinite(readings.values[order[again + 1]])
    return int(np.count_nonzero(before.any(axis=1) & after.any(axis=1) & ~(before & after).any(axis=1)))
