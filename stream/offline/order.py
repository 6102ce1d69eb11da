"""The order of the readings of files. An export has any order; a stream has an order of arrival, and late readings.

Readings are put in order of time where more than one in a hundred stands behind a later one of its series. The same
holds where more than one in a hundred files begins before an earlier one ends. No stream has so much disorder. Below
that, the order of the file is taken for that of arrival: readings behind later ones are late, as they are online.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from stream.detect.frames.clock import NEVER, newest_before
from stream.detect.policy import FramePolicy
from stream.detect.slots import Segments, Slots, grown, previous
from stream.intake.bad_values import added
from stream.intake.columns import Bools, Float64s, Int32s, Int64s, LongReadings, Readings
from stream.intake.tables.files import File
from stream.intake.tables.reader import Batch
from stream.messages import some
from stream.offline.odd_times import MOST_STEPS, Days, Place, set_back

# Share of readings, or of beginnings of files, behind later readings: more than a stream has.
MOST_BEHIND = 0.01


@dataclass(frozen=True, slots=True)
class Order:
    """The order of readings.

    Attributes:
        dead: rows without a usable time or series.
        behind: readings that stand behind a later one of their series; on ticks, by more than a tick and its grace.
        repeated: readings with the time (long: and the sensor) of the newest one before them.
        begun: beginnings of files: a series' first reading in each file but the first that has it.
        begun_behind: how many of these stand behind, and `early`: in which files.
        span: first and last time of each series, ns.
        far: says which few readings are far from all others in time; None: none are.
        set_back: says where the clock of a series was set back; None: it was not.
    """

    readings: int
    dead: int
    behind: int
    repeated: int
    begun: int
    begun_behind: int
    early: tuple[str, ...]
    span: dict[str, tuple[int, int]]
    far: str | None = None
    set_back: str | None = None

    @property
    def wanting(self) -> bool:
        """True where this is not the order of a stream."""
        return self.behind > MOST_BEHIND * self.readings or self.begun_behind > MOST_BEHIND * self.begun

    @property
    def seen(self) -> str:
        """The readings that stood behind later ones."""
        begin = f"; files that begin before one read earlier ends: {some(self.early, 5)}" if self.early else ""
        clock = "" if self.set_back is None else f"; {self.set_back}"
        return f"{self.behind:,} of {self.readings:,} readings stood behind later ones of their series{begin}{clock}"


def order_of(batches: Iterable[Batch], files: list[File], policy: FramePolicy) -> Order:
    """Looks at the order of the readings of `files`; holds one batch in memory."""
    look = _Look(files, 0 if policy.resample == "none" else policy.interval_ns + policy.grace_ns)
    for batch in batches:
        look.dead += len(batch.dead)
        if len(batch):
            look.add(batch.columns)
    names = [look.slots.name(slot) for slot in range(look.slots.capacity)]
    span = zip(look.oldest.tolist(), look.newest.tolist(), strict=False)
    far = look.days.far()
    # A far time is a step of its own. The first row of each sensor in each file is not kept.
    unclear = far is not None or (look.clocks > 1 and bool(look.early))
    early = tuple(files[number].name for number in sorted(look.early))
    return Order(
        look.readings, look.dead, look.behind, look.repeated, look.begun, look.begun_behind, early,
        dict(zip(names, span, strict=False)), far,
        None if unclear else set_back(look.steps, look.places, look.behind, look.clocks),
    )  # fmt: skip


class _Look:
    """Counts readings by their place, batch by batch."""

    def __init__(self, files: list[File], slack_ns: int) -> None:
        self._starts = np.cumsum([0, *(file.rows for file in files)])[:-1]
        self._slack = slack_ns
        self.slots = Slots()
        self.newest = np.zeros(0, np.int64)
        self.oldest = np.zeros(0, np.int64)
        self._file = np.zeros(0, np.int64)
        # Newest time of each sensor of long data.
        self._of_sensor = np.zeros(0, np.int64)
        self.readings = self.dead = self.behind = self.repeated = self.begun = self.begun_behind = 0
        self.early: set[int] = set()
        self.days = Days()
        # The time of the last row of each clock; a series has one, or one per sensor, as `Clocks` says.
        self.clocks = 1
        self._last = np.zeros(0, np.int64)
        self.steps, self.places = 0, list[Place]()

    def add(self, columns: Readings | LongReadings) -> None:
        """Counts the readings of the next batch."""
        for name in self.slots.missing(columns.names):
            self.slots.add(name)
        sensors = columns.sensors + 1 if isinstance(columns, LongReadings) else 1
        self._resize(sensors)
        slots = self.slots.lookup(columns.names)[columns.series]
        order = np.argsort(slots, kind="stable")
        when, runs = columns.time[order], Segments(slots[order])
        before = newest_before(when, runs, self.newest[runs.series])
        self.readings += len(when)
        behind = (before != NEVER) & (when < before - self._slack)
        self.behind += int(behind.sum())
        file = np.searchsorted(self._starts, columns.position[order], side="right") - 1
        begins = file != previous(file, runs, self._file[runs.series])
        begins &= before != NEVER
        self.begun += int(begins.sum())
        self.begun_behind += int((begins & behind).sum())
        self.early.update(file[begins & behind].tolist())
        self.repeated += self._repeats(columns, slots) if sensors > 1 else int((when == before).sum())
        self.days.add(columns)
        if sensors == 1:
            self._step_back(columns, order, runs, begins)
        np.minimum.at(self.oldest, slots, columns.time)
        np.maximum.at(self.newest, slots, columns.time)
        self._file[runs.series] = file[runs.end - 1]

    def _step_back(self, columns: Readings | LongReadings, order: Int64s, runs: Segments, begins: Bools) -> None:
        """Finds rows with an earlier time than the row before them on their clock, in their file."""
        when = columns.time[order]
        before = previous(when, runs, self._last[runs.series])
        self._last[runs.series] = when[runs.end - 1]
        back = np.flatnonzero((when < before - self._slack) & (before != NEVER) & ~begins)
        self.steps += len(back)
        for at in back[:MOST_STEPS].tolist() if len(self.places) < MOST_STEPS else ():
            row, name = int(columns.position[order[at]]), columns.names[columns.series[order[at]]]
            self.places.append(Place(row, name, int(when[at]), int(before[at])))

    def _resize(self, sensors: int) -> None:
        capacity = self.slots.capacity
        if capacity > len(self.newest):
            size = 2 * capacity
            self.newest, self._file = grown(self.newest, size, NEVER), grown(self._file, size, -1)
            self._last = grown(self._last, size * sensors, NEVER)
            self.clocks = sensors
            self.oldest = grown(self.oldest, size, np.iinfo(np.int64).max)
            self._of_sensor = grown(self._of_sensor, size * sensors if sensors > 1 else 0, NEVER)

    def _repeats(self, columns: Readings | LongReadings, slots: Int32s) -> int:
        """Readings with the newest time of their sensor, of long data."""
        assert isinstance(columns, LongReadings)
        clock = (slots.astype(np.int64) * (columns.sensors + 1) + columns.sensor + 1).astype(np.int32)
        order = np.argsort(clock, kind="stable")
        when, runs = columns.time[order], Segments(clock[order])
        repeats = int((when == newest_before(when, runs, self._of_sensor[runs.series])).sum())
        self._step_back(columns, order, runs, np.zeros(len(when), np.bool_))
        np.maximum.at(self._of_sensor, clock, columns.time)
        return repeats


def put_in_order(batches: list[Batch], batch_rows: int) -> list[Batch]:
    """Sorts readings by time, then series; readings of one time and series keep the order of the files.

    Args:
        batches: at least one. The list is emptied: each batch is freed once its readings are copied.
        batch_rows: readings of a batch, at most.
    """
    columns = [batch.columns for batch in batches]
    names = tuple(sorted({name for each in columns for name in each.names}))
    place = {name: index for index, name in enumerate(names)}
    series = np.concatenate([np.array([place[n] for n in each.names], np.int32)[each.series] for each in columns])
    order = np.lexsort((series, np.concatenate([each.time for each in columns])))
    labels = _labels(batches, order)
    dead, ignored = tuple(one for batch in batches for one in batch.dead), sum(batch.ignored for batch in batches)
    numberless = sum((Counter(batch.numberless) for batch in batches), Counter[str]())
    bad = added([batch.bad for batch in batches])
    batches.clear()
    whole = _joined(columns, order, names, series[order])
    starts = range(0, max(len(order), 1), batch_rows)
    return [
        Batch(
            columns=whole.rows(slice(start, start + batch_rows)),
            labels=None if labels is None else labels[start : start + batch_rows],
            dead=() if start else dead,
            ignored=0 if start else ignored,
            bad={} if start else bad,
            numberless={} if start else numberless,
        )
        for start in starts
    ]


def _joined(
    columns: list[Readings | LongReadings], order: Int64s, names: tuple[str, ...], series: Int32s
) -> Readings | LongReadings:
    """All readings in `order`; empties `columns`."""
    time, position = (np.concatenate([getattr(each, name) for each in columns])[order] for name in ("time", "position"))
    long = [each for each in columns if isinstance(each, LongReadings)]
    if long:
        sensor, value = (np.concatenate([getattr(each, name) for each in long])[order] for name in ("sensor", "value"))
        return LongReadings(names, series, time, sensor, value, position, long[0].sensors)
    pieces = [each.values for each in columns if isinstance(each, Readings)]
    columns.clear()
    return Readings(names, series, time, in_order(pieces, order), position)


def _labels(batches: list[Batch], order: Int64s) -> Bools | None:
    """Labels of the sorted readings; those of files without labels are false."""
    if all(batch.labels is None for batch in batches):
        return None
    joined: Bools = np.concatenate(
        [np.zeros(len(batch), np.bool_) if batch.labels is None else batch.labels for batch in batches]
    )[order]
    return joined


def in_order(pieces: list[Float64s], order: Int64s) -> Float64s:
    """Joins the pieces to one array (T, F) in `order`. Empties the list to free each piece after its copy."""
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    values, start = np.empty((len(order), pieces[0].shape[1])), 0
    while pieces:
        piece = pieces.pop(0)
        values[place[start : start + len(piece)]] = piece
        start += len(piece)
    return values
