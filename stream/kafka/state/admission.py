"""Admission of readings: those that no snapshot covers, of series that this partition owns."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.intake.columns import Bools, Dead, Int64s, Readings, Reason
from stream.kafka.records import Records
from stream.kafka.state.discards import dead_reading
from stream.kafka.state.owners import Owner, Owners
from stream.kafka.state.snapshot_schedule import SnapshotSchedule
from stream.kafka.state.state_topic import Fate, Snapshot


class AdmittingPartition(Owner, Protocol):
    """The part of a partition that admission needs."""

    definition: Definition
    detector: Detector

    def refuse(self, series: str, holder: int) -> None:
        """Closes what is open of a series that partition `holder` owns."""


@dataclass(frozen=True, slots=True)
class AdmittedRows:
    """Selection of the readings of a batch: bool (n,), or None for all."""

    mask: Bools | None

    def of(self, readings: Readings) -> Readings:
        """The admitted readings."""
        return readings if self.mask is None else readings.rows(self.mask)

    def rows(self, column: Int64s) -> Int64s:
        """The admitted part of a column of the readings."""
        return column if self.mask is None else column[self.mask]


class Admission:
    """Decides which readings reach the detector of one partition."""

    def __init__(self, partition: AdmittingPartition, owners: Owners, schedule: SnapshotSchedule) -> None:
        self._partition = partition
        self._owners = owners
        self._schedule = schedule
        # Offset up to which a restored snapshot covers the readings of the series; empty once the partition is live.
        self._as_of: dict[str, int] = {}
        # Series whose readings are dead letters here, and the partition that owns them.
        self._refused: dict[str, int] = {}

    def refused_for(self, series: str) -> int | None:
        """The partition that owns a series refused here; None where the series is not refused."""
        return self._refused.get(series)

    def fate(self, series: str) -> Fate:
        """Fate of the series in this partition, for its next snapshot."""
        if self._partition.detector.slots.find(series) is not None:
            return "kept"
        return "refused" if series in self._refused else "retired"

    def restore(self, snapshot: Snapshot) -> None:
        """Notes what a restored snapshot covers, and a refusal that it carries."""
        self._as_of[snapshot.series] = snapshot.as_of
        if snapshot.fate == "refused" and snapshot.holder is not None:
            self._refused[snapshot.series] = snapshot.holder

    def claim_all(self) -> None:
        """Claims all series of a partition that has just become live."""
        self._as_of = {}
        names = list(self._partition.detector.slots.names())
        for series, time in zip(names, self._partition.detector.last_heard(names).tolist(), strict=True):
            self._claim(series, time)

    def claim(self, readings: Readings) -> None:
        """Claims the series of live readings that are not in memory: new ones and refused ones."""
        unknown = self._partition.detector.slots.missing(readings.names)
        if not unknown:
            return
        newest = np.full(len(readings.names), np.iinfo(np.int64).min)
        np.maximum.at(newest, readings.series, readings.time)
        time_of = dict(zip(readings.names, newest.tolist(), strict=True))
        for series in unknown:
            self._claim(series, time_of[series])

    def _claim(self, series: str, time: int) -> None:
        """Claims one series; refuses it where another partition owns it, unless that one still recovers."""
        partition, refused_for = self._partition, self._refused.get(series)
        if refused_for is not None and self._owners.is_awaited(series, refused_for):
            return
        if self._owners.claim(series, partition, time, partition.definition.policy.max_gap_ns):
            if self._refused.pop(series, None) is not None:
                # No snapshot may say any longer that the series is refused.
                self._schedule.require(series)
            return
        holder = self._owners.holder(series)
        assert holder is not None
        self._refused[series] = holder
        if refused_for is None:
            partition.refuse(series, holder)

    def release(self, series: Iterable[str]) -> None:
        """Ends the ownership of the series."""
        self._owners.release(series, self._partition)

    def admit(self, readings: Readings, live_from: int) -> AdmittedRows:
        """Selects the readings that are neither covered by a snapshot nor refused."""
        replayed = bool(self._as_of) and len(readings) > 0 and int(readings.position[0]) < live_from
        if not replayed and self._refused.keys().isdisjoint(readings.names):
            return AdmittedRows(None)
        as_of = np.array([self._as_of.get(name, -1) if replayed else -1 for name in readings.names], np.int64)
        owned = np.array([name not in self._refused for name in readings.names], np.bool_)
        return AdmittedRows(owned[readings.series] & (readings.position > as_of[readings.series]))

    def dead_letters(self, readings: Readings, records: Records) -> tuple[Dead, ...]:
        """Dead letters for the readings of refused series."""
        if self._refused.keys().isdisjoint(readings.names):
            return ()
        refused = np.array([name in self._refused for name in readings.names], np.bool_)
        return tuple(
            self._dead_letter(readings, row, records) for row in np.flatnonzero(refused[readings.series]).tolist()
        )

    def _dead_letter(self, readings: Readings, row: int, records: Records) -> Dead:
        series = readings.names[readings.series[row]]
        detail = f"series {series!r} is scored in partition {self._refused[series]}: send each to one partition only"
        return dead_reading(readings, row, records, Reason.SERIES_IN_TWO_PARTITIONS, detail)
