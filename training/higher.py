"""Higher thresholds that a bundle's kept levels give: how much less one would have to promise for each."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stream.errors import BundleError, DataError
from stream.registry.bundle import load
from stream.registry.manifest import Manifest
from training.calibration.calibrate import calibrate_kept
from training.options import ThresholdOptions
from training.revision.child import kept_by

HALVINGS = 6
NEEDED = ("method", "promised", "weeks")


def higher_thresholds(folder: Path, manifest: Manifest) -> Iterator[tuple[str, float]]:
    """Settings for `models amend`, and how many times as high the threshold gets by each; ascending.

    Each halves what may exceed the one before: alerts per week, or the share of levels above the percentile.

    Raises:
        BundleError: the bundle was altered, or does not say what its threshold rests on.
    """
    absent = [name for name in NEEDED if name not in manifest.threshold]
    if absent:
        raise BundleError(f"{manifest.version}: its manifest does not say threshold.{absent[0]}; train again")
    _, definition = load(folder)
    levels = kept_by(folder, manifest, definition.thresholds)
    highest = 1.0
    for name, value in _promises(manifest.threshold):
        options = ThresholdOptions(**{"method": manifest.threshold["method"], name: value})
        try:
            found = calibrate_kept(levels, definition.thresholds, manifest.rules, options, manifest.seeds[0])
        except DataError:
            return  # the levels support nothing higher either
        factor = found.table.q / manifest.threshold_q
        if factor > highest:
            highest = factor
            yield f"threshold.{name}={value:g}", factor


def _promises(threshold: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    promised = threshold["promised"]
    for halved in range(1, HALVINGS + 1):
        if threshold["method"] == "budget":
            yield "alerts_per_week", float(f"{promised / 2**halved:.3g}")
        else:
            yield "percentile", float(f"{100.0 - (100.0 - promised) / 2**halved:.6g}")
