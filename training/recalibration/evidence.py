"""Input of a recalibration: the thresholds of a bundle, and the evidence of newer readings."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stream.detect.definition import Definition
from stream.detect.frames.scale import ScaleTable
from stream.detect.incidents.incidents import EXCEEDS
from stream.detect.incidents.threshold import ThresholdTable
from stream.detect.policy import Rules
from stream.detect.slots import Segments
from stream.intake.columns import Bools, Float64s, Int64s
from stream.registry.bundle import calibration_levels
from stream.registry.manifest import Manifest
from stream.settings.detection import ThresholdSettings
from training.calibration.levels import Levels
from training.calibration.stored_levels import StoredLevels, stored_grid
from training.data.framing import FramedHistory
from training.data.moments import wild_values
from training.recalibration import batch_means
from training.recalibration.batch_means import Estimate
from training.recalibration.drift import SensorDrift
from training.recalibration.observed import NewerReadings
from training.recalibration.selection import Selection
from training.revision.child import promise_of, stored_levels_of


@dataclass(frozen=True)
class BundleThresholds:
    """Thresholds of a bundle, and the levels, rules and promise that they come from.

    Attributes:
        grid: float64 (g,), from `stored_grid`.
    """

    table: ThresholdTable
    stored: StoredLevels
    grid: Float64s
    rules: Rules
    promise: ThresholdSettings
    seed: int

    @property
    def trained_scale(self) -> Float64s:
        """float64 (R,): the scales that training found."""
        return self.table.scale if self.table.trained is None else self.table.trained


def bundle_thresholds(folder: Path, manifest: Manifest, definition: Definition) -> BundleThresholds:
    """Reads the thresholds of a bundle, and the levels, rules and promise that they come from.

    Raises:
        BundleError: the bundle stores no levels, or does not say what it promises.
    """
    return BundleThresholds(
        table=definition.thresholds,
        stored=stored_levels_of(folder, manifest, definition.thresholds),
        grid=stored_grid(calibration_levels(folder)),
        rules=definition.rules,
        promise=promise_of(manifest),
        seed=manifest.seeds[0],
    )


@dataclass(frozen=True)
class Evidence:
    """Evidence of newer readings, per series of the bundle in the order of its thresholds (S,).

    Attributes:
        levels: levels that may set thresholds.
        eligible: float64 (S,), frames that nothing excludes, except perhaps an incident.
        scored: float64 (S,), eligible frames with a score.
        exceeding: float64 (S,), scored frames above the threshold.
        exceeding_share: share of all scored frames above the threshold.
        sensors: drift of the sensors of each series; empty where only scores are known.
        flat: (series, sensor) that were constant in training.
    """

    levels: Levels
    eligible: Float64s
    scored: Float64s
    exceeding: Float64s
    exceeding_share: Estimate
    sensors: dict[str, tuple[SensorDrift, ...]]
    flat: frozenset[tuple[str, str]]


def evidence_of(definition: Definition, readings: NewerReadings, selection: Selection, block: int) -> Evidence:
    """Collects the evidence of newer readings.

    Args:
        block: W + M.
    """
    frames, names = readings.frames, definition.thresholds.names[:-1]
    index = {name: s for s, name in enumerate(names)}
    own = np.array([index.get(name, len(names)) for name in frames.names], np.int64)
    scored, exceeding = selection.eligible & np.isfinite(readings.score), readings.score > EXCEEDS

    def count(rows: Bools) -> Float64s:
        return np.asarray(np.bincount(own[frames.series], rows, len(names) + 1)[:-1], np.float64)

    share = Estimate(0.0, 0.0, 0.0)
    if scored.any():
        batch = batch_means.batches(frames.series[scored], block)
        share = batch_means.mean(exceeding[scored].astype(np.float64), batch)
    scales = definition.scales
    return Evidence(
        levels=_renumbered(selection.levels, own, names),
        eligible=count(selection.eligible),
        scored=count(scored),
        exceeding=count(scored & exceeding),
        exceeding_share=share,
        sensors=sensor_drifts(frames, selection.eligible, scales, definition.sensors, block),
        flat=frozenset(
            (scales.names[row], definition.sensors[sensor]) for row, sensor in np.argwhere(scales.without_unit).tolist()
        ),
    )


def _renumbered(levels: Levels, own: Int64s, names: tuple[str, ...]) -> Levels:
    """Numbers the series as the bundle does. `own` is the bundle's number of each series."""
    series = own[levels.series].astype(np.int32)
    return replace(levels, names=names, series=series).rows(np.argsort(series, kind="stable"))


def sensor_drifts(
    frames: FramedHistory, eligible: Bools, scales: ScaleTable, sensors: tuple[str, ...], block: int
) -> dict[str, tuple[SensorDrift, ...]]:
    """Computes the drift of the sensors of each series with eligible frames. A sensor without a value is left out.

    Wild values count as missing, as they do in the scales.
    """
    if not frames.values.shape[1]:
        return {}
    rows = np.flatnonzero(eligible)
    series, drifts = frames.series[rows], {}
    batch = batch_means.batches(series, block)
    for index, start, end in Segments(series):
        name, own = frames.names[index], slice(start, end)
        row = scales.row(name)
        widened = widening(end - start, int(scales.rows[row]))
        values = (frames.values[rows[own]] - scales.mean[row]) / scales.scale[row]
        values[wild_values(values, np.isfinite(values))] = np.nan
        drifts[name] = tuple(
            SensorDrift(sensor, *_moments(values[:, f], batch[own], widened))
            for f, sensor in enumerate(sensors)
            if np.isfinite(values[:, f]).any()
        )
    return drifts


def widening(new: int, old: int) -> float:
    """Factor that widens an interval of `new` rows where it is compared with an estimate from `old` rows."""
    return float(np.sqrt(1.0 + new / max(old, 1)))


def _moments(values: Float64s, batch: Int64s, widened: float) -> tuple[Estimate, Estimate]:
    """Mean and variance of the finite values."""
    finite = np.isfinite(values)
    values, batch = values[finite], batch[finite]
    middle = batch_means.mean(values, batch, widened)
    return middle, batch_means.mean((values - middle.value) ** 2, batch, widened)
