"""History as frames: labels on the right frames, time that a frame stands for, and parts that share nothing."""

import dataclasses
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.detect.frames.frames import Fitness
from stream.detect.policy import Maintenance
from stream.intake.columns import Readings
from stream.intake.sampling import Sampling
from stream.intake.tables.reader import Batch
from stream.settings.data import FrameSettings
from stream.settings.detection import RuleSettings
from tests.support.builders import a_policy
from tests.support.options import changed
from training.data.framing import FramedHistory, frame
from training.data.split import Part, Shares, split
from training.defaults import choose_policy

SECOND = 1_000_000_000


def batch(time_s: list[float], values: list[float], labels: list[int] | None = None, series: str = "a") -> Batch:
    """Readings of one sensor of one series."""
    n = len(time_s)
    readings = Readings(
        (series,), np.zeros(n, np.int32), (np.array(time_s) * SECOND).astype(np.int64),
        np.array(values, np.float64)[:, None], np.arange(n, dtype=np.int64),
    )  # fmt: skip
    return Batch(readings, None if labels is None else np.array(labels, np.bool_))


RULES = RuleSettings()
TICKS = a_policy(interval_ns=10 * SECOND, max_gap_ns=60 * SECOND, resample="mean", max_carry=2, max_missing=0)
# Two sensors, so that a tick in which one is missing is closed by a reading of a later tick.
PAIR = ("s", "t")


def two_sensors(batches: list[Batch]) -> list[Batch]:
    return [
        dataclasses.replace(
            one,
            columns=dataclasses.replace(one.readings, values=np.hstack([one.readings.values, one.readings.values])),
        )
        for one in batches
    ]


