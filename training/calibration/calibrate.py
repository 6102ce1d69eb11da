"""Thresholds from held-out normal levels: threshold[s] = scale[s] * q.

Neighbouring levels share almost all of their frames, so levels are counted in blocks of W + M frames. Incidents are
counted by the online code.
"""

from dataclasses import dataclass, replace

import msgspec
import numpy as np

from stream.detect.frames.scale import POOLED
from stream.detect.incidents.threshold import ThresholdTable
from stream.detect.policy import Rules
from stream.detect.slots import Segments
from stream.errors import DataError
from stream.intake.columns import Float64s, Int64s
from stream.messages import figure
from stream.registry.manifest_facts import Method, SeverityFacts, ThresholdBasis, ThresholdFacts
from stream.settings.detection import ThresholdSettings
from training.calibration.levels import Levels, incidents
from training.calibration.quantile import (
    LEAST_MARGIN,
    SUPPORT,
    quantile_by_budget,
    quantile_by_margin,
    quantile_by_percentile,
)
from training.calibration.series_scale import series_scales
from training.calibration.tail import MIN_MAXIMA
from training.calibration.usual import RelativeLevels
from training.data.split import Part

# One block is one observation: its spread is not known.
MIN_BLOCKS = 2
# The setting of each method's promise.
PROMISES: dict[Method, str] = {"budget": "alerts_per_week", "percentile": "percentile"}


@dataclass(frozen=True)
class Calibration:
    """Thresholds and their basis.

    Attributes:
        table: the thresholds.
        ratio: float64 (n,), level / scale of each level; the scale is computed without the level.
        method: "budget" | "percentile".
        promised: alerts per series and week, or the percentile, as asked for.
        supported: the promise that q is for: as asked for, or what the data do support.
        likely: interval of 90 % of what the thresholds give on data of this kind, in the same unit.
        q_point: the q of the thresholds. It keeps the promise on average.
        q_high: upper end of the interval of q.
        extrapolated: the data do not support the promise: q lies in a fitted tail, or `supported` is looser.
        weeks: series-weeks of the data.
        weeks_needed: series-weeks that support the promise without extrapolation.
        implied_per_week: incidents per series and week of these thresholds on the same data.
        share_above: share of these frames above the threshold.
        blocks: number of blocks, the independent samples.
        rate: see `Levels.rate`.
        set_by: the few stretches that set the threshold; None: the levels as a whole do, or it is not known.
        severity: the edges of severities; None: not computed yet.
    """

    table: ThresholdTable
    ratio: Float64s
    method: Method
    promised: float
    supported: float
    likely: tuple[float, float]
    q_point: float
    q_high: float
    extrapolated: bool
    weeks: float
    weeks_needed: float
    implied_per_week: float
    share_above: float
    blocks: int
    rate: float
    set_by: ThresholdBasis | None = None
    severity: SeverityFacts | None = None

    @property
    def looser(self) -> str | None:
        """A warning where the promise in force is looser than the one asked for."""
        if self.supported == self.promised:
            return None
        name = PROMISES[self.method]
        return (
            f"{self.weeks:.3g} series-weeks of normal data are too short to promise {self.promised:g} ({name}), which "
            f"takes {self.weeks_needed:.3g}; the threshold promises {figure(self.supported)}: give longer history, or "
            f"ask for what it supports: `threshold.{name}: {self.supported:.4g}`"
        )

    def facts(self) -> ThresholdFacts:
        """Facts for the manifest."""
        return msgspec.convert(self, ThresholdFacts, from_attributes=True)


def calibrate(levels: Levels, rules: Rules, options: ThresholdSettings, seed: int) -> Calibration:
    """Computes thresholds that keep the promise of `options` on normal data.

    Raises:
        DataError: there are too few levels, for any threshold or for the promise with `strict`.
    """
    block = blocks_of(levels)
    scales = series_scales(levels)
    table = ThresholdTable((*levels.names, POOLED), scales.scale, scales.rows, 1.0, median=_medians(levels))
    return _calibrated(levels, scales.ratio, block, table, rules, options, seed)


