"""Parts of a history: in time order, with a distance between them, and none of them empty without an error."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream.errors import ConfigError, DataError
from training.data.split import Part, Shares, split

ORDER = [Part.FIT, Part.STOP, Part.CALIBRATE, Part.GATE]


def one_series(rows: int) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.bool_]]:
    return np.zeros(rows, np.int32), np.arange(rows, dtype=np.int64), np.ones(rows, np.bool_)


def slow_split(usable: list[bool], shares: Shares, purge: int) -> list[int]:
    """One series, in time order, row by row."""
    wanted = [shares.fit * (1 - shares.stop), shares.fit * shares.stop, shares.calibrate]
    wanted += [shares.gate] if shares.gate else []
    left = sum(usable) - purge * (len(wanted) - 1)
    ends = [int(left * sum(wanted[: i + 1]) + 0.5) if left > 0 else 0 for i in range(len(wanted))]
    if any(end <= start for start, end in zip([0, *ends], ends, strict=False)):
        return [int(good) for good in usable]
    cuts = [end + i * purge for i, end in enumerate(ends[:-1])]
    parts, seen, part, blocked = [], 0, 0, 0
    for good in usable:
        # The next part begins with the frame after the last usable one of the part before.
        if part < len(cuts) and seen == cuts[part]:
            part, blocked = part + 1, purge
        parts.append(int(ORDER[part]) if good and blocked == 0 else 0)
        blocked = max(0, blocked - 1)
        seen += good
    return parts


def test_a_series_is_cut_where_its_shares_are_reached_and_frames_after_a_cut_belong_to_none() -> None:
    """1000 rows less three cuts of 10 frames are 970 to share out."""
    parts = split(*one_series(1000), Shares(0.6, 0.2, 0.2), purge=10).tolist()
    assert [parts.index(part) for part in ORDER] == [0, 534, 602, 806]
    assert [parts.count(part) for part in ORDER] == [524, 58, 194, 194]
    assert parts[524:534] == parts[592:602] == parts[796:806] == [Part.NONE] * 10


@settings(max_examples=300, deadline=None)
@given(
    usable=st.lists(st.sampled_from([True, True, False]), min_size=1, max_size=120),
    purge=st.integers(0, 12),
    stop=st.sampled_from([0.1, 0.25, 0.5]),
    gate=st.sampled_from([0.0, 0.25]),
)
def test_rows_go_where_counting_them_one_by_one_puts_them(
    usable: list[bool], purge: int, stop: float, gate: float
) -> None:
    shares = Shares(0.75 - gate, 0.25, gate, stop)
    # A second, long series keeps every part from being empty.
    rows = 5000
    series = np.r_[np.ones(len(usable), np.int32), np.zeros(rows, np.int32)]
    time = np.r_[np.arange(len(usable)), np.arange(rows)].astype(np.int64)
    parts = split(series, time, np.r_[np.array(usable), np.ones(rows, np.bool_)], shares, purge)
    assert parts[: len(usable)].tolist() == slow_split(usable, shares, purge)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), purge=st.integers(0, 30))
def test_no_two_parts_of_a_series_are_nearer_than_the_purge_and_none_goes_back_in_time(seed: int, purge: int) -> None:
    draw = np.random.default_rng(seed)
    series = draw.integers(0, 3, 1500).astype(np.int32)
    time = draw.permutation(1500).astype(np.int64)
    usable = draw.random(1500) < 0.8
    parts = split(series, time, usable, Shares(0.6, 0.2, 0.2), purge)
    assert not parts[~usable].any()
    for one in range(3):
        mine = parts[series == one][np.argsort(time[series == one])]
        used = np.flatnonzero(mine)
        steps = np.diff(mine[used].astype(int))
        assert (steps >= 0).all()
        assert (np.diff(used)[steps > 0] > purge).all()


def test_the_order_of_the_rows_does_not_matter() -> None:
    draw = np.random.default_rng(0)
    series, time = np.repeat(np.arange(3, dtype=np.int32), 400), np.tile(np.arange(400, dtype=np.int64), 3)
    usable, order = draw.random(1200) < 0.9, draw.permutation(1200)
    parts = split(series, time, usable, Shares(0.6, 0.2, 0.2), 5)
    assert (split(series[order], time[order], usable[order], Shares(0.6, 0.2, 0.2), 5) == parts[order]).all()


def test_shares_count_usable_rows() -> None:
    """The first half is unusable: all parts come from the second."""
    series, time, usable = one_series(1000)
    usable[:500] = False
    parts = split(series, time, usable, Shares(0.6, 0.2, 0.2), purge=0)
    assert np.bincount(parts).tolist() == [500, 270, 30, 100, 100]


def test_a_gate_of_nothing_is_allowed() -> None:
    parts = split(*one_series(1000), Shares(0.8, 0.2, 0.0), purge=5)
    assert set(parts.tolist()) == {0, Part.FIT, Part.STOP, Part.CALIBRATE}
    assert parts[-1] == Part.CALIBRATE


def test_a_series_too_short_for_all_parts_is_for_fit_alone() -> None:
    series = np.r_[np.zeros(1000, np.int32), np.ones(8, np.int32)]
    time = np.r_[np.arange(1000), np.arange(8)].astype(np.int64)
    parts = split(series, time, np.ones(1008, np.bool_), Shares(0.6, 0.2, 0.2), purge=41)
    assert set(parts[1000:].tolist()) == {Part.FIT}


def test_a_part_without_rows_is_named_with_the_figures() -> None:
    with pytest.raises(DataError, match=r"stop and calibrate and gate: 100 usable of 100 rows in 1 series.* 41 frames"):
        split(*one_series(100), Shares(0.6, 0.2, 0.2), purge=41)
    series, time, usable = one_series(100)
    with pytest.raises(DataError, match=r"no row is left for fit .*: 0 usable of 100 rows"):
        split(series, time, ~usable, Shares(0.6, 0.2, 0.2), purge=0)
    with pytest.raises(DataError, match="0 usable of 0 rows in 0 series"):
        split(series[:0], time[:0], usable[:0], Shares(0.6, 0.2, 0.2), purge=0)


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        (Shares(0.6, 0.2, 0.1), r"add up to 1, seen 0\.9"),
        (Shares(1.0, 0.0, 0.0), r"calibrate 0 must be above 0"),
        (Shares(0.9, 0.2, -0.1), r"gate -0\.1 at least 0"),
        (Shares(0.6, 0.2, 0.2, stop=0.0), r"stop is a share of fit, between 0 and 1, seen 0"),
    ],
)
def test_shares_that_make_no_sense_are_refused(shares: Shares, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        split(*one_series(1000), shares, purge=0)
