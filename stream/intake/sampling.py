"""Sampling of readings: the steps in time between neighbours on one clock, and the step that suits all sensors."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stream.intake.columns import Bools, Int64s, LongReadings, Readings
from stream.intake.intervals import readable

# A sensor that reports so many times less often than the others is rare; a quarter of the sensors may be.
RARE, MOST_RARE = 10, 0.25
# Steps are regular where this share of them is as long as the median, give or take a tenth.
REGULAR, NEAR = 0.8, 0.1
# Fewer steps do not tell how often a series reports.
FEWEST_STEPS = 10


@dataclass(frozen=True, slots=True)
class Clocks:
    """The times of n readings, each on its clock, in the order of the readings.

    A wide series has one clock. In a long one each sensor has its own. Six sensors that report once a minute in turn
    have steps of a minute, though a reading comes every ten seconds.

    Attributes:
        names: the series.
        clock: int64 (n,), number of the clock: series * `width`, and sensor + 1 in a long one.
        width: 1; of a long series F + 1.
        time: int64 (n,), ns.
    """

    names: tuple[str, ...]
    clock: Int64s
    width: int
    time: Int64s


@dataclass(frozen=True, slots=True)
class Sampling:
    """The steps at which series and their sensors report, ns.

    Attributes:
        rows: median step of each series; in a long one, over the steps of all its sensors.
        whole: the step by which every sensor of a series is seen; rare ones are not waited for. Series with too few
            steps to tell have none.
        fastest: the shortest usual step of a sensor; 0: there is none.
        slowest: the sensor that sets `whole`, an index, of the series in which it is most behind the others.
        interval: the usual step of the rows, as a person would write it; None: there are no steps.
        tick: the usual one of `whole`, as a person would write it; None: there are no steps.
        widest_tick: a tick in which every series is seen.
    """

    rows: dict[str, int]
    whole: dict[str, int]
    fastest: int
    slowest: int | None
    interval: int | None
    tick: int | None
    widest_tick: int | None


@dataclass(frozen=True, slots=True)
class _Usual:
    """Usual steps of k clocks or series: int64 `key`, `median`, `mean` and `count`, bool `exact` and `steady`, (k,).

    Attributes:
        usual: the median of regular steps, else their mean without gaps.
        exact: more than half of the steps are equal to the median. steady: they are regular.
    """

    key: Int64s
    median: Int64s
    usual: Int64s
    count: Int64s
    exact: Bools
    steady: Bools


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
    return Clocks(tuple(number), np.concatenate(found), width, np.concatenate(times))


def steps(batches: Iterable[Readings | LongReadings]) -> Int64s:
    """Steps between neighbours on one clock, int64 (k,) ns > 0. The readings come in any order."""
    of = clocks(batches)
    return _steps(of.clock, of.time)[1]


def sampling(batches: Sequence[Readings | LongReadings], sensors: int) -> Sampling:
    """The sampling of one source of F `sensors`. A value that is missing says nothing of its sensor's steps."""
    found = clocks(
        replace(one, sensor=np.where(np.isnan(one.value), -1, one.sensor)) if isinstance(one, LongReadings) else one
        for one in batches
    )
    clock, step = _steps(found.clock, found.time)
    rows = _usual(clock // found.width, step)
    if batches and isinstance(batches[0], LongReadings):
        of_clock = _usual(clock, step)
        own = np.zeros((len(found.names), sensors + 1), np.int64)
        own[of_clock.key // (sensors + 1), of_clock.key % (sensors + 1)] = of_clock.usual
        own = own[:, 1:]
    else:
        own = _own_steps(batches, found.names, sensors, rows)
    whole, slowest = _whole(own, rows)
    plain, telling = _middle(rows.median), rows.count >= min(FEWEST_STEPS, int(rows.count.max(initial=0)))
    told = rows.key.tolist(), whole.tolist(), telling.tolist()
    return Sampling(
        rows=dict(zip([found.names[of] for of in rows.key.tolist()], rows.median.tolist(), strict=True)),
        whole={found.names[of]: step for of, step, one in zip(*told, strict=True) if one},
        fastest=int(own[own > 0].min(initial=np.iinfo(np.int64).max)) if own.any() else 0,
        slowest=slowest,
        interval=None if plain is None else _written(rows, plain, int(rows.median[plain])),
        tick=None if plain is None else _tick(rows, whole, _middle(whole)),
        widest_tick=None if plain is None else _tick(rows, whole, int(np.argmax(np.where(telling, whole, 0)))),
    )


def _steps(clock: Int64s, time: Int64s) -> tuple[Int64s, Int64s]:
    """The clock, int64 (k,), ascending, of each step, int64 (k,). Two readings at one time have none between them."""
    order = np.lexsort((time, clock))
    step = np.diff(time[order])
    kept = (np.diff(clock[order]) == 0) & (step > 0)
    return clock[order][1:][kept], step[kept]


def _usual(key: Int64s, step: Int64s) -> _Usual:
    """Usual steps by key; `key` and `step`, int64 (k,)."""
    order = np.lexsort((step, key))
    key, step = key[order], step[order]
    start = np.flatnonzero(np.diff(key, prepend=-1))
    if not len(start):
        none, flags = np.zeros(0, np.int64), np.zeros(0, np.bool_)
        return _Usual(none, none, none, none, flags, flags)
    count = np.diff(start, append=len(key))
    low = step[start + (count - 1) // 2]
    median = (low + step[start + count // 2]) // 2
    of_row = np.repeat(np.arange(len(start)), count)

    def share(holds: Bools) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        return np.add.reduceat(holds.astype(np.int64), start) / count

    steady = share(np.abs(step - median[of_row]) <= NEAR * median[of_row]) >= REGULAR
    usable = step <= RARE * median[of_row]
    mean = np.add.reduceat(np.where(usable, step, 0), start) // np.add.reduceat(usable.astype(np.int64), start)
    exact = share(step == low[of_row]) > 0.5
    return _Usual(key[start], median, np.where(steady | exact, median, mean), count, exact, steady)


def _own_steps(
    batches: Sequence[Readings | LongReadings], names: tuple[str, ...], sensors: int, rows: _Usual
) -> Int64s:
    """Usual step of each sensor of each wide series, int64 (S, F); 0 where there is none.

    Sensors with a value in half of the rows report with the rows. Only the times of the others are looked at.
    """
    place = {name: at for at, name in enumerate(names)}
    wide = [(np.array([place[n] for n in b.names], np.int64)[b.series], b) for b in batches if isinstance(b, Readings)]
    count, values = np.zeros(len(names), np.int64), np.zeros((len(names), sensors), np.int64)
    for of, batch in wide:
        count += np.bincount(of, minlength=len(names))
        row, sensor = np.nonzero(np.isfinite(batch.values))
        values += np.bincount(of[row] * sensors + sensor, minlength=values.size).reshape(values.shape)
    step = np.zeros(len(names), np.int64)
    step[rows.key] = rows.usual
    own = np.where(2 * values >= count[:, None], step[:, None], 0)
    sparse = (2 * values < count[:, None]) & (values > 1)
    if sparse.any():
        clock, time = [], []
        for of, batch in wide:
            row, sensor = np.nonzero(np.isfinite(batch.values) & sparse[of])
            clock.append(of[row] * sensors + sensor)
            time.append(batch.time[row])
        usual = _usual(*_steps(np.concatenate(clock), np.concatenate(time)))
        own.reshape(-1)[usual.key] = usual.usual
    return own


def _whole(own: Int64s, rows: _Usual) -> tuple[Int64s, int | None]:
    """The step by which every sensor of each series of `rows` is seen, int64 (k,), and the sensor most behind."""
    whole, slowest, behind = rows.median.copy(), None, 1.0
    for at, of in enumerate(rows.key.tolist()):
        order = np.argsort(own[of], kind="stable")
        order = order[own[of][order] > 0]
        rare = int(MOST_RARE * own.shape[1])
        while rare and len(order) > 1 and own[of, order[-1]] > RARE * own[of, order[(len(order) - 2) // 2]]:
            order, rare = order[:-1], rare - 1
        if not len(order) or own[of, order[-1]] == own[of, order[0]] == rows.usual[at]:
            continue
        whole[at] = own[of, order[-1]]
        ratio = whole[at] / own[of, order[0]]
        if ratio > behind:
            slowest, behind = int(order[-1]), ratio
    return whole, slowest


def _middle(step: Int64s) -> int | None:
    """Place of the lower median: an element, not the mean of two, so that 1 s stays 1 s."""
    return int(np.argsort(step, kind="stable")[(len(step) - 1) // 2]) if len(step) else None


def _tick(rows: _Usual, whole: Int64s, at: int | None) -> int | None:
    return None if at is None else _written(rows, at, int(whole[at]))


def _written(rows: _Usual, at: int, step: int) -> int:
    """A step of series `at` as a person would write it; as it is, where it is the exact step of the rows."""
    own = step == int(rows.median[at])
    return step if own and rows.exact[at] else readable(step, steady=own and bool(rows.steady[at]))