def calibrate_stored(
    levels: Levels, table: ThresholdTable, rules: Rules, options: ThresholdSettings, seed: int
) -> Calibration:
    """Computes thresholds from stored levels. `levels.level` holds ratios; the scales are those of `table`.

    For the promise and the rules of the bundle, q is the same to the bit. A threshold so small that incidents depend on
    levels that are not stored is not tried. Then fewer alerts come than promised, and `implied_per_week` is an upper
    bound.

    Raises:
        DataError: there are too few levels for the promise with `strict`, or the percentile lies below the stored ones.
    """
    return _calibrated(levels, levels.level, blocks_of(levels), table, rules, options, seed)


def calibrate_relative(relative: RelativeLevels, rules: Rules, options: ThresholdSettings, seed: int) -> Calibration:
    """Computes how far thresholds stand above the usual levels that they follow.

    Raises:
        DataError: there are too few levels, for any threshold or for the promise with `strict`.
    """
    levels = relative.parts[Part.CALIBRATE]
    ratio = levels.level / relative.table.scale[levels.series]
    return _calibrated(levels, ratio, blocks_of(levels), relative.table, rules, options, seed)


def least_blocks(options: ThresholdSettings, weeks: float) -> int:
    """Least number of blocks, over `weeks` series-weeks, that the promise needs. A fitted tail needs more."""
    return MIN_MAXIMA if options.method == "budget" and options.alerts_per_week * weeks < SUPPORT else MIN_BLOCKS


def _calibrated(
    levels: Levels,
    ratio: Float64s,
    block: Int64s,
    table: ThresholdTable,
    rules: Rules,
    options: ThresholdSettings,
    seed: int,
) -> Calibration:
    if options.method == "percentile":
        promised = options.percentile
        q = quantile_by_percentile(levels, ratio, block, promised, seed)
    else:
        promised = options.alerts_per_week
        short = promised * levels.weeks < SUPPORT
        q = (
            quantile_by_margin(levels, ratio, rules, promised)
            if table.usual is not None and short
            else quantile_by_budget(levels, ratio, block, rules, promised, seed)
        )
        if table.usual is not None:
            q = replace(q, point=max(q.point, LEAST_MARGIN), high=max(q.high, LEAST_MARGIN))
    if q.extrapolated and options.strict:
        raise DataError(
            f"calibrate: {levels.weeks:.3g} series-weeks of normal data cannot support the promise of {promised:g} "
            f"({options.method}); {q.needed:.3g} would: give more data, a looser promise, or drop `threshold.strict`"
        )
    return Calibration(
        table=replace(table, q=q.point),
        ratio=ratio,
        method=options.method,
        promised=promised,
        supported=q.supported,
        likely=q.likely,
        q_point=q.point,
        q_high=q.high,
        extrapolated=q.extrapolated,
        weeks=levels.weeks,
        weeks_needed=q.needed,
        implied_per_week=levels.rate * incidents(levels, ratio / q.point, rules) / max(levels.weeks, 1e-12),
        share_above=levels.rate * float((ratio > q.point).mean()),
        blocks=int(block.max()) + 1,
        rate=levels.rate,
    )


def blocks_of(levels: Levels) -> Int64s:
    """Block of each level, int64 (n,).

    Raises:
        DataError: there are fewer than two blocks.
    """
    block = levels.in_block
    count = int(block.max(initial=-1)) + 1
    if count < MIN_BLOCKS:
        raise DataError(
            f"calibrate: {len(levels)} held-out levels, {count} blocks of {levels.block} frames; at least {MIN_BLOCKS} "
            "are needed: give more history, a shorter window, or a larger `train.parts.calibrate`"
        )
    return block


def _medians(levels: Levels) -> Float64s:
    """Median level of each series, NaN where it has none, and of all series: float64 (S + 1,)."""
    median = np.full(len(levels.names) + 1, np.nan)
    for index, start, end in Segments(levels.series):
        median[index] = np.median(levels.level[start:end])
    median[-1] = np.median(levels.level)
    return median
