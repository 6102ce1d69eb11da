"""Poisoned recalibration: newer levels repeat normal ones, an attacker has a share of them, thresholds keep bounds."""

from dataclasses import replace

import numpy as np
import pytest

from stream.settings.detection import RecalibrationSettings, ThresholdSettings
from tests.robustness.poisoning import (
    AT_ONCE,
    NOISE,
    RUNS,
    Poisoning,
    adding,
    crowding,
    growing,
    part_time,
    poison,
    repeated_levels,
    thresholds,
)
from tests.support.recalibration import BLOCK, bundle_of, levels_from, levels_of
from training.calibration.levels import Levels
from training.recalibration.evidence import BundleThresholds

BOUNDS = RecalibrationSettings(min_blocks=20, max_step=1.15, max_total=1.25)


@pytest.fixture(scope="module")
def held_out() -> Levels:
    return levels_of(1, 2, 3000)


@pytest.fixture(scope="module")
def bundle(held_out: Levels) -> BundleThresholds:
    return bundle_of(held_out, ThresholdSettings(method="percentile"))


@pytest.fixture(scope="module")
def found(bundle: BundleThresholds, held_out: Levels) -> tuple[Poisoning, ...]:
    return poison(bundle, held_out, BOUNDS, 0)


def test_without_an_attacker_no_threshold_moves(found: tuple[Poisoning, ...]) -> None:
    assert found[0] == Poisoning("nobody attacks", 0.0, (1.0,) * RUNS, 1.0, None)


def test_thresholds_move_within_the_bounds_and_a_refused_run_moves_none(found: tuple[Poisoning, ...]) -> None:
    for one in found:
        moved = [factor for factor in one.factors if factor is not None]
        assert one.threshold == pytest.approx(np.prod(moved))
        assert one.threshold <= BOUNDS.max_total + 1e-9
        assert all(factor <= BOUNDS.max_step + 1e-9 for factor in moved)
        assert (one.reason is None) == (len(moved) == RUNS)
    grown = next(one for one in found if "grow" in one.how and one.share == 1.0)
    assert grown.factors[0] == pytest.approx(BOUNDS.max_step)
    assert grown.factors[-1] is None


def test_newer_levels_repeat_held_out_ones_but_not_to_the_bit_until_there_are_enough(bundle: BundleThresholds) -> None:
    """Series are matched by name. One that the bundle does not know is left out; one without a level has none."""
    long, short = np.linspace(3.0, 4.0, 1000), np.linspace(1.0, 2.0, 150)
    mixed = replace(levels_from([np.full(50, 9.0), short, long]), names=("new", "s1", "s0"))
    newer = repeated_levels(bundle, mixed, BOUNDS, np.random.default_rng(0))
    assert newer.names == ("s0", "s1")
    for s, known in ((0, long), (1, np.tile(short, 3))):
        level = newer.level[newer.series == s]
        np.testing.assert_allclose(level, known, rtol=6 * NOISE)
        assert len(np.unique(level)) == len(level)
    assert len(newer) == 1450 > 20 * BLOCK
    assert (np.diff(newer.time) > 0).all()
    none = repeated_levels(bundle, mixed.rows(mixed.series == 2), BOUNDS, np.random.default_rng(0))
    assert (none.names, len(none)) == (("s0", "s1"), 1000)


def test_an_attacker_has_a_share_of_the_time_in_whole_stretches(bundle: BundleThresholds, held_out: Levels) -> None:
    for attack in (growing(1.2), adding(0.15), crowding):
        everything, nothing = (part_time(attack, share)(bundle, held_out, 1) for share in (1.0, 0.0))
        np.testing.assert_array_equal(everything.level, attack(bundle, held_out, 1).level)
        np.testing.assert_array_equal(nothing.level, held_out.level)
        some = part_time(attack, 0.3)(bundle, held_out, 1).level != held_out.level
        assert 0.2 < some.mean() < 0.4
        stretches = some.reshape(-1, AT_ONCE * BLOCK)
        assert (stretches.all(axis=1) | ~stretches.any(axis=1)).all()


def test_levels_are_made_for_the_thresholds_in_force(bundle: BundleThresholds, held_out: Levels) -> None:
    below = crowding(bundle, held_out, 0).level / thresholds(bundle)[held_out.series]
    assert 0.92 <= below.min() < below.max() <= 0.97
    tripled = replace(bundle, table=replace(bundle.table, q=3 * bundle.table.q))
    np.testing.assert_allclose(
        crowding(tripled, held_out, 0).level / thresholds(tripled)[held_out.series], below, rtol=1e-12
    )
    assert growing(1.2)(bundle, held_out, 1).level == pytest.approx(1.44 * held_out.level)
