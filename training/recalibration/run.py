"""`narrows recalibrate`: a child of a version with the same weights, and thresholds that newer readings have moved."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

from stream.detect.definition import Definition
from stream.detect.incidents.incidents import EXCEEDS
from stream.intake.columns import Int64s
from stream.intake.parquet import Hints
from stream.registry.bundle import calibration_levels, load
from stream.registry.manifest import Manifest, calibrated_at
from stream.registry.manifest_facts import ThresholdFacts
from stream.registry.recalibration_facts import BoundsFacts, NewerDataFacts, RecalibrationFacts
from stream.registry.registry import Registry
from stream.settings.detection import RecalibrationSettings
from training.calibration.levels import Levels
from training.calibration.stored_levels import stored_grid
from training.data.history import learned_until
from training.data.spans import Span
from training.publish import stamp
from training.recalibration import batch_means
from training.recalibration.batch_means import Estimate
from training.recalibration.drift import sensor_drifts
from training.recalibration.observed import NewerReadings, read_scores, score_readings
from training.recalibration.recalibrate import BundleThresholds, Evidence, Recalibration, recalibrate
from training.recalibration.selection import Selection, select_levels
from training.revision.child import promise_of, publish_child, stored_levels_of


@dataclass(frozen=True)
class NewerData:
    """Newer readings, or the verdicts on them that `narrows replay --scores` wrote; one of the two."""

    data: Path | None
    scores: Path | None
    hints: Hints


@dataclass(frozen=True)
class RecalibrationRun:
    """What came of it: a child version, unless it is refused or was not asked for.

    Attributes:
        facts: what was read, and what was left out of it, by reason.
    """

    parent: Manifest
    result: Recalibration
    facts: NewerDataFacts
    child: Manifest | None

    @property
    def threshold(self) -> ThresholdFacts:
        """What q rests on, for the manifest: as it was where q is."""
        calibration = self.result.calibration
        return self.parent.threshold if calibration is None else calibration.facts()


def run_recalibration(
    registry: Registry,
    detector: str,
    reference: str,
    source: NewerData,
    spans: Sequence[Span],
    bounds: RecalibrationSettings,
    reason: str = "",
    dry_run: bool = False,
    now: datetime | None = None,
) -> RecalibrationRun:
    """Judges newer readings by a bundle, and publishes a child with thresholds that fit them where they may be moved.

    Args:
        reference: a version or an alias.
        spans: not to be learned from.
        reason: for the registry's history.
        dry_run: nothing is published.
        now: the child's time; None for this instant.

    Raises:
        BundleError: there is no such version, it keeps no levels, or the data lack its sensors.
        DataError: the data cannot be read.
    """
    folder = registry.folder(detector, reference)
    parent, definition = load(folder)
    given = bundle_thresholds(folder, parent, definition)
    observed = (
        read_scores(definition, source.scores)
        if source.data is None and source.scores is not None
        else score_readings(definition, source.data or Path(), source.hints)
    )
    known = definition.thresholds.names[:-1]
    sifted = select_levels(observed, spans, frozenset(known), learned_until(parent), given.kept.block)
    seen = _seen(definition, observed, sifted, given.kept.block)
    result = recalibrate(given, seen, bounds, parent.threshold.share_above)
    facts = msgspec.structs.replace(observed.facts, frames=sifted.counts, excluded_spans=len(spans))
    renewed = RecalibrationRun(parent, result, facts, None)
    if result.refused or dry_run:
        return renewed
    child = _child(renewed, bounds, now or datetime.now(UTC))
    _, written = publish_child(registry, folder, parent, child, "calibrate", reason, result.table)
    return replace(renewed, child=written)


def bundle_thresholds(folder: Path, manifest: Manifest, definition: Definition) -> BundleThresholds:
    """A bundle's thresholds and what they rest on.

    Raises:
        BundleError: it keeps no levels, or does not say what it promises.
    """
    return BundleThresholds(
        table=definition.thresholds,
        kept=stored_levels_of(folder, manifest, definition.thresholds),
        grid=stored_grid(calibration_levels(folder)),
        rules=definition.rules,
        promise=promise_of(manifest),
        seed=manifest.seeds[0],
    )


def _seen(definition: Definition, observed: NewerReadings, sifted: Selection, block: int) -> Evidence:
    """The same in the order of the bundle's series."""
    framed, names = observed.framed, definition.thresholds.names[:-1]
    place = {name: s for s, name in enumerate(names)}
    own = np.array([place.get(name, len(names)) for name in framed.names], np.int64)
    scored, exceeding = sifted.usual & np.isfinite(observed.score), observed.score > EXCEEDS

    def count(which: np.ndarray) -> np.ndarray:
        return np.bincount(own[framed.series], which, len(names) + 1)[:-1]

    scales = definition.scales
    return Evidence(
        levels=_renumbered(sifted.levels, own, names),
        usual=count(sifted.usual),
        scored=count(scored),
        exceeding=count(scored & exceeding),
        above=batch_means.mean(exceeding[scored].astype(np.float64), batch_means.batches(framed.series[scored], block))
        if scored.any()
        else Estimate(0.0, 0.0, 0.0),
        sensors=sensor_drifts(framed, sifted.usual, scales, definition.sensors, block),
        flat=frozenset(
            (scales.names[row], definition.sensors[sensor]) for row, sensor in np.argwhere(scales.scale == 1.0).tolist()
        ),
    )


def _renumbered(levels: Levels, own: Int64s, names: tuple[str, ...]) -> Levels:
    series = own[levels.series].astype(np.int32)
    return replace(levels, names=names, series=series).rows(np.argsort(series, kind="stable"))


def _child(renewed: RecalibrationRun, bounds: RecalibrationSettings, now: datetime) -> Manifest:
    """The manifest of a child that is not written yet."""
    version, created_at = stamp(now)
    parent, result = renewed.parent, renewed.result
    return msgspec.structs.replace(
        parent,
        version=version,
        created_at=created_at,
        threshold_q=result.table.q,
        threshold=renewed.threshold,
        amended={},
        calibrated_at="",
        recalibrated=RecalibrationFacts(
            before=calibrated_at(parent),
            data=renewed.facts,
            bounds=BoundsFacts(**bounds.model_dump()),
            step=result.step,
            series=dict(result.drift.counts),
            drift=result.pool,
        ),
    )
