"""Ticks of all series of a batch at once, against the slow detector one reading at a time: equal to the bit."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.detect.frames.clock import NEVER, TickState, newest_before
from stream.detect.slots import Segments
from tests.oracles.naive_records import NAN
from tests.stream.detect.frames.tick_cases import (
    INTERVAL,
    SENSORS,
    SERIES,
    Reading,
    Twin,
    by_clock,
    by_twin,
    on_ticks,
    pushed,
    restarted,
    streams,
    tick_clock,
)
from tests.support.builders import a_policy


@settings(max_examples=300)
@given(
    readings=streams(), resample=st.sampled_from(["last", "mean"]), grace=st.sampled_from([0, 1, 10, 25, 70]),
    complete=st.booleans(), cuts=st.lists(st.integers(0, 10_000), max_size=8), restart=st.booleans(),
)  # fmt: skip
def test_ticks_are_those_of_the_slow_twin_to_the_bit_whatever_the_batches(
    readings: list[Reading], resample: str, grace: int, complete: bool, cuts: list[int], restart: bool
) -> None:
    """Dispositions, frames, the reading that closes each: from one batch, and from several with or without restarts."""
    policy = on_ticks(resample, grace, complete)
    expected = by_twin(policy, readings)
    assert by_clock(policy, readings) == expected
    assert by_clock(policy, readings, cuts, restart) == expected


@given(
    readings=streams(), resample=st.sampled_from(["last", "mean"]), grace=st.sampled_from([0, 25]),
    complete=st.booleans(), at=st.integers(0),
)  # fmt: skip
def test_snapshots_and_what_silence_closes_do_not_depend_on_batches(
    readings: list[Reading], resample: str, grace: int, complete: bool, at: int
) -> None:
    policy = on_ticks(resample, grace, complete)
    one, two, twin = tick_clock(policy), tick_clock(policy), Twin(policy)
    cut = at % (len(readings) + 1)
    pushed(one, readings)
    pushed(two, readings[:cut])
    pushed(two, readings[cut:])
    twin.take(readings)
    twin.closed.clear()
    for slot in range(SERIES):
        assert msgspec.msgpack.encode(one.state(slot)) == msgspec.msgpack.encode(two.state(slot))
        twin.silence(str(slot)) if str(slot) in twin.series else None
        closed = one.close(slot)
        assert [values.tobytes() for values in closed.values] == [f[3] for f in twin.closed if f[1] == slot]
        assert closed.time.tolist() == [f[2] for f in twin.closed if f[1] == slot]
        assert one.state(slot).open == []
        heard = one.newest(np.array([slot], np.int32)).tolist()
        assert heard == [NEVER if (s := twin.series.get(str(slot))) is None or s.newest is None else s.newest]


WHOLE, PART, REST = (1.0, 2.0, 3.0), (1.0, 2.0, NAN), (NAN, NAN, 9.0)
ONE_AFTER_THE_OTHER = {
    "complete ticks wait for an older open one and close with it": (
        20, [(0, PART), (10, WHOLE), (20, WHOLE), (1, REST)], "uuuu", [(3, 0), (3, 10), (3, 20)]
    ),
    "a tick that opens after a later one holds it up": (
        20, [(10, PART), (0, PART), (11, REST), (1, REST)], "uuuu", [(3, 0), (3, 10)]
    ),
    "a tick that is missed holds up nobody": (
        20, [(10, WHOLE), (0, PART), (20, WHOLE), (1, REST)], "ulul", [(0, 10), (2, 20)]
    ),
    "one miss decides the next": (
        30,
        [(20, WHOLE), (10, PART), (40, WHOLE), (30, PART), (60, WHOLE), (50, PART), (70, PART), (71, REST)],
        "ulululuu", [(0, 20), (2, 40), (4, 60), (7, 70)],
    ),
    "what is late for its tick stays late": (
        20, [(0, WHOLE), (1, REST), (10, PART), (2, WHOLE), (11, REST)], "ululu", [(0, 0), (4, 10)]
    ),
    "a tick that has passed before its first reading closes with it": (
        0, [(0, PART), (20, PART), (10, PART), (30, PART)], "uuuu", [(1, 0), (2, 10), (3, 20)]
    ),
    "grace ends with its last nanosecond": (5, [(0, PART), (14, PART), (15, PART)], "uuu", [(2, 0)]),
    "a reading without values opens its tick": (0, [(0, (NAN, NAN, NAN)), (10, WHOLE)], "uu", [(1, 0), (1, 10)]),
}  # fmt: skip


@pytest.mark.parametrize("case", ONE_AFTER_THE_OTHER)
def test_which_reading_closes_which_tick(case: str) -> None:
    grace, readings, dispositions, closed = ONE_AFTER_THE_OTHER[case]
    stream = [(0, time, values) for time, values in readings]
    for cuts in (range(0), range(len(stream))):
        seen = by_clock(on_ticks(grace=grace), stream, cuts)
        assert "".join(disposition[0] for disposition in seen.dispositions) == dispositions
        assert [(row, time) for row, _, time, _ in seen.frames[0]] == closed


@given(
    ticks=st.lists(st.lists(st.integers(0, INTERVAL - 1), min_size=1, unique=True), min_size=1, max_size=6),
    long=st.booleans(), cuts=st.lists(st.integers(0, 10_000), max_size=4),
)  # fmt: skip
def test_a_tick_that_waits_for_its_end_takes_all_its_rows_whole_or_of_one_sensor(
    ticks: list[list[int]], long: bool, cuts: list[int]
) -> None:
    """The mean is of all rows, the last value is of the last row, and no row is late."""
    rows = [(INTERVAL * nth + at, 100.0 * nth + at) for nth, own in enumerate(ticks) for at in sorted(own)]
    one_each = [tuple(value if f == s else NAN for f in range(SENSORS)) for _, value in rows for s in range(SENSORS)]
    whole = [(value,) * SENSORS for _, value in rows]
    stream = [(0, at, values) for (at, _), values in zip(rows, whole, strict=True)]
    if long:
        times = [at for at, _ in rows for _ in range(SENSORS)]
        stream = [(0, at, values) for at, values in zip(times, one_each, strict=True)]
    stream.append((0, INTERVAL * len(ticks), WHOLE))
    for resample in ("mean", "last"):
        seen = by_clock(on_ticks(resample, complete=False), stream, cuts, restart=True)
        assert set(seen.dispositions) == {"used"}
        values = [[value for at, value in rows if at // INTERVAL == nth] for nth in range(len(ticks))]
        expected = [np.mean(own) if resample == "mean" else own[-1] for own in values]
        assert [np.frombuffer(frame[3]).tolist() for frame in seen.frames[0]] == [[one] * SENSORS for one in expected]


@pytest.mark.parametrize(("resample", "dispositions", "value"), [("last", "uldudl", 8.0), ("mean", "uududu", 21 / 4)])
def test_within_a_tick_the_newest_time_of_each_sensor_decides(resample: str, dispositions: str, value: float) -> None:
    stream = [(0, at, (float(at), NAN, NAN)) for at in (5, 3, 5, 8, 8, 5)] + [(0, 10, WHOLE)]
    for cuts in (range(0), range(len(stream))):
        seen = by_clock(on_ticks(resample), stream, cuts, restart=True)
        assert "".join(disposition[0] for disposition in seen.dispositions) == dispositions + "u"
        assert seen.frames[0][0] == (6, 0, 0, np.array([value, NAN, NAN]).tobytes())


def test_the_best_value_of_a_reading_decides_its_disposition() -> None:
    stream = [(0, 5, (1.0, NAN, NAN)), (0, 4, PART), (0, 5, PART), (0, 6, (NAN, 2.0, NAN)), (0, 5, PART)]
    dispositions = by_clock(on_ticks(), stream).dispositions
    assert dispositions == ["used", "used", "used", "used", "late"]


def test_a_sum_too_large_for_a_number_is_infinite_without_a_warning() -> None:
    stream = [(0, at, (1.7e308, NAN, NAN)) for at in range(3)] + [(0, 10, WHOLE)]
    (mean, *_) = by_clock(on_ticks("mean"), stream).frames[0]
    assert mean[3] == np.array([np.inf, NAN, NAN]).tobytes()


@given(
    rows=st.lists(st.tuples(st.integers(0, 2), st.integers(-9, 9)), max_size=60),
    already=st.lists(st.sampled_from([NEVER, -3, 5]), min_size=3, max_size=3),
)
def test_the_newest_time_before_a_row_is_that_of_its_run(rows: list[tuple[int, int]], already: list[int]) -> None:
    rows.sort(key=lambda row: row[0])
    runs = Segments(np.array([series for series, _ in rows], np.int32))
    of_runs = np.array(already, np.int64)[runs.series]
    newest, expected = list(already), []
    for series, time in rows:
        expected.append(newest[series])
        newest[series] = max(newest[series], time)
    assert newest_before(np.array([time for _, time in rows], np.int64), runs, of_runs).tolist() == expected


def test_a_mean_is_a_sum_from_left_to_right_wherever_batches_are_cut() -> None:
    """The sum of these numbers depends on the order of adding in almost every digit."""
    draw = np.random.default_rng(0)
    numbers = (draw.normal(size=500) * 10.0 ** draw.integers(-9, 9, 500)).tolist()
    stream = [(0, at * 1000, (number, NAN, NAN)) for at, number in enumerate(numbers)] + [(0, 10**6, WHOLE)]
    policy = a_policy(interval_ns=10**6, max_gap_ns=10**6, resample="mean")
    total = 0.0
    for number in numbers:
        total += number
    for cuts in (range(0), range(250, 251), range(500)):
        frames = by_clock(policy, stream, cuts).frames[0]
        assert frames[0][3] == np.array([total / 500, NAN, NAN]).tobytes()


def test_times_at_either_end_of_the_calendar_are_on_ticks_like_others() -> None:
    end = np.iinfo(np.int64).max
    stream = [(0, -end, WHOLE), (0, -end + 25, WHOLE), (1, end - 1, PART), (1, end - 2, REST), (2, 7, WHOLE)]
    seen = by_clock(a_policy(interval_ns=INTERVAL, max_gap_ns=INTERVAL, resample="last", grace_ns=50), stream)
    assert set(seen.dispositions) == {"used"}
    assert [time - -end for _, _, time, _ in seen.frames[0]] == [end % 10, 10 + end % 10]
    assert [time for _, _, time, _ in seen.frames[1]] == [end // 10 * 10]


def test_under_less_grace_than_before_a_tick_closes_with_the_next_reading_late_or_not() -> None:
    """This happens after a change of bundles that keeps the frames."""
    patient = tick_clock(on_ticks(grace=100))
    pushed(patient, [(0, 0, WHOLE), (0, 10, PART), (0, 35, PART), (1, 10, PART), (1, 50, PART)])
    hasty = restarted(patient, on_ticks(grace=5))
    dispositions, frames = pushed(hasty, [(1, 52, REST), (0, 1, WHOLE), (0, 36, REST)])
    assert dispositions == ["used", "late", "used"]
    assert [frame[:3] for frame in frames] == [(1, 0, 10), (2, 0, 30), (0, 1, 10), (0, 1, 50)]


def test_a_complete_tick_left_open_by_one_bundle_closes_with_the_next_reading_under_another() -> None:
    waiting = tick_clock(on_ticks(complete=False))
    pushed(waiting, [(0, 0, WHOLE), (1, 0, WHOLE)])
    dispositions, frames = pushed(restarted(waiting, on_ticks()), [(1, 1, REST), (0, 2, PART), (0, 10, PART)])
    assert dispositions == ["used", "used", "used"]
    assert [frame[:3] for frame in frames] == [(1, 0, 0), (0, 1, 0)]


def test_a_series_that_is_forgotten_or_closed_leaves_the_open_ticks_of_others_alone() -> None:
    clock = tick_clock(on_ticks(grace=1000))
    pushed(clock, [(series, 10 * tick, PART) for tick in range(40) for series in range(SERIES)])
    others = [msgspec.msgpack.encode(clock.state(slot)) for slot in (1, 2)]
    clock.clear(0)
    assert clock.state(0) == TickState(NEVER, NEVER, [])
    assert len(clock.close(1).time) == 40
    pushed(clock, [(0, 10 * tick, PART) for tick in range(50)])
    assert len(clock.state(0).open) == 50
    assert (clock.state(1).last_frame, clock.state(1).open) == (390, [])
    assert msgspec.msgpack.encode(clock.state(2)) == others[1]
