"""Thresholds on simulated levels with known truth: the promise, the result, and the facts about it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.detect.incidents.incidents import Incidents
from stream.detect.incidents.scored_frames import ScoredFrames
from stream.errors import DataError
from stream.intake.columns import Float64s
from stream.settings.detection import ThresholdSettings
from tests.support.builders import a_rules
from tests.support.options import changed
from tests.training.calibration.levels import BLOCK, MINUTE, RULES, SECOND, levels_of, slow, white
from training.calibration.calibrate import Calibration, calibrate
from training.calibration.levels import incidents
from training.calibration.series_scale import LEAST


def share_above(level: Float64s, calibration: Calibration) -> float:
    return float((level > calibration.table.of("s0")).mean())


BUDGET = ThresholdSettings(method="budget", alerts_per_week=50.0)
KINDS = {"white": white, "slow": slow}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("percentile", [95.0, 99.0])
def test_a_percentile_keeps_its_promise_on_levels_it_has_not_seen(kind: str, percentile: float) -> None:
    """The share above on 200,000 new levels, in the middle of 9 calibrations, is near the promise."""
    draw = np.random.default_rng(0)
    truth, promise = KINDS[kind](draw, 200_000), 1.0 - percentile / 100.0
    options = ThresholdSettings(method="percentile", percentile=percentile)
    found = [calibrate(levels_of([KINDS[kind](draw, 8_000)]), RULES, options, seed) for seed in range(9)]
    shares = [share_above(truth, calibration) / promise for calibration in found]
    assert 0.7 < float(np.median(shares)) < 1.3, shares
    assert max(shares) < 2.0
    assert not any(calibration.extrapolated for calibration in found)


@pytest.mark.parametrize("kind", KINDS)
def test_a_budget_that_the_data_support_is_kept_on_levels_it_has_not_seen(kind: str) -> None:
    draw = np.random.default_rng(1)
    truth = levels_of([KINDS[kind](draw, 60_000)])
    rates = []
    for seed in range(5):
        found = calibrate(levels_of([KINDS[kind](draw, 8_000)]), RULES, BUDGET, seed)
        assert not found.extrapolated
        rates.append(incidents(truth, truth.level / found.table.of("s0"), RULES) / truth.weeks)
    assert 0.7 * 50 < float(np.median(rates)) < 1.3 * 50, rates


@pytest.mark.parametrize("kind", KINDS)
def test_a_budget_far_beyond_the_data_is_met_within_a_small_factor(kind: str) -> None:
    """A quarter of a week, and one alert a week: the tail is extrapolated."""
    draw = np.random.default_rng(2)
    truth = levels_of([KINDS[kind](draw, 100_000)])
    rates = []
    for seed in range(7):
        found = calibrate(levels_of([KINDS[kind](draw, 2_520)]), RULES, changed(BUDGET, alerts_per_week=1.0), seed)
        assert found.extrapolated
        assert found.q_high >= found.q_point
        rates.append(incidents(truth, truth.level / found.table.of("s0"), RULES) / truth.weeks)
    assert 0.5 <= float(np.median(rates)) <= 2.0, rates


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), per_week=st.floats(3.0, 1_000.0), series=st.integers(1, 3))
def test_incidents_on_the_calibrate_part_never_exceed_what_was_allowed(seed: int, per_week: float, series: int) -> None:
    draw = np.random.default_rng(seed)
    levels = levels_of([slow(draw, int(draw.integers(400, 1_500))) for _ in range(series)])
    found = calibrate(levels, RULES, changed(BUDGET, alerts_per_week=per_week), 0)
    assert found.extrapolated or found.implied_per_week <= per_week
    assert all(found.table.of(name) > 0 for name in (*levels.names, "unknown"))


def test_a_q_so_low_that_incidents_merge_is_not_chosen() -> None:
    """A long calm rise among a hundred peaks. Below all levels, one incident would be open all the time."""
    draw = np.random.default_rng(3)
    level = 1.0 + 0.01 * draw.random(6_000)
    level[20::60] = 3.0 + draw.random(100)
    level[3_000:4_500] = 5.0 + draw.random(1_500)  # 125 blocks, one incident
    levels = levels_of([level])
    scored = levels.level / 0.5
    assert incidents(levels, scored, RULES) == 1, "at so low a q there is one incident"
    found = calibrate(levels, RULES, ThresholdSettings(method="budget", alerts_per_week=10 / levels.weeks), 0)
    threshold = found.table.of("s0")
    assert threshold > 3.0
    assert found.share_above < 0.3


@pytest.mark.parametrize("kind", KINDS)
def test_a_budget_of_more_alerts_than_there_are_blocks_still_leaves_normal_frames_below(kind: str) -> None:
    """Twenty blocks cannot open a thousand incidents at any threshold. By the budget alone, q would fall to 0."""
    levels = levels_of([KINDS[kind](np.random.default_rng(5), 20 * BLOCK)])
    found = calibrate(levels, RULES, ThresholdSettings(method="budget", alerts_per_week=1_000 / levels.weeks), 0)
    assert not found.extrapolated
    assert 0.0 < found.share_above <= 0.05


@given(seed=st.integers(0, 10_000), scale=st.floats(0.2, 3.0), split_after=st.integers(5, 400))
def test_leaving_out_frames_that_cannot_matter_changes_no_count(seed: int, scale: float, split_after: int) -> None:
    draw = np.random.default_rng(seed)
    levels = levels_of([slow(draw, 300), white(draw, 200), slow(draw, 1)])
    score = levels.level * scale
    rules = a_rules(close_after=int(draw.integers(1, 9)), close_ratio=0.7, max_duration_ns=split_after * MINUTE)
    counter = Incidents("whole", rules)
    counter.resize(3)
    rows = np.arange(len(score))
    nothing = np.zeros(len(score))
    events = counter.push(
        ScoredFrames(
            levels.series,
            levels.time,
            levels.level,
            score,
            nothing,
            nothing.astype(np.int32),
            rows,
            nothing,
            levels.vetoed,
            np.zeros(len(score), np.bool_),
            np.zeros(len(score), np.int8),
        ),
        levels.names.__getitem__,
        lambda row: (),
    )
    assert incidents(levels, score, rules) == sum(event.state == "opened" for event in events)


def test_what_the_rules_veto_counts_as_no_incident_and_the_threshold_falls_to_what_they_let_pass() -> None:
    """With the same budget, a rule vetoes the largest peaks. Then the smaller peaks decide."""
    draw = np.random.default_rng(6)
    level = 1.0 + 0.01 * draw.random(12_000)
    large, small = np.arange(100, 12_000, 600), np.arange(400, 12_000, 600)
    level[large], level[small] = 9.0 + draw.random(20), 3.0 + draw.random(20)
    levels = levels_of([level])
    vetoed = np.zeros(len(level), np.bool_)
    vetoed[large] = True
    ruled = replace(levels, vetoed=vetoed)
    assert (incidents(levels, level / 2, RULES), incidents(ruled, level / 2, RULES)) == (40, 20)
    options = ThresholdSettings(method="budget", alerts_per_week=10 / levels.weeks)
    plain, found = calibrate(levels, RULES, options, 0), calibrate(ruled, RULES, options, 0)
    assert plain.table.of("s0") > 9.0
    assert 3.0 < found.table.of("s0") < 4.0
    assert found.implied_per_week * levels.weeks <= 10


@pytest.mark.parametrize("per_week", [0.01, 100.0])
def test_rules_that_veto_everything_still_leave_normal_frames_below(per_week: float) -> None:
    """No threshold opens an incident. Should the rules let one pass, it must not be a normal frame."""
    levels = levels_of([white(np.random.default_rng(7), 5_040)])
    levels = replace(levels, vetoed=np.ones(len(levels), np.bool_))
    found = calibrate(levels, RULES, ThresholdSettings(method="budget", alerts_per_week=per_week), 0)
    assert found.share_above <= 0.05
    assert found.implied_per_week == 0


def test_what_the_data_cannot_support_is_labelled_with_how_much_would_do() -> None:
    levels = levels_of([white(np.random.default_rng(4), 5_040)])  # half a week
    found = calibrate(levels, RULES, ThresholdSettings(method="budget", alerts_per_week=1.0), 0)
    assert found.extrapolated
    assert found.weeks == pytest.approx(0.5)
    assert found.weeks_needed == pytest.approx(2.3)
    assert found.facts().extrapolated is True
    percentile = calibrate(levels, RULES, ThresholdSettings(method="percentile", percentile=99.999), 0)
    assert percentile.extrapolated, "0.05 of 5,040 levels lie above"
    assert percentile.weeks_needed == pytest.approx(0.5 / 0.0504)
    assert percentile.table.of("s0") >= levels.level.max()


def test_strict_refuses_what_the_data_cannot_support_and_says_how_much_would_do() -> None:
    levels = levels_of([white(np.random.default_rng(4), 5_040)])
    with pytest.raises(DataError, match=r"0\.5 series-weeks .* promise of 1 \(budget\); 2\.3 would"):
        calibrate(levels, RULES, ThresholdSettings(method="budget", alerts_per_week=1.0, strict=True), 0)
    with pytest.raises(DataError, match=r"promise of 99\.999 \(percentile\); 9\.92 would"):
        calibrate(levels, RULES, ThresholdSettings(method="percentile", percentile=99.999, strict=True), 0)
    kept = calibrate(levels, RULES, ThresholdSettings(method="percentile", percentile=95.0, strict=True), 0)
    assert not kept.extrapolated, "strict takes what the data support"


def test_data_that_need_a_smaller_budget_support_it_once_they_are_as_long_as_said() -> None:
    draw = np.random.default_rng(5)
    short = levels_of([white(draw, 3_000)])
    options = ThresholdSettings(method="budget", alerts_per_week=5.0)
    needed = calibrate(short, RULES, options, 0).weeks_needed
    rows = int(needed / short.weeks * 3_000) + 1
    assert not calibrate(levels_of([white(draw, rows)]), RULES, options, 0).extrapolated


def test_a_scale_of_few_blocks_goes_to_the_pool_only_as_far_as_its_own_frames_leave_open() -> None:
    """Five series alike, a short one like them, a short one ten times as large, and a long one as large as that."""
    draw = np.random.default_rng(6)
    quiet = [white(draw, 4_000) for _ in range(5)]
    levels = levels_of([*quiet, white(draw, 2 * BLOCK), 10 * white(draw, 2 * BLOCK), 10 * white(draw, 200 * BLOCK)])
    table = calibrate(levels, RULES, ThresholdSettings(method="percentile"), 0).table
    scale = dict(zip(table.names, table.scale.tolist(), strict=True))
    means = {name: float(levels.level[levels.series == i].mean()) for i, name in enumerate(levels.names)}
    pool = scale[""]
    assert abs(np.log(scale["s5"] / pool)) < 0.5 * abs(np.log(means["s5"] / pool)), "shrunk to the others"
    assert 5.0 < scale["s6"] < means["s6"], "2 blocks distinguish 1 from 10"
    assert 0.95 * means["s7"] < scale["s7"] <= means["s7"]
    assert table.of("s6") == pytest.approx(scale["s6"] * table.q)
    assert table.of("unknown") == pytest.approx(pool * table.q)


def test_a_series_without_levels_has_the_pooled_threshold() -> None:
    draw = np.random.default_rng(7)
    levels = levels_of([white(draw, 3_000), np.zeros(0), white(draw, 3_000)])
    table = calibrate(levels, RULES, ThresholdSettings(method="percentile"), 0).table
    assert table.of("s1") == table.of("")
    assert table.rows.tolist() == [3_000, 0, 3_000, 6_000]


@pytest.mark.parametrize("constant", [0.0, 1e-300, 0.25, 1e6])
@pytest.mark.parametrize("method", ["budget", "percentile"])
@pytest.mark.parametrize("per_week", [1.0, 1_000.0])
def test_constant_levels_give_a_threshold_that_they_do_not_exceed(
    constant: float, method: str, per_week: float
) -> None:
    levels = levels_of([np.full(4_000, constant), np.full(4_000, constant)])
    options = ThresholdSettings(method=method, alerts_per_week=per_week)  # type: ignore[arg-type]
    found = calibrate(levels, RULES, options, 0)
    assert found.table.of("s0") == pytest.approx(max(constant, LEAST))
    assert (found.share_above, found.implied_per_week) == (0.0, 0.0)


def test_a_fleet_supports_a_budget_that_no_series_of_it_does() -> None:
    draw = np.random.default_rng(8)
    options = ThresholdSettings(method="budget", alerts_per_week=1.0)
    one = levels_of([white(draw, 2_520)])
    many = levels_of([white(draw, 2_520) for _ in range(12)])
    assert calibrate(one, RULES, options, 0).extrapolated
    found = calibrate(many, RULES, options, 0)
    assert not found.extrapolated
    assert found.weeks == pytest.approx(3.0)
    assert len(found.table.names) == 13


def test_a_thousand_series_of_different_size_share_one_quantile() -> None:
    draw = np.random.default_rng(9)
    sizes = np.exp(draw.normal(0.0, 2.0, 1_000))
    levels = levels_of([size * white(draw, 60) for size in sizes])
    found = calibrate(levels, RULES, ThresholdSettings(method="percentile", percentile=95.0), 0)
    scale = found.table.scale[:-1]
    assert np.corrcoef(np.log(scale), np.log(sizes))[0, 1] > 0.95
    assert found.blocks == 5_000


def test_too_few_levels_are_refused_with_their_number() -> None:
    with pytest.raises(DataError, match=r"0 held-out levels, 0 blocks of 12 frames; at least 2"):
        calibrate(levels_of([np.zeros(0)]), RULES, BUDGET, 0)
    with pytest.raises(DataError, match=r"12 held-out levels, 1 blocks of 12 frames"):
        calibrate(levels_of([np.ones(12)]), RULES, BUDGET, 0)
    with pytest.raises(DataError, match="a tail of 3 blocks, needed 10; give longer history"):
        calibrate(levels_of([np.ones(36)]), RULES, changed(BUDGET, alerts_per_week=1.0), 0)


def test_the_same_levels_and_seed_give_the_same_thresholds() -> None:
    levels = levels_of([slow(np.random.default_rng(10), 3_000)])
    for options in (BUDGET, changed(BUDGET, alerts_per_week=0.5), ThresholdSettings(method="percentile")):
        assert calibrate(levels, RULES, options, 3).facts() == calibrate(levels, RULES, options, 3).facts()


def test_time_covered_is_what_the_steps_add_up_to() -> None:
    """An hour of frames, ten seconds apart, is an hour."""
    levels = levels_of([np.ones(360)], step=10 * SECOND)
    assert levels.weeks == pytest.approx(1 / 168)


def test_a_machine_that_rests_most_of_the_time_does_not_set_the_threshold_of_the_fleet() -> None:
    """Nineteen series of one kind, and one that rests nine tenths of the time and is like the others in between.

    With a scale for its rest, its busy tenth would be a thousand times its usual level. The threshold of all series
    would then rise as far. It has three busy stretches, and one incident is allowed: two of them lie below.
    """
    draw = np.random.default_rng(11)
    rows, kinds = 60 * BLOCK, [white(draw, 60 * BLOCK) for _ in range(20)]
    busy = np.arange(rows) % (20 * BLOCK) < 2 * BLOCK
    resting = np.where(busy, kinds[0], 1e-3 * kinds[0])
    options = ThresholdSettings(method="budget", alerts_per_week=1.0)
    alone = calibrate(levels_of(kinds[1:]), RULES, options, 0).table
    together = calibrate(levels_of([*kinds[1:], resting]), RULES, options, 0).table
    assert together.of("s3") < 10.0 * alone.of("s3")
