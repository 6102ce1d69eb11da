"""The rows of a data set as every offline command takes them: in order of time, and none where they make no sense."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from stream.detect.frames.framing import Framing
from stream.detect.frames.time_check import ends
from stream.detect.policy import FramePolicy
from stream.errors import DataError
from stream.intake.columns import Disposition
from stream.intake.tables.files import files
from stream.intake.tables.reader import Batch, Layout, read
from stream.offline.discarded import MAX_DISCARDED, refuse_discarded
from stream.offline.order import Order, order_of, put_in_order

# Values that are put in order in memory, at most: 2 GiB, and as much again while they are copied.
MOST_VALUES = 1 << 28


def look(data: Path, layout: Layout, sensors: tuple[str, ...], policy: FramePolicy) -> Order:
    """Reads times and series (long: all columns) of all rows once, and looks at their order.

    Raises:
        DataError: the data cannot be read, or have no usable row.
    """
    times = read(data, replace(layout, label=None), () if layout.sensor is None else sensors)
    order = order_of(times, files(data), policy)
    refuse_empty(data, order.readings, order.dead)
    return order


def checked(data: Path, layout: Layout, sensors: tuple[str, ...], policy: FramePolicy, order: Order) -> Layout:
    """The layout with the order that the rows need; refuses rows that training refuses.

    Rows in order without repeated times are not read here.

    Raises:
        DataError: too many rows to be put in order, or many have the time of another one but other values.
    """
    if order.wanting:
        _refuse_too_many(data, order, len(sensors) if layout.sensor is None else 1)
    layout = with_order(layout, order)
    if order.wanting or order.repeated > MAX_DISCARDED * order.readings:
        batches = list(rows_in_order(data, layout, sensors, 65_536))
        refuse_discarded(layout, batches, _dispositions(batches, policy, sensors))
    return layout


def rows_in_order(data: Path, layout: Layout, sensors: tuple[str, ...], batch_rows: int) -> Iterator[Batch]:
    """Reads the rows of a checked layout: from the files as they come, or through memory where they must be sorted."""
    batches = read(data, layout, sensors, batch_rows)
    return batches if layout.in_order else iter(put_in_order(list(batches), batch_rows))


def with_order(layout: Layout, order: Order) -> Layout:
    """The layout with the order that its rows need, and words about it and about odd times."""
    why = {"order": order.seen} if order.wanting else {}
    if order.set_back is not None and not order.wanting:
        why = {"clock": f"{order.seen}; the readings behind are late in training; other commands start anew at them"}
    if order.far is not None:
        late = "" if order.wanting else "readings behind a later time of their series are late, as they are online; "
        why["far"] = f"{order.far}; {late}correct these times or leave the rows out"
    return replace(layout, in_order=layout.in_order and not order.wanting, why={**layout.why, **why}) if why else layout


def said(layout: Layout) -> list[str]:
    """Lines for people about what may be wrong with a layout, and about changes to the rows."""
    return [*(f"warning: {layout.path}: {doubt}" for doubt in layout.doubts), *changes(layout)]


def changes(layout: Layout) -> list[str]:
    """Lines for people about changes to the rows that nobody asked for."""
    notes = {"order": "put in order", "series_name": "series", "pieces": "warning", "twins": "warning"}
    notes |= {"far": "warning", "clock": "warning"}
    return [f"{what}: {layout.why[key]}" for key, what in notes.items() if key in layout.why]


def refuse_empty(data: Path, readings: int, dead: int) -> None:
    """Raises DataError where there is no reading."""
    if not readings:
        raise DataError(f"{data}: no usable rows, {dead} without a usable time or series; expected readings")


def _refuse_too_many(data: Path, order: Order, width: int) -> None:
    values = order.readings * width
    if values > MOST_VALUES:
        raise DataError(
            f"{data}: {order.seen}; {values:,} values are too many to be put in order in memory, {MOST_VALUES:,} at "
            "most; give them in parts, in files whose names sort by time, or sort them before, such as with DuckDB: "
            f"COPY (FROM '{data}' ORDER BY time) TO 'sorted.parquet'"
        )


def _dispositions(batches: Sequence[Batch], policy: FramePolicy, sensors: tuple[str, ...]) -> Counter[str]:
    """Readings by disposition, as framing gives them."""
    framing, fates = Framing(policy, sensors), np.zeros(len(Disposition), np.int64)
    for batch in batches:
        framing.admit(batch.columns.names)
        checked = framing.checked(batch.readings)
        fates += ends(checked.of_batch(framing.raw(checked)[1]), len(checked.confirmed))
    return Counter({fate.name.lower(): int(fates[fate]) for fate in Disposition})
