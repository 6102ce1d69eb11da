"""The reading that closes each tick, against a walk through all readings and ticks."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream.detect.frames.tick_closing import MISSED, closing_rows


@settings(max_examples=300)
@given(
    ticks=st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1), st.sampled_from([0, 0, 1, 3, 8, 99])), max_size=30),
    rows=st.integers(30, 40),
)
def test_ticks_close_as_in_a_walk_through_the_readings(ticks: list[tuple[int, float, int]], rows: int) -> None:
    """Ticks open and get ripe in any order, in more orders than readings can come in."""
    ticks.sort(key=lambda tick: tick[0])
    series = np.array([tick[0] for tick in ticks], np.int32)
    # No two ticks have the same first reading; those with the lowest number were open before.
    turn = np.argsort([tick[1] for tick in ticks], kind="stable")
    first = np.maximum(np.argsort(turn), 2) - 3 if len(ticks) else np.zeros(0, np.int64)
    wait = np.array([tick[2] for tick in ticks], np.int64)
    ripe = np.minimum(first + wait, rows)
    # The oldest that was open before was not ripe.
    oldest = np.flatnonzero(first < 0)[np.unique(series[first < 0], return_index=True)[1]]
    ripe[oldest] = np.maximum(ripe[oldest], 0)
    assert closing_rows(series, first, ripe, rows).tolist() == walked(series, first, ripe, rows)


def walked(series: NDArray[np.int32], first: NDArray[np.int64], ripe: NDArray[np.int64], rows: int) -> list[int]:
    """Closing rows by a walk through rows and ticks."""
    closing = [rows] * len(series)
    is_open = [False] * len(series)
    newest_closed: dict[int, int] = {}
    for row in range(-1, rows):
        for tick in np.flatnonzero(first == row).tolist():
            is_open[tick] = tick > newest_closed.get(int(series[tick]), -1)
            closing[tick] = rows if is_open[tick] else MISSED
        for of in set(series.tolist()):
            for tick in [tick for tick in np.flatnonzero(series == of).tolist() if is_open[tick]]:
                if ripe[tick] > row:
                    break
                is_open[tick], closing[tick], newest_closed[of] = False, row, tick
    return closing
