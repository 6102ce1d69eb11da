"""Readings on ticks: by the product's clock in batches, and by the slow detector one at a time."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from hypothesis import strategies as st

from stream.detect.frames.clock import TickState
from stream.detect.frames.ticks import TickClock
from stream.detect.policy import FramePolicy
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
    """A policy with ticks of `INTERVAL`."""
    plain = a_policy(interval_ns=INTERVAL, max_gap_ns=INTERVAL, grace_ns=grace, close_complete=complete)
    return msgspec.structs.replace(plain, resample=resample)


def tick_clock(policy: FramePolicy) -> TickClock:
    """A clock of `SERIES` series."""
    clock = TickClock(policy, SENSORS)
    clock.resize(SERIES)
    return clock


class Twin(NaiveDetector):
    """The slow detector up to its frames: it keeps them and does not score them."""

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
        """Dispositions of readings."""
        dispositions = []
        for series, time, values in readings:
            dispositions.append(self.push(str(series), time, values))
            self.row += 1
        return dispositions


@dataclass
class TickResult:
    """The result of readings: their dispositions, and the frames of each series in order."""

    dispositions: list[str]
    frames: dict[int, list[Frame]]

    @staticmethod
    def of(dispositions: list[str], frames: Sequence[Frame]) -> "TickResult":
        return TickResult(dispositions, {series: [f for f in frames if f[1] == series] for series in range(SERIES)})


def pushed(clock: TickClock, readings: Sequence[Reading], first: int = 0) -> tuple[list[str], list[Frame]]:
    """Dispositions and frames of a batch whose first reading is the one of number `first`."""
    slots = np.array([series for series, _, _ in readings], np.int32)
    time = np.array([time for _, time, _ in readings], np.int64)
    values = np.array([values for _, _, values in readings], np.float64).reshape(-1, SENSORS)
    frames, disposition = clock.push(slots, time, values)
    assert (np.diff(frames.series) >= 0).all()
    rows = zip(frames.row.tolist(), frames.series.tolist(), frames.time.tolist(), frames.values, strict=True)
    return [Disposition(disposition).name.lower() for disposition in disposition], [
        (first + r, s, t, v.tobytes()) for r, s, t, v in rows
    ]


def by_clock(
    policy: FramePolicy, readings: Sequence[Reading], cuts: Sequence[int] = (), restart: bool = False
) -> TickResult:
    """The result of `TickClock` for readings in batches; `restart`: restore it from snapshots before each batch."""
    clock = tick_clock(policy)
    dispositions: list[str] = []
    frames: list[Frame] = []
    edges = sorted({0, len(readings), *(cut % (len(readings) + 1) for cut in cuts)})
    for start, end in itertools.pairwise(edges):
        if restart:
            clock = restarted(clock, policy)
        batch = pushed(clock, readings[start:end], start)
        dispositions, frames = dispositions + batch[0], frames + batch[1]
    return TickResult.of(dispositions, frames)


def by_twin(policy: FramePolicy, readings: Sequence[Reading]) -> TickResult:
    """The result of the slow detector."""
    twin = Twin(policy)
    return TickResult.of(twin.take(readings), twin.closed)


def restarted(clock: TickClock, policy: FramePolicy) -> TickClock:
    """Another clock, restored from the bytes of snapshots."""
    other = tick_clock(policy)
    for slot in range(SERIES):
        packed = msgspec.msgpack.encode(clock.state(slot))
        other.restore(slot, msgspec.msgpack.decode(packed, type=TickState))
        assert msgspec.msgpack.encode(other.state(slot)) == packed
    return other


@st.composite
def streams(draw: st.DrawFn) -> list[Reading]:
    """Readings of which each series' time goes on, and that lag behind it by more or less; some have no value."""
    lag = draw(st.sampled_from([0, 3, 15, 60]))
    present = st.sampled_from([0b111, 0b111, 0b001, 0b010, 0b100, 0b110, 0b000])
    steps = st.tuples(
        st.integers(0, SERIES - 1), st.sampled_from([0, 1, 1, 4, 4, 11, 45]), st.integers(0, lag), present
    )
    moves = draw(st.lists(steps, max_size=60))
    chance = np.random.default_rng(draw(st.integers(0, 99)))
    numbers = chance.normal(size=(len(moves), SENSORS)) * 10.0 ** chance.integers(-9, 9, (len(moves), SENSORS))
    for extreme in (-0.0, 1.7e308):
        numbers[chance.random(numbers.shape) < 0.02] = extreme
    clock = [0, -55, 10**18]
    readings = []
    for (series, step, behind, mask), row in zip(moves, numbers.tolist(), strict=True):
        clock[series] += step
        missing = NAN if behind % 2 else float("inf")
        values = tuple(value if mask >> f & 1 else missing for f, value in enumerate(row))
        readings.append((series, clock[series] - behind, values))
    return readings
