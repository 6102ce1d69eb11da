"""Child versions: the weights of the parent with other rules or thresholds. Amendment and recalibration make them."""

from dataclasses import replace
from pathlib import Path

import msgspec

from stream.detect.definition import Definition
from stream.detect.incidents.threshold import ThresholdTable
from stream.detect.policy import Learning, Rules
from stream.errors import BundleError
from stream.registry.alias_history import Action
from stream.registry.bundle import calibration_levels, load, write_child
from stream.registry.manifest import Manifest
from stream.registry.manifest_facts import Method
from stream.registry.registry import CANDIDATE, Registry
from stream.settings.detection import ThresholdSettings
from training.calibration.calibrate import PROMISES, Calibration, calibrate_stored
from training.calibration.stored_levels import StoredLevels, restored_levels
from training.calibration.usual import with_promise
from training.gate.criteria import inherited


def publish_child(
    registry: Registry,
    folder: Path,
    parent: Manifest,
    manifest: Manifest,
    action: Action,
    reason: str,
    thresholds: ThresholdTable | None = None,
) -> tuple[Path, Manifest]:
    """Publishes a child of the bundle in `folder`, verifies it, and points its aliases to it.

    Args:
        manifest: of the child; `parent` and `metrics` are filled in here.
        thresholds: of the child; None: those of the parent.

    Raises:
        BundleError: the parent was altered, or there is such a version.
    """
    manifest = msgspec.structs.replace(manifest, parent=parent.version, metrics=inherited(parent))
    child = registry.publish(parent.detector, lambda scratch: write_child(scratch, folder, manifest, thresholds))
    written, _ = load(child)
    for alias in aliases_of(written):
        registry.point(parent.detector, alias, written.version, action, reason)
    return child, written


def aliases_of(child: Manifest) -> tuple[str, ...]:
    """Aliases that point to a published child: none where the gate refused its weights, which are its parent's."""
    return () if child.metrics.gate.refused else (CANDIDATE,)


def stored_levels_of(folder: Path, manifest: Manifest, thresholds: ThresholdTable) -> StoredLevels:
    """Reads the calibration levels that a bundle stores.

    Raises:
        BundleError: its manifest does not say how many weeks they cover.
    """
    block = manifest.model.block
    weeks, rate = manifest.threshold.weeks, manifest.threshold.rate
    if weeks is None:
        raise _not_recorded(manifest, "weeks")
    return restored_levels(calibration_levels(folder), thresholds, block, weeks, 1.0 if rate is None else rate)


def thresholds_for(
    folder: Path, manifest: Manifest, definition: Definition, rules: Rules, options: ThresholdSettings
) -> tuple[StoredLevels, Calibration, Learning | None]:
    """Computes thresholds for other rules or another promise from the levels that a bundle stores.

    Returns:
        The levels relative to the new scales, the thresholds, and the way in which they learn.

    Raises:
        BundleError: the manifest does not say how many weeks the levels cover.
        DataError: the stored levels do not support the promise.
    """
    before = definition.thresholds
    levels = stored_levels_of(folder, manifest, before)
    table, learning = with_promise(before, definition.learning, options, manifest.policy.interval_ns)
    if learning is not None and table.trained is not None:
        higher = table.scale / table.trained
        level, complete_from = levels.level / higher[levels.series], levels.complete_from / float(higher.min())
        levels = replace(levels, level=level, complete_from=complete_from)
    return levels, calibrate_stored(levels, table, rules, options, manifest.seeds[0]), learning


def promise_of(manifest: Manifest, in_force: bool = False) -> ThresholdSettings:
    """The promise of a bundle's threshold, as settings: the one asked for, or the one in force.

    Raises:
        BundleError: its manifest does not say.
    """
    threshold = manifest.threshold
    method, promised = threshold.method, threshold.kept if in_force else threshold.promised
    if method is None or promised is None:
        raise _not_recorded(manifest, "method" if method is None else "promised")
    return threshold_settings(method, promised)


def threshold_settings(method: Method, promised: float) -> ThresholdSettings:
    """Settings that promise `promised` alerts per series and week, or that percentile."""
    return ThresholdSettings().model_copy(update={"method": method, PROMISES[method]: promised})


def _not_recorded(manifest: Manifest, name: str) -> BundleError:
    return BundleError(
        f"{manifest.version}: its manifest does not say threshold.{name}, which another threshold needs; train again"
    )
