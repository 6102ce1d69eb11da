"""Synthetic anomalies have the kind, the place and the size that they are asked to have."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream.errors import ShapeError
from tests.oracles.naive_anomalies import naive_anomaly
from training.data.synthetic import KINDS, SIZES, AnomalousSegments, Kind, inject


def segments_of(count: int = 12, frames: int = 20, sensors: int = 3, seed: int = 0) -> NDArray[np.float32]:
    """Smooth sensors of different phases, with noise."""
    draw = np.random.default_rng(seed)
    phase = draw.uniform(0, 6, (count, 1, sensors))
    values = np.sin(np.arange(frames)[:, None] / 3 + phase) + 0.1 * draw.standard_normal((count, frames, sensors))
    return values.astype(np.float32)


def in_frames(kind: Kind) -> bool:
    return kind in ("freeze", "phase_shift")


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(KINDS), step=st.integers(0, 3), seed=st.integers(0, 99), count=st.integers(1, 6),
    frames=st.integers(1, 20), sensors=st.integers(1, 5), late=st.booleans(),
)  # fmt: skip
def test_each_segment_is_what_an_obvious_version_makes_of_it(
    kind: Kind, step: int, seed: int, count: int, frames: int, sensors: int, late: bool
) -> None:
    """One sensor (a swap: two) changes as defined, value by value. The same seed gives the same segments."""
    segments, size = segments_of(count, frames, sensors, seed), SIZES[kind][step]
    begin = frames - 1 if late else None
    made = inject(segments, kind, size, seed, begin=begin, clip=2.5)
    again = inject(segments, kind, size, seed, begin=begin, clip=2.5)
    assert (made.why_none is None) == (len(made.rows) > 0)
    assert (again.segments == made.segments).all()
    assert (made.rows == np.unique(made.rows)).all()
    first = begin if begin is not None else frames - 1 if kind == "spike" else frames // 2
    for segment, row, touched in zip(made.segments, made.rows.tolist(), made.touched, strict=True):
        assert touched.sum() == (2 if kind == "swap" else 1)
        assert (segment[:, ~touched] == segments[row][:, ~touched]).all()
        others = [other for at, other in enumerate(segments.tolist()) if at != row]
        assert naive_anomaly(
            kind, size, first, 2.5, segments[row].tolist(), segment.tolist(), np.flatnonzero(touched).tolist(), others
        )


def deviation(made: AnomalousSegments, segments: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sum of squares by segment."""
    squares: NDArray[np.float64] = (made.segments.astype(np.float64) - segments[made.rows]) ** 2
    return np.asarray(squares.sum(axis=(1, 2)))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not in_frames(kind)])
def test_a_larger_size_is_a_larger_deviation_in_the_same_place(kind: Kind) -> None:
    segments = segments_of(200)
    made = [inject(segments, kind, size, 7) for size in SIZES[kind]]
    for smaller, larger in pairwise(made):
        assert (smaller.touched == larger.touched).all()
        sums = deviation(smaller, segments).sum(), deviation(larger, segments).sum()
        assert sums[0] < sums[1]
        if kind != "broken_correlation":
            assert (deviation(smaller, segments) < deviation(larger, segments)).all()


def test_seeds_draw_other_sensors_and_all_of_them() -> None:
    segments = segments_of(60)
    one, two = (inject(segments, "level_shift", 2.0, seed) for seed in (0, 1))
    assert one.touched.any(axis=0).all()
    assert (one.touched != two.touched).any()
    up = (one.segments - segments)[one.touched[:, None].repeat(20, 1)]
    assert (up > 1).any()
    assert (up < -1).any()


def test_a_broken_correlation_keeps_the_spread_of_its_sensor() -> None:
    """So no single value reveals it."""
    segments = segments_of(2000)
    for size in SIZES["broken_correlation"]:
        made = inject(segments, "broken_correlation", size, 3, begin=0)
        for sensor in range(3):
            rows = made.touched[:, sensor]
            assert made.segments[rows, :, sensor].std() == pytest.approx(segments[..., sensor].std(), rel=0.05)


def test_only_sensors_that_may_be_drawn_are_and_one_that_stands_still_never_is() -> None:
    segments = segments_of(40, sensors=5)
    segments[:, :, 1] = 0.5
    allowed = np.ones((40, 5), np.bool_)
    allowed[:, 3] = allowed[:7] = False
    for kind in KINDS:
        made = inject(segments, kind, SIZES[kind][1], 0, allowed=allowed)
        assert made.rows.tolist() == list(range(7, 40))
        assert not made.touched[:, [1, 3]].any()


@pytest.mark.parametrize(
    ("kind", "shape", "why"),
    [
        ("swap", (5, 9, 1), "one sensor, and no other to swap it with"),
        ("broken_correlation", (1, 9, 2), "one segment, and no other to take values from"),
        ("freeze", (5, 2, 2), "2 frames need one more before them, and 2 are all there are"),
        ("phase_shift", (5, 1, 2), "2 frames need one more before them, and 1 are all there are"),
        ("spike", (0, 9, 2), "no segments"),
    ],
)
def test_a_kind_that_the_segments_cannot_have_is_left_out_with_the_reason(
    kind: Kind, shape: tuple[int, int, int], why: str
) -> None:
    made = inject(segments_of(*shape), kind, 2.0 if in_frames(kind) else 1.0, 0)
    assert made.why_none == why
    assert made.segments.shape == (0, *shape[1:])
    assert made.touched.shape == (0, shape[2])


def test_what_stands_still_cannot_freeze() -> None:
    made = inject(np.ones((5, 9, 2), np.float32), "freeze", 2.0, 0)
    assert made.why_none == "it changes no sensor that may be drawn in 5 segments of 9 frames"


def test_what_cannot_be_is_refused() -> None:
    segments = segments_of()
    with pytest.raises(ShapeError, match=r"size of swap: seen 1\.5, expected a share, at most 1, above 0"):
        inject(segments, "swap", 1.5, 0)
    with pytest.raises(ShapeError, match=r"size of freeze: seen 2\.5, expected whole frames, above 0"):
        inject(segments, "freeze", 2.5, 0)
    with pytest.raises(ShapeError, match="size of spike: seen 0, expected a number of deviations, above 0"):
        inject(segments, "spike", 0.0, 0)
    with pytest.raises(ShapeError, match="begin: seen 20, expected a frame of 20, from 0 on"):
        inject(segments, "spike", 1.0, 0, begin=20)
    with pytest.raises(ShapeError, match=r"segments: seen float32 \(20, 3\), expected float32 \(N, L, F\)"):
        inject(segments[0], "spike", 1.0, 0)
    with pytest.raises(ShapeError, match=r"allowed: seen bool \(12, 2\), expected bool \(N, F\) of \(12, 20, 3\)"):
        inject(segments, "spike", 1.0, 0, allowed=np.ones((12, 2), np.bool_))
