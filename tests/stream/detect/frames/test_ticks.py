"""Ticks of all series of a batch at once, against the slow twin that takes one reading at a time: equal to the bit."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.detect.frames.clock import NEVER, TickState, newest_before
from stream.detect.frames.ticks import TickClock
from stream.detect.policy import FramePolicy
from stream.detect.slots import Segments
from stream.intake.columns import Disposition
from tests.oracles.naive_detector import NaiveDetector
from tests.oracles.naive_records import NAN, NaivePolicy
from tests.support.builders import a_policy

SENSORS, SERIES, INTERVAL = 3, 3, 10
# Series, event time, a value per sensor.
Reading = tuple[int, int, tuple[float, ...]]
# Row, series, time, the bits of the values.
Frame = tuple[int, int, int, bytes]


def on_ticks(resample: str = "last", grace: int = 0, complete: bool = True) -> FramePolicy:
    plain = a_policy(interval_ns=INTERVAL, max_gap_ns=INTERVAL, grace_ns=grace, close_complete=complete)
    return msgspec.structs.replace(plain, resample=resample)


def ticked(policy: FramePolicy) -> TickClock:
    made = TickClock(policy, SENSORS)
    made.resize(SERIES)
    return made


class Twin(NaiveDetector):
    """The twin up to its frames: they are kept, not judged."""

    def __init__(self, policy: FramePolicy) -> None:
        plain = NaivePolicy(
            SENSORS, 1, 1, INTERVAL, 0, policy.resample, policy.grace_ns, close_complete=policy.close_complete
        )
        super().__init__("", plain, lambda rows, masks: 0.0, lambda name: ([], []), lambda name: 1.0)
        self.row = 0
        self.closed: list[Frame] = []

    def _frame(self, series: str, state: object, time: int, values: list[float]) -> None:
        self.series[series].last = time
        self.closed.append((self.row, int(series), time, np.array(values).tobytes()))

    def take(self, readings: Sequence[Reading]) -> list[str]:
        """Dispositions."""
        fates = []
        for series, time, values in readings:
            fates.append(self.push(str(series), time, values))
            self.row += 1
        return fates


@dataclass
class Told:
    """What came of readings: dispositions, and frames per series in the order in which they came."""

    fates: list[str]
    frames: dict[int, list[Frame]]

    @staticmethod
    def of(fates: list[str], frames: Sequence[Frame]) -> "Told":
        return Told(fates, {series: [f for f in frames if f[1] == series] for series in range(SERIES)})


def pushed(clock: TickClock, readings: Sequence[Reading], first: int = 0) -> tuple[list[str], list[Frame]]:
    """Dispositions and frames of a batch whose first reading is the one of number `first`."""
    slots = np.array([series for series, _, _ in readings], np.int32)
    time = np.array([time for _, time, _ in readings], np.int64)
    values = np.array([values for _, _, values in readings], np.float64).reshape(-1, SENSORS)
    frames, disposition = clock.push(slots, time, values)
    assert (np.diff(frames.series) >= 0).all()
    rows = zip(frames.row.tolist(), frames.series.tolist(), frames.time.tolist(), frames.values, strict=True)
    return [Disposition(fate).name.lower() for fate in disposition], [
        (first + r, s, t, v.tobytes()) for r, s, t, v in rows
    ]


def told(policy: FramePolicy, readings: Sequence[Reading], cuts: Sequence[int] = (), restart: bool = False) -> Told:
    """What ticks tell of readings that come in batches; `restart`: restored from snapshots before each."""
    clock = ticked(policy)
    fates: list[str] = []
    frames: list[Frame] = []
    edges = sorted({0, len(readings), *(cut % (len(readings) + 1) for cut in cuts)})
    for start, end in itertools.pairwise(edges):
        if restart:
            clock = restarted(clock, policy)
        told_of = pushed(clock, readings[start:end], start)
        fates, frames = fates + told_of[0], frames + told_of[1]
    return Told.of(fates, frames)


def twins(policy: FramePolicy, readings: Sequence[Reading]) -> Told:
    twin = Twin(policy)
    return Told.of(twin.take(readings), twin.closed)


def restarted(clock: TickClock, policy: FramePolicy) -> TickClock:
    """Another one, from the bytes of snapshots."""
    other = ticked(policy)
    for slot in range(SERIES):
        packed = msgspec.msgpack.encode(clock.state(slot))
        other.restore(slot, msgspec.msgpack.decode(packed, type=TickState))
        assert msgspec.msgpack.encode(other.state(slot)) == packed
    return other


@st.composite
def streams(draw: st.DrawFn) -> list[Reading]:
    """Time goes on in each series, and readings lag behind it by more or less; some have few values or none."""
    lag = draw(st.sampled_from([0, 3, 15, 60]))
    there = st.sampled_from([0b111, 0b111, 0b001, 0b010, 0b100, 0b110, 0b000])
    steps = st.tuples(st.integers(0, SERIES - 1), st.sampled_from([0, 1, 1, 4, 4, 11, 45]), st.integers(0, lag), there)
    made = draw(st.lists(steps, max_size=60))
    chance = np.random.default_rng(draw(st.integers(0, 99)))
    numbers = chance.normal(size=(len(made), SENSORS)) * 10.0 ** chance.integers(-9, 9, (len(made), SENSORS))
    for odd in (-0.0, 1.7e308):
        numbers[chance.random(numbers.shape) < 0.02] = odd
    clock = [0, -55, 10**18]
    readings = []
    for (series, step, behind, mask), row in zip(made, numbers.tolist(), strict=True):
        clock[series] += step
        missing = NAN if behind % 2 else float("inf")
        values = tuple(value if mask >> f & 1 else missing for f, value in enumerate(row))
        readings.append((series, clock[series] - behind, values))
    return readings


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
    expected = twins(policy, readings)
    assert told(policy, readings) == expected
    assert told(policy, readings, cuts, restart) == expected


@given(
    readings=streams(), resample=st.sampled_from(["last", "mean"]), grace=st.sampled_from([0, 25]),
    complete=st.booleans(), at=st.integers(0),
)  # fmt: skip
def test_snapshots_and_what_silence_closes_do_not_depend_on_batches(
    readings: list[Reading], resample: str, grace: int, complete: bool, at: int
) -> None:
    policy = on_ticks(resample, grace, complete)
    one, two, twin = ticked(policy), ticked(policy), Twin(policy)
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
    grace, readings, fates, closed = ONE_AFTER_THE_OTHER[case]
    stream = [(0, time, values) for time, values in readings]
    for cuts in (range(0), range(len(stream))):
        seen = told(on_ticks(grace=grace), stream, cuts)
        assert "".join(fate[0] for fate in seen.fates) == fates
        assert [(row, time) for row, _, time, _ in seen.frames[0]] == closed


@given(
    ticks=st.lists(st.lists(st.integers(0, INTERVAL - 1), min_size=1, unique=True), min_size=1, max_size=6),
    long=st.booleans(), cuts=st.lists(st.integers(0, 10_000), max_size=4),
)  # fmt: skip
def test_a_tick_that_waits_for_its_end_is_of_all_its_rows_whole_ones_or_of_one_sensor_each(
    ticks: list[list[int]], long: bool, cuts: list[int]
) -> None:
    """However many there are: the mean is theirs, the last is the last of them, and none is late."""
    rows = [(INTERVAL * nth + at, 100.0 * nth + at) for nth, own in enumerate(ticks) for at in sorted(own)]
    one_each = [tuple(value if f == s else NAN for f in range(SENSORS)) for _, value in rows for s in range(SENSORS)]
    whole = [(value,) * SENSORS for _, value in rows]
    stream = [(0, at, values) for (at, _), values in zip(rows, whole, strict=True)]
    if long:
        times = [at for at, _ in rows for _ in range(SENSORS)]
        stream = [(0, at, values) for at, values in zip(times, one_each, strict=True)]
    stream.append((0, INTERVAL * len(ticks), WHOLE))
    for resample in ("mean", "last"):
        seen = told(on_ticks(resample, complete=False), stream, cuts, restart=True)
        assert set(seen.fates) == {"used"}
        values = [[value for at, value in rows if at // INTERVAL == nth] for nth in range(len(ticks))]
        expected = [np.mean(own) if resample == "mean" else own[-1] for own in values]
        assert [np.frombuffer(frame[3]).tolist() for frame in seen.frames[0]] == [[one] * SENSORS for one in expected]


@pytest.mark.parametrize(("resample", "fates", "value"), [("last", "uldudl", 8.0), ("mean", "uududu", 21 / 4)])
def test_within_a_tick_the_newest_time_of_each_sensor_decides(resample: str, fates: str, value: float) -> None:
    stream = [(0, at, (float(at), NAN, NAN)) for at in (5, 3, 5, 8, 8, 5)] + [(0, 10, WHOLE)]
    for cuts in (range(0), range(len(stream))):
        seen = told(on_ticks(resample), stream, cuts, restart=True)
        assert "".join(fate[0] for fate in seen.fates) == fates + "u"
        assert seen.frames[0][0] == (6, 0, 0, np.array([value, NAN, NAN]).tobytes())


def test_a_reading_is_as_fresh_as_its_freshest_value() -> None:
    stream = [(0, 5, (1.0, NAN, NAN)), (0, 4, PART), (0, 5, PART), (0, 6, (NAN, 2.0, NAN)), (0, 5, PART)]
    fates = told(on_ticks(), stream).fates
    assert fates == ["used", "used", "used", "used", "late"]


def test_a_sum_too_large_for_a_number_is_infinite_and_says_nothing() -> None:
    stream = [(0, at, (1.7e308, NAN, NAN)) for at in range(3)] + [(0, 10, WHOLE)]
    (mean, *_) = told(on_ticks("mean"), stream).frames[0]
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
    """Of numbers whose sum depends on the order of adding in almost every digit."""
    draw = np.random.default_rng(0)
    numbers = (draw.normal(size=500) * 10.0 ** draw.integers(-9, 9, 500)).tolist()
    stream = [(0, at * 1000, (number, NAN, NAN)) for at, number in enumerate(numbers)] + [(0, 10**6, WHOLE)]
    policy = a_policy(interval_ns=10**6, max_gap_ns=10**6, resample="mean")
    total = 0.0
    for number in numbers:
        total += number
    for cuts in (range(0), range(250, 251), range(500)):
        frames = told(policy, stream, cuts).frames[0]
        assert frames[0][3] == np.array([total / 500, NAN, NAN]).tobytes()


def test_times_at_either_end_of_the_calendar_are_on_ticks_like_others() -> None:
    end = np.iinfo(np.int64).max
    stream = [(0, -end, WHOLE), (0, -end + 25, WHOLE), (1, end - 1, PART), (1, end - 2, REST), (2, 7, WHOLE)]
    seen = told(a_policy(interval_ns=INTERVAL, max_gap_ns=INTERVAL, resample="last", grace_ns=50), stream)
    assert set(seen.fates) == {"used"}
    assert [time - -end for _, _, time, _ in seen.frames[0]] == [end % 10, 10 + end % 10]
    assert [time for _, _, time, _ in seen.frames[1]] == [end // 10 * 10]


def test_under_less_grace_than_before_a_tick_closes_with_the_next_reading_late_or_not() -> None:
    """As after a change of bundles that keeps the frames."""
    patient = ticked(on_ticks(grace=100))
    pushed(patient, [(0, 0, WHOLE), (0, 10, PART), (0, 35, PART), (1, 10, PART), (1, 50, PART)])
    hasty = restarted(patient, on_ticks(grace=5))
    fates, frames = pushed(hasty, [(1, 52, REST), (0, 1, WHOLE), (0, 36, REST)])
    assert fates == ["used", "late", "used"]
    assert [frame[:3] for frame in frames] == [(1, 0, 10), (2, 0, 30), (0, 1, 10), (0, 1, 50)]


def test_a_tick_that_a_bundle_kept_open_though_complete_closes_with_the_next_reading_under_one_that_does_not() -> None:
    waiting = ticked(on_ticks(complete=False))
    pushed(waiting, [(0, 0, WHOLE), (1, 0, WHOLE)])
    fates, frames = pushed(restarted(waiting, on_ticks()), [(1, 1, REST), (0, 2, PART), (0, 10, PART)])
    assert fates == ["used", "used", "used"]
    assert [frame[:3] for frame in frames] == [(1, 0, 0), (0, 1, 0)]


def test_a_series_that_is_forgotten_or_closed_leaves_the_open_ticks_of_others_alone() -> None:
    clock = ticked(on_ticks(grace=1000))
    pushed(clock, [(series, 10 * tick, PART) for tick in range(40) for series in range(SERIES)])
    others = [msgspec.msgpack.encode(clock.state(slot)) for slot in (1, 2)]
    clock.clear(0)
    assert clock.state(0) == TickState(NEVER, NEVER, [])
    assert len(clock.close(1).time) == 40
    pushed(clock, [(0, 10 * tick, PART) for tick in range(50)])
    assert len(clock.state(0).open) == 50
    assert (clock.state(1).last_frame, clock.state(1).open) == (390, [])
    assert msgspec.msgpack.encode(clock.state(2)) == others[1]
