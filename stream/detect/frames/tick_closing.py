"""The reading that closes each tick, for all series of a batch at once. Readings are rows of the batch.

A tick opens with the first reading on it. It is ripe once the series' own time has passed its end by `grace`, or, with
`close_complete`, all sensors have a value. It closes once it is ripe and no older tick of its series is open. A tick
whose first reading comes after a later tick has closed is missed: it never opens, and its readings are late.
"""

from heapq import heappop, heappush

import numpy as np

from stream.detect.slots import Segments
from stream.intake.columns import Bools, Int32s, Int64s

MISSED = -1


def closing_rows(series: Int32s, first: Int64s, ripe: Int64s, rows: int) -> Int64s:
    """The reading that closes each of C ticks.

    Args:
        series: int32 (C,); ticks are sorted by series, then time.
        first: int64 (C,), the first reading on the tick; -1: the tick was open before the batch.
        ripe: int64 (C,), the reading that makes the tick ripe, >= first; `rows`: none does. -1: it was ripe before
            the batch. Then an older tick of its series was open and is not ripe yet.
        rows: readings in the batch.

    Returns:
        int64 (C,); `rows`: the tick stays open. MISSED: it never opens.
    """
    runs = Segments(series)
    # Lifts the rows of each series above those of the series before, so that each accumulation starts anew.
    lift = runs.of_row * (rows + 2)
    waiting = ripe > first
    # Right if every waiting tick opens: from its first reading on it delays all later ones.
    closing = _in_order(ripe, waiting, lift)
    closing[first > _least_later(closing, lift)] = MISSED
    # Only an overtaken tick, whose first reading comes after that of a later one, may be missed. It is not missed
    # where other ticks delay the later ones for long enough.
    overtaken = first > _least_later(first, lift)
    soonest = _in_order(ripe, waiting & ~overtaken, lift)
    doubtful = waiting & (first > _least_later(soonest, lift))
    # If such a tick opens, later ones close later, which decides if the next one opens.
    for run in np.unique(runs.of_row[doubtful]).tolist():
        ticks = slice(runs.start[run], runs.end[run])
        closing[ticks] = _one_by_one(first[ticks].tolist(), ripe[ticks].tolist(), rows)
    return closing


def _in_order(ripe: Int64s, waiting: Bools, lift: Int64s) -> Int64s:
    """The reading by which each tick, and all older ones that are `waiting`, are ripe: int64 (C,)."""
    delayed: Int64s = np.maximum.accumulate(np.where(waiting, ripe, -1) + lift) - lift
    return np.maximum(ripe, delayed)


def _least_later(row: Int64s, lift: Int64s) -> Int64s:
    """Least row of the later ticks of the same series, int64 (C,); more than any row: there is none."""
    lifted = np.append(row + lift, np.iinfo(np.int64).max)
    least: Int64s = np.minimum.accumulate(lifted[::-1])[::-1][1:] - lift
    return least


def _one_by_one(first: list[int], ripe: list[int], rows: int) -> list[int]:
    """Closing rows of one series, event by event: a tick has its first reading, or becomes ripe."""
    closing = [rows] * len(first)
    open_ticks: list[int] = []
    newest_closed = -1
    events = [(row, False, tick) for tick, row in enumerate(first)]
    events += [(row, True, tick) for tick, row in enumerate(ripe) if row < rows]
    for row, is_ripe, tick in sorted(events):
        if not is_ripe and tick < newest_closed:
            closing[tick] = MISSED
        elif not is_ripe:
            heappush(open_ticks, tick)
        while open_ticks and ripe[open_ticks[0]] <= row:
            newest_closed = heappop(open_ticks)
            closing[newest_closed] = row
    return closing
