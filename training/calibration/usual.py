"""The start of thresholds that learn, and held-out levels as such thresholds see them.

A threshold that learns follows the usual level of its series. So levels are judged relative to the usual level at their
time, as the online code computes it: from the levels before them, starting with those of the stop part.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from stream.detect.frames.scale import POOLED
from stream.detect.incidents.heights import BINS, heights, usual_heights
from stream.detect.incidents.threshold import ThresholdTable
from stream.detect.incidents.usual import UsualLevels
from stream.detect.policy import SECOND, FramePolicy, Learning, ModelSpec
from stream.detect.slots import Segments
from stream.intake.columns import Bools, Float32s, Float64s
from stream.settings.detection import RecalibrationSettings, ThresholdSettings
from training.calibration.levels import WEEK, Levels
from training.calibration.quantile import MARGIN
from training.calibration.series_scale import series_scales
from training.data.split import Part

# Beyond so many, counts in float32 would no longer grow by one.
LONGEST = 1 << 22
# Blocks of all series' levels that each series starts from, besides its own levels.
SHARED = 10
HOUR = 3_600 * SECOND
# Levels count for e times less after this time: machines have days, and a threshold of the last ones finds more. It is
# so many blocks at least, as a usual level of fewer is not well known.
HORIZON, LEAST_BLOCKS = 48 * HOUR, 60
# A level is the new usual one after so many blocks above the threshold, and an hour, at least; half a day at most.
FEWEST_BLOCKS, LATEST = 5, 12 * HOUR


@dataclass(frozen=True)
class RelativeLevels:
    """Levels relative to the usual level of their series and time.

    Attributes:
        parts: levels of calibrate and gate, in such a unit that the thresholds of `table` apply.
        table: thresholds of q = 1 at the end of the history, with the counts that they go on from.
        fixed: thresholds from the levels of calibrate alone, which do not learn.
    """

    parts: dict[Part, Levels]
    table: ThresholdTable
    fixed: ThresholdTable


def learning_of(
    options: ThresholdSettings, bounds: RecalibrationSettings, policy: FramePolicy, spec: ModelSpec
) -> Learning | None:
    """The way in which thresholds learn; None: they do not, as a percentile of the trained levels does not."""
    if not options.learn or options.method == "percentile":
        return None
    return Learning(
        share=_share(options.alerts_per_week, spec.block, policy.interval_ns),
        block=spec.block,
        horizon=min(max(HORIZON // policy.interval_ns, LEAST_BLOCKS * spec.block), LONGEST),
        bound=bounds.max_total,
        moved_least=max(HOUR // policy.interval_ns, FEWEST_BLOCKS * spec.block),
        moved_after=max(LATEST // policy.interval_ns, spec.block),
    )


def _share(per_week: float, block: int, interval_ns: int) -> float:
    """The share of levels that a budget leaves above the usual level: an incident is at least one block of them."""
    return min(max(per_week * block / max(WEEK // interval_ns, 1), 1e-9), 0.5)


def with_promise(
    table: ThresholdTable, learning: Learning | None, options: ThresholdSettings, interval_ns: int
) -> tuple[ThresholdTable, Learning | None]:
    """Thresholds for another promise, and the way in which they learn; their q is that of the other promise.

    `trained` keeps the scale that stored levels are relative to. Thresholds that do not learn have it again.
    """
    if learning is None or table.usual is None:
        return table, None
    trained = table.scale if table.trained is None else table.trained
    if options.method == "percentile" or not options.learn:
        return replace(table, scale=trained, trained=None, usual=None), None
    share = _share(options.alerts_per_week, learning.block, interval_ns)
    other = msgspec.structs.replace(learning, share=share)
    higher = usual_heights(table.usual, other) / usual_heights(table.usual, learning)
    return replace(table, scale=table.scale * higher, trained=trained), other


def relative_levels(levels: Mapping[Part, Levels], learning: Learning) -> RelativeLevels:
    """Sends the levels of calibrate and gate through the online code, which starts from those of the stop part."""
    calibrate = levels[Part.CALIBRATE]
    scales = series_scales(calibrate)
    names, count = (*calibrate.names, POOLED), len(calibrate.names)
    start = _start(levels[Part.STOP] if len(levels[Part.STOP]) else calibrate, scales.scale, learning)
    usual = UsualLevels(ThresholdTable(names, scales.scale, scales.rows, MARGIN, usual=start), learning)
    usual.resize(count)
    for slot, name in enumerate(calibrate.names):
        usual.set_series(slot, name)
    both, of_gate = in_order(calibrate, levels[Part.GATE])
    thresholds = usual.push(both.level, both.time, Segments(both.series)).threshold
    start_height, end = usual_heights(start, learning), _start(both, scales.scale, learning)
    # Thresholds start at MARGIN scales, where the usual level is `start_height` scales high.
    level = thresholds / MARGIN * start_height[both.series]
    scale = scales.scale * usual_heights(end, learning)
    relative = both.level / level * scale[both.series]
    parts = {
        part: replace(levels[part], level=relative[of_gate == (part == Part.GATE)])
        for part in (Part.CALIBRATE, Part.GATE)
    }
    return RelativeLevels(
        parts,
        ThresholdTable(names, scale, scales.rows, 1.0, usual=end),
        ThresholdTable(names, usual_levels(calibrate, learning), scales.rows, MARGIN),
    )


def usual_levels(levels: Levels, learning: Learning) -> Float64s:
    """The usual level of each series by all of its levels, and last that of unknown series: float64 (S + 1,)."""
    scale = series_scales(levels).scale
    height = usual_heights(_start(levels, scale, learning), learning)
    return scale * height


def _start(levels: Levels, scale: Float64s, learning: Learning) -> Float32s:
    """Counts of the levels of each series by height, with some of all series; the last row is for unknown series.

    A series weighs as much as it has levels: the more they are, the longer it takes newer ones to outweigh them.

    Returns:
        float32 (S + 1, BINS).
    """
    count = len(levels.names)
    height = heights(levels.level / scale[levels.series])
    own = np.bincount(levels.series.astype(np.int64) * BINS + height, minlength=count * BINS).reshape(count, BINS)
    shared = own.sum(axis=0) * (SHARED * learning.block / max(len(levels), 1))
    size = np.clip(own.sum(axis=1), learning.block, learning.horizon).astype(np.float64)
    counts = np.vstack([own + shared, shared])
    weight = np.append(size, float(learning.block)) / counts.sum(axis=1)
    weighted: Float32s = (counts * weight[:, None]).astype(np.float32)
    return weighted


def in_order(first: Levels, second: Levels) -> tuple[Levels, Bools]:
    """Levels of two parts by series and time, and which of them are of the second part."""
    joined = replace(
        first,
        series=np.concatenate([first.series, second.series]),
        time=np.concatenate([first.time, second.time]),
        level=np.concatenate([first.level, second.level]),
        step=np.concatenate([first.step, second.step]),
        vetoed=np.concatenate([first.vetoed, second.vetoed]),
    )
    order = np.lexsort((joined.time, joined.series))
    return joined.rows(order), order >= len(first)