def test_a_label_belongs_to_the_tick_its_reading_falls_on_not_to_the_one_it_closes() -> None:
    one = batch([1, 11, 21, 31, 41, 51], [1, 2, 3, 4, 5, 6], [0, 0, 1, 0, 0, 0])
    values = np.hstack([one.readings.values, np.full((6, 1), np.nan)])
    holes = dataclasses.replace(one, columns=dataclasses.replace(one.readings, values=values))
    framed = frame([holes], TICKS, PAIR)
    assert (framed.time // SECOND).tolist() == [0, 10, 20, 30, 40]
    assert framed.labelled[:3].tolist() == [False, False, True]


def test_a_reading_that_is_labelled_marks_its_tick_even_if_another_completes_it() -> None:
    framed = frame(two_sensors([batch([0, 1, 10, 11, 20], [1, 9, 1, 1, 1], [1, 0, 0, 0, 0])]), TICKS, PAIR)
    assert framed.labelled.tolist() == [True, False, False]


def test_values_carried_from_a_labelled_frame_are_labelled_for_as_long_as_they_are_carried() -> None:
    """And no longer: with max_carry 2, the third frame is masked."""
    policy = a_policy(interval_ns=SECOND, max_gap_ns=9 * SECOND, max_carry=2)
    nan = float("nan")
    framed = frame([batch(list(range(7)), [1, 5, nan, nan, nan, 1, nan], [0, 1, 0, 0, 0, 0, 0])], policy, ("s",))
    assert framed.labelled.tolist() == [False, True, True, True, False, False, False]


def test_labels_of_one_series_do_not_mark_another_at_the_same_time() -> None:
    policy = a_policy(interval_ns=SECOND, max_gap_ns=9 * SECOND)
    framed = frame(
        [batch([1, 2], [1, 1], [0, 1], "a"), batch([1, 2], [1, 1], [1, 0], "b"), batch([3], [1])], policy, ("s",)
    )
    assert framed.names == ("a", "b")
    assert framed.labelled.tolist() == [False, True, False, True, False]


def test_a_frame_stands_for_the_time_since_the_frame_before_it_on_ticks_for_a_tick() -> None:
    policy = a_policy(interval_ns=SECOND, max_gap_ns=4 * SECOND)
    framed = frame([batch([0, 1, 4, 5, 20, 21], [1] * 6)], policy, ("s",))
    assert (framed.step // SECOND).tolist() == [1, 1, 3, 1, 1, 1], "after a gap the interval is all one can say"
    fast = batch(np.arange(0, 100, 0.5).tolist(), [1.0] * 200)
    assert set((frame(two_sensors([fast]), TICKS, PAIR).step // SECOND).tolist()) == {10}


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), window=st.integers(1, 5), smoothing=st.integers(1, 4))
def test_held_out_levels_share_no_frame_with_what_was_fitted_and_none_with_a_label(
    seed: int, window: int, smoothing: int
) -> None:
    """By brute force: the frames under each level against those under each window, and against labels and gaps."""
    framed = a_history(seed)
    support = window + smoothing - 1
    part = split(framed.series, framed.time, framed.normal, Shares(0.6, 0.2, 0.2), support)
    fitted = [framed.within(part, p, window) for p in (Part.FIT, Part.STOP)]
    taught = {row for ends in fitted for end in np.flatnonzero(ends) for row in range(end - window + 1, end + 1)}
    for p in (Part.CALIBRATE, Part.GATE):
        for end in np.flatnonzero(framed.within(part, p, support)):
            rows = np.arange(end - support + 1, end + 1)
            assert not taught & set(rows.tolist())
            assert framed.normal[rows].all()
            assert len(set(framed.series[rows].tolist())) == 1
            assert not framed.after_gap[rows[1:]].any()
    # Nothing is given away either: away from cuts, gaps and labels every frame is used.
    for p in (Part.CALIBRATE, Part.GATE):
        first = np.flatnonzero(part == p)[0]
        clear = framed.normal[: first + 1][::-1] & ~framed.after_gap[: first + 1][::-1]
        if clear[:support].all():
            assert framed.within(part, p, support)[first], "the first frame after the purge has its full support"


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_every_frame_is_counted_once_in_its_part_or_by_why_it_is_in_none(seed: int) -> None:
    off = Maintenance("a", 40 * SECOND, 70 * SECOND)
    framed = a_history(seed, (off,))
    part = split(framed.series, framed.time, framed.normal, Shares(0.6, 0.2, 0.2), purge=4)
    expected = dict.fromkeys(framed.count_frames(part), 0)
    for row, p in enumerate(part.tolist()):
        if p != Part.NONE:
            reason = Part(p).name.lower()
        elif framed.labelled[row]:
            reason = "labelled"
        elif framed.fitness[row] != Fitness.WHOLE:
            reason = Fitness(framed.fitness[row]).name.lower()
        else:
            reason = "purged"
        expected[reason] += 1
    assert framed.count_frames(part) == expected
    assert sum(expected.values()) == len(framed)
    assert min(expected["labelled"], expected["off"], expected["purged"]) > 0


def a_history(seed: int, maintenance: tuple[Maintenance, ...] = ()) -> FramedHistory:
    draw = np.random.default_rng(seed)
    policy = a_policy(interval_ns=SECOND, max_gap_ns=2 * SECOND, maintenance=maintenance)
    made = []
    for name in ("a", "b"):
        time = np.cumsum(draw.choice([1, 2, 9], 160, p=[0.9, 0.07, 0.03])).tolist()
        values = np.where(draw.random(160) < 0.02, np.nan, draw.normal(size=160)).tolist()
        made.append(batch(time, values, (draw.random(160) < 0.02).tolist(), name))
    return frame(made, policy, ("s",))


def found(seconds: list[float]) -> Sampling:
    """Series that report at these steps, in seconds, with all their sensors."""
    rows = {chr(ord("a") + at): int(step * SECOND) for at, step in enumerate(seconds)}
    usual = sorted(rows.values())[(len(rows) - 1) // 2] if rows else None
    return Sampling(rows, rows, min(rows.values(), default=0), None, usual, usual, max(rows.values(), default=None))


@pytest.mark.parametrize(
    ("layout", "resample", "interval", "complete"),
    [
        ("long", "none", None, True),
        ("long", "last", 10 * SECOND, True),
        ("long", "last", 60 * SECOND, False),
        ("long", "mean", None, False),
        ("wide", "last", None, False),
        ("wide", "mean", 60 * SECOND, False),
    ],
)
def test_ticks_close_with_their_last_sensor_only_where_each_has_one_value_a_tick(
    layout: Literal["wide", "long"], resample: Literal["none", "last", "mean"], interval: int | None, complete: bool
) -> None:
    given = changed(FrameSettings(), interval=interval, resample=resample)
    policy = choose_policy(given, RULES, layout, found([10, 9.99999, 60]), 9)
    assert policy.close_complete == complete


def test_a_policy_takes_from_the_data_what_the_configuration_leaves_open() -> None:
    steps = found([10, 10, 60])
    policy = choose_policy(FrameSettings(), RULES, "wide", steps, 9)
    assert (policy.interval_ns, policy.max_gap_ns, policy.max_missing) == (10 * SECOND, 600 * SECOND, 2)
    given = changed(FrameSettings(), interval=5, max_gap=7, max_missing=0, resample="mean")
    policy = choose_policy(given, RULES, "long", found([]), 9)
    assert (policy.interval_ns, policy.max_gap_ns, policy.max_missing, policy.resample) == (5, 7, 0, "mean")
    assert choose_policy(FrameSettings(max_missing=9), RULES, "wide", steps, 3).max_missing == 2, "one must be there"
