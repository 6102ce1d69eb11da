"""Sampling of readings: the steps in time between neighbours on one clock."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from stream.intake.columns import Int64s, LongReadings, Readings


@dataclass(frozen=True, slots=True)
class Steps:
    """k steps between readings of one clock, by series.

    Attributes:
        names: the series.
        series: int64 (k,), index into `names`, ascending.
        step: int64 (k,), ns, > 0.
    """

    names: tuple[str, ...]
    series: Int64s
    step: Int64s

    def medians(self) -> dict[str, int]:
        """Median step of each series that has one, ns."""
        start = np.flatnonzero(np.diff(self.series, prepend=-1))
        runs = np.split(self.step, start[1:]) if len(start) else []
        return {self.names[of]: int(np.median(run)) for of, run in zip(self.series[start].tolist(), runs, strict=True)}


@dataclass(frozen=True, slots=True)
class Clocks:
    """The times of n readings, each on its clock, in the order of the readings.

    A wide series has one clock. In a long one each sensor has its own. Six sensors that report once a minute in turn
    have steps of a minute, though a reading comes every ten seconds.

    Attributes:
        names: the series.
        clock: int64 (n,), number of the clock.
        series: int64 (n,), index into `names`.
        time: int64 (n,), ns.
    """

    names: tuple[str, ...]
    clock: Int64s
    series: Int64s
    time: Int64s


def clocks(batches: Iterable[Readings | LongReadings]) -> Clocks:
    """The clock of each reading of one source."""
    number: dict[str, int] = {}
    found, times, width = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 1
    for columns in batches:
        of = np.array([number.setdefault(name, len(number)) for name in columns.names], np.int64)[columns.series]
        if isinstance(columns, LongReadings):
            width = columns.sensors + 1
            of = of * width + columns.sensor + 1
        found.append(of)
        times.append(columns.time)
    clock = np.concatenate(found)
    return Clocks(tuple(number), clock, clock // width, np.concatenate(times))


def steps(batches: Iterable[Readings | LongReadings]) -> Steps:
    """Steps between readings, which come in any order. Two at the same time have no step between them."""
    of = clocks(batches)
    order = np.lexsort((of.time, of.clock))
    step = np.diff(of.time[order])
    kept = (np.diff(of.clock[order]) == 0) & (step > 0)
    return Steps(of.names, of.series[order][1:][kept], step[kept])
