"""Series that hold the same readings: one export that lies there twice, under two names, counts as two assets."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from stream.detect.slots import Segments
from stream.messages import some
from training.data.framing import FramedHistory
from training.data.history import History


def with_note_on_twins(history: History, framed: FramedHistory) -> History:
    """The history, with a word in its layout about series that hold the readings of another one."""
    twins = [f"{framed.names[one]!r} and {framed.names[other]!r}" for one, other in _twins(framed)]
    if not twins:
        return history
    note = (
        f"the same readings under two names, to the last value: {some(twins)}; "
        f"leave one of them out, or set `input.series_name` where the files are of one asset"
    )
    return replace(history, layout=replace(history.layout, why={**history.layout.why, "twins": note}))


def _twins(framed: FramedHistory) -> Iterator[tuple[int, int]]:
    """Pairs of a series and a later one with its times and values. Series in which nothing moves are no twins."""
    alike: dict[tuple[bytes, ...], list[tuple[int, slice]]] = defaultdict(list)
    for series, start, end in Segments(framed.series):
        rows, ends = slice(start, end), [start, end - 1]
        key = framed.time[ends].tobytes(), framed.values[ends].tobytes(), str(end - start).encode()
        values = framed.values[rows]
        if np.array_equal(values, np.broadcast_to(values[0], values.shape), equal_nan=True):
            continue
        for earlier, at in alike[key]:
            if np.array_equal(framed.time[at], framed.time[rows]) and np.array_equal(
                framed.values[at], values, equal_nan=True
            ):
                yield earlier, series
                break
        else:
            alike[key].append((series, rows))
