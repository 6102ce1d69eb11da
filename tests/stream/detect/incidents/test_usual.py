"""Thresholds that learn: equal to the slow oracle, to the bit in any batches, over a restart; bounded, and told."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.detect.frames.scale import POOLED
from stream.detect.incidents.heights import BINS, EDGES, heights, usual_heights
from stream.detect.incidents.threshold import ThresholdTable
from stream.detect.incidents.usual import UsualLevels
from stream.detect.incidents.usual_events import Judged
from stream.detect.policy import Learning
from stream.detect.slots import Segments
from stream.intake.columns import Float64s, Int32s
from tests.oracles.naive_usual import NaiveUsual

LEARNING = Learning(share=0.02, block=7, horizon=700, bound=2.0, moved_least=35, moved_after=60)
SERIES = ("a", "b", "c")


def table(levels: int = 300, q: float = 1.5) -> ThresholdTable:
    """Series whose levels are around 1 in training; scales differ."""
    draw = np.random.default_rng(1)
    drawn = [draw.lognormal(0, 0.2, levels) for _ in (*SERIES, POOLED)]
    counts = np.stack([np.bincount(heights(of), minlength=BINS) for of in drawn])
    scale = np.array([1.0, 2.0, 0.5, 1.0])
    rows = np.full(4, levels, np.int64)
    return ThresholdTable((*SERIES, POOLED), scale, rows, q, usual=counts.astype(np.float32))


def learner(learning: Learning | None = LEARNING, of: ThresholdTable | None = None) -> UsualLevels:
    usual = UsualLevels(table() if of is None else of, learning)
    usual.resize(len(SERIES))
    for slot, name in enumerate(SERIES):
        usual.set_series(slot, name)
    return usual


def pushed(usual: UsualLevels, slots: Int32s, level: Float64s, time: Float64s) -> Judged:
    """Sorts a batch by series, and gives the result in the order of the batch."""
    order = np.lexsort((time, slots))
    judged = usual.push(level[order], time[order].astype(np.int64), Segments(slots[order].astype(np.int32)))
    back = np.argsort(order)
    return Judged(judged.threshold[back], judged.since[back], judged.factor[back], judged.returned[back])


def stream(seed: int, frames: int = 600) -> tuple[Int32s, Float64s, Float64s]:
    """Levels of three series in turns; some are missing, some high, and one series moves for good."""
    draw = np.random.default_rng(seed)
    slots = draw.integers(0, len(SERIES), frames).astype(np.int32)
    level = draw.lognormal(0, 0.2, frames) * np.where(draw.random(frames) < 0.03, 5.0, 1.0)
    level[(slots == 1) & (np.arange(frames) > frames // 3)] *= draw.choice([1.0, 8.0])
    level[draw.random(frames) < 0.05] = np.nan
    return slots, level, 1e9 * np.arange(1.0, frames + 1.0)


@given(seed=st.integers(0, 1000))
def test_thresholds_are_those_of_the_oracle(seed: int) -> None:
    slots, level, time = stream(seed)
    judged = pushed(learner(), slots, level, time)
    of = table()
    assert of.usual is not None
    fields = {name: getattr(LEARNING, name) for name in LEARNING.__struct_fields__}
    naive = [
        NaiveUsual(of.of(name), of.q, of.usual[s].tolist(), EDGES.tolist(), **fields) for s, name in enumerate(SERIES)
    ]
    expected = [naive[s].push(x, int(t)) for s, x, t in zip(slots.tolist(), level.tolist(), time.tolist(), strict=True)]
    np.testing.assert_allclose(judged.threshold, [threshold for threshold, _ in expected], rtol=1e-4)
    assert judged.since.tolist() == [since for _, since in expected]


@given(seed=st.integers(0, 1000), cuts=st.lists(st.integers(0, 600), max_size=8))
def test_batches_and_restarts_do_not_change_a_bit(seed: int, cuts: list[int]) -> None:
    slots, level, time = stream(seed)
    at_once = learner()
    whole = pushed(at_once, slots, level, time)
    usual, parts = learner(), []
    for first, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(level)], strict=True):
        parts.append(pushed(usual, slots[first:end], level[first:end], time[first:end]))
        states = [usual.snapshot(slot) for slot in range(len(SERIES))]
        usual = learner()
        for slot, state in enumerate(states):
            usual.restore(slot, state)
    assert np.concatenate([part.threshold for part in parts]).tobytes() == whole.threshold.tobytes()
    assert np.concatenate([part.since for part in parts]).tobytes() == whole.since.tobytes()
    assert np.concatenate([part.factor for part in parts]).tobytes() == whole.factor.tobytes()
    assert np.concatenate([part.returned for part in parts]).tobytes() == whole.returned.tobytes()
    assert [usual.snapshot(slot) for slot in range(3)] == [at_once.snapshot(slot) for slot in range(3)]


def constant(value: float, frames: int) -> tuple[Int32s, Float64s, Float64s]:
    return np.zeros(frames, np.int32), np.full(frames, value), 1e9 * np.arange(1.0, frames + 1.0)


def test_a_short_excursion_teaches_nothing() -> None:
    usual = learner()
    before = pushed(usual, *constant(1.0, 7)).threshold[-1]
    pushed(usual, *constant(50.0, 28))  # four blocks, the fifth would be the new usual
    after = pushed(usual, *constant(1.0, 8)).threshold[-1]
    assert after == pytest.approx(before, rel=0.05)


def test_a_level_that_stays_is_the_new_usual_one_told_once_and_then_quiet() -> None:
    usual = learner()
    judged = pushed(usual, *constant(50.0, 700))
    moved = np.flatnonzero(judged.moved)
    # Patience: a quarter of 300 levels, at most 60 frames; in whole blocks.
    assert moved.tolist() == [62]
    assert judged.since[62] == 1_000_000_000
    assert judged.factor[62] == pytest.approx(50.0, rel=1e-6)
    assert (judged.threshold[63:] > 50.0).all()


def test_a_machine_that_comes_back_to_its_old_usual_level_is_watched_as_before() -> None:
    usual = learner()
    pushed(usual, *constant(50.0, 63))
    assert usual.factor(0) == pytest.approx(50.0, rel=1e-6)
    pushed(usual, *constant(1.0, 700))
    assert usual.factor(0) < 2.0


def test_high_levels_now_and_then_are_no_new_usual_level_and_a_spike_is_none_of_its_height() -> None:
    usual = learner()
    slots, level, time = constant(1.0, 7_000)
    level[::7] = 50.0  # one in each block
    assert not pushed(usual, slots, level, time).moved.any()
    assert usual.factor(0) < LEARNING.bound
    slots, level, time = constant(5.0, 70)
    level[30] = 30_000.0
    assert pushed(usual, slots, level, time).moved.sum() == 1
    assert usual.factor(0) < 10


def test_without_a_word_a_threshold_rises_and_falls_by_the_bound_at_most() -> None:
    rising, falling = learner(), learner()
    level = 1.0
    for _ in range(200):  # always just below the threshold
        level = 0.99 * pushed(rising, *constant(level, 7)).threshold[-1]
    pushed(falling, *constant(0.01, 3000))
    assert rising.factor(0) == LEARNING.bound
    assert falling.factor(0) == 1 / LEARNING.bound


def test_an_attacker_with_a_tenth_of_the_time_moves_a_threshold_by_less_than_a_fifth() -> None:
    draw = np.random.default_rng(3)
    learning = Learning(share=0.0035, block=35, horizon=2_880, bound=2.0, moved_least=175, moved_after=720)
    normal = draw.lognormal(0, 0.2, 5_000)
    counts = np.tile(np.bincount(heights(normal), minlength=BINS).astype(np.float32), (4, 1))
    of = ThresholdTable(
        (*SERIES, POOLED), np.full(4, float(np.quantile(normal, 0.99))), np.full(4, 5_000), 1.5, usual=counts
    )
    attacked, plain = learner(learning, of), learner(learning, of)
    month, step = 43_200, 350
    for start in range(0, month, step):
        _, level, time = constant(1.0, step)
        level, time = draw.lognormal(0, 0.2, step), time + start * 1e9
        pushed(plain, np.zeros(step, np.int32), level, time)
        level[: step // 10] = 0.999 * of.of("a") * attacked.factor(0)
        pushed(attacked, np.zeros(step, np.int32), level, time)
    assert attacked.factor(0) / plain.factor(0) < 1.2


def test_whoever_has_all_of_the_time_is_told_of_and_stays_within_a_stated_distance() -> None:
    usual, told = learner(), 0
    for start in range(0, 100_000, 7):
        level = np.full(7, 1.5 * table().of("a") * usual.factor(0))
        told += int(pushed(usual, np.zeros(7, np.int32), level, 1e9 * np.arange(start, start + 7.0)).moved.sum())
    assert told > 50
    assert 1e6 <= usual.factor(0) < 1e7


def test_what_other_thresholds_have_learned_is_not_restored() -> None:
    usual = learner()
    pushed(usual, *constant(50.0, 63))
    other = learner(of=table(q=2.0))
    other.restore(0, usual.snapshot(0))
    assert other.factor(0) == 1.0
    fixed = learner(None)
    fixed.restore(0, usual.snapshot(0))
    assert (fixed.snapshot(0), fixed.factor(0), usual.key != other.key) == (b"", 1.0, True)


def test_state_is_small_and_without_learning_thresholds_stay() -> None:
    assert len(learner().snapshot(0)) <= 200
    fixed = learner(None)
    assert set(pushed(fixed, *constant(50.0, 700)).threshold.tolist()) == {table().of("a")}


def test_of_few_levels_a_larger_share_lies_above_the_usual_level() -> None:
    draw = np.random.default_rng(2)
    levels = draw.lognormal(0, 0.2, 100_000)
    counts = np.bincount(heights(levels), minlength=BINS).astype(np.float32)
    many, few = usual_heights(np.stack([counts, counts / 1000]), LEARNING)
    assert many == pytest.approx(np.quantile(levels, 0.98), rel=0.1)
    assert few == pytest.approx(np.quantile(levels, 0.95), rel=0.1)
