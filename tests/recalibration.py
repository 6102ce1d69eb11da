"""Levels whose law is known, as a bundle keeps them and as newer readings show them."""

import numpy as np

from stream.detect.policy import Rules
from stream.intake.columns import Float64s
from training import estimate
from training.calibrate import calibrate
from training.framing import FramedHistory
from training.kept import kept_grid, kept_levels, restored
from training.levels import Levels, incident_events
from training.observe import Observed, alert_spans
from training.options import ThresholdOptions
from training.recalibrate import Given, Seen
from training.sieve import sift

MINUTE = 60 * 10**9
BLOCK = 20
RULES = Rules(close_after=BLOCK)
# Degrees of freedom of an error: sensors times frames in a window that vary by themselves.
FREEDOM = 6


def levels_of(seed: int, series: int, rows: int, size: float = 1.0) -> Levels:
    """Means of 8 neighbouring errors, each a mean square of Gaussian noise, of several series."""
    draw = np.random.default_rng(seed)
    level = [smoothed(draw, rows) * size for _ in range(series)]
    return arranged(level)


def smoothed(draw: np.random.Generator, rows: int) -> Float64s:
    errors = draw.chisquare(FREEDOM, rows + 7) / FREEDOM
    return np.convolve(errors, np.ones(8) / 8, mode="valid")


def arranged(level: list[Float64s]) -> Levels:
    """One frame a minute, all series alike."""
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


def given(levels: Levels, promise: ThresholdOptions) -> Given:
    """What a bundle has of levels that it was calibrated on."""
    calibration = calibrate(levels, RULES, promise, 0)
    table = kept_levels(levels, calibration, RULES)
    kept = restored(table, calibration.table, levels.block, levels.weeks)
    return Given(calibration.table, kept, kept_grid(table), RULES, promise, 0)


def seen(bundle: Given, newer: Levels) -> Seen:
    """What a recalibration sees of newer levels, all frames being usual: the incidents of the bundle's thresholds."""
    score = newer.level / bundle.table.of_each(newer.names)[newer.series]
    nothing, size = np.zeros(len(newer), np.bool_), len(newer.names)
    framed = FramedHistory(
        newer.names, newer.series, newer.time, np.zeros((len(newer), 0)), np.zeros(len(newer), np.uint8),
        np.concatenate([[True], np.diff(newer.series) > 0]), nothing, nothing, nothing, nothing, newer.step, {},
    )  # fmt: skip
    alerts = alert_spans(incident_events(newer, score, RULES))
    observed = Observed(framed, newer.level, score, nothing, nothing, alerts, {})
    count, above = np.bincount(newer.series, minlength=size).astype(np.float64), (score > 1).astype(np.float64)
    return Seen(
        levels=sift(observed, (), frozenset(newer.names), -1, BLOCK).levels,
        usual=count,
        scored=count,
        exceeding=np.bincount(newer.series, above, size).astype(np.float64),
        above=estimate.mean(above, estimate.batches(newer.series, BLOCK)),
        sensors={},
        flat=frozenset(),
    )
