"""Levels with a known distribution, and a bundle that stores them."""

import numpy as np

from stream.detect.frames.frames import Fitness
from stream.intake.columns import Bools, Float64s
from stream.settings.detection import ThresholdSettings
from tests.support.builders import a_rules
from training.calibration.calibrate import calibrate
from training.calibration.levels import Levels
from training.calibration.stored_levels import restored_levels, stored_grid, stored_table
from training.data.framing import FramedHistory
from training.recalibration.evidence import BundleThresholds

MINUTE = 60 * 10**9
BLOCK = 20
RULES = a_rules(close_after=BLOCK)
# Degrees of freedom of an error: independent cells of a window.
FREEDOM = 6


def levels_of(seed: int, series: int, rows: int, size: float = 1.0) -> Levels:
    """Means of 8 neighbouring errors, each a mean square of Gaussian noise, of several series."""
    draw = np.random.default_rng(seed)
    level = [smoothed(draw, rows) * size for _ in range(series)]
    return levels_from(level)


def smoothed(draw: np.random.Generator, rows: int) -> Float64s:
    """Moving means of 8 errors."""
    errors = draw.chisquare(FREEDOM, rows + 7) / FREEDOM
    return np.convolve(errors, np.ones(8) / 8, mode="valid")


def levels_from(level: list[Float64s]) -> Levels:
    """Levels of one series each, one frame a minute."""
    rows = [len(one) for one in level]
    total = sum(rows)
    return Levels(
        names=tuple(f"s{i}" for i in range(len(level))),
        series=np.repeat(np.arange(len(level)), rows).astype(np.int32),
        time=np.concatenate([np.arange(n) * MINUTE for n in rows]),
        level=np.concatenate(level),
        step=np.full(total, MINUTE),
        block=BLOCK,
        vetoed=np.zeros(total, np.bool_),
    )


def bundle_of(levels: Levels, promise: ThresholdSettings) -> BundleThresholds:
    """Thresholds of a bundle that was calibrated on these levels."""
    calibration = calibrate(levels, RULES, promise, 0)
    table = stored_table(levels, calibration, RULES)
    stored = restored_levels(table, calibration.table, levels.block, levels.weeks)
    return BundleThresholds(calibration.table, stored, stored_grid(table), RULES, promise, 0)


def frames_of(series: list[int], values: Float64s, gap: Bools | None = None) -> FramedHistory:
    """Frames, one a minute."""
    rows = np.array(series, np.int32)
    nothing = np.zeros(len(rows), np.bool_)
    place = np.concatenate([np.arange(series.count(s)) for s in dict.fromkeys(series)])
    return FramedHistory(
        names=tuple(f"s{i}" for i in range(max(series) + 1)),
        series=rows,
        time=place * MINUTE,
        values=values,
        fitness=np.full(len(rows), Fitness.WHOLE, np.uint8),
        after_gap=nothing if gap is None else gap,
        marked=nothing,
        labelled=nothing,
        confirmed=nothing,
        imputed=nothing,
        step=np.full(len(rows), MINUTE),
        dispositions={},
    )
