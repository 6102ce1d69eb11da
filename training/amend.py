"""`models amend`: a child version with other rules or thresholds and the same weights.

What is not asked for stays as the parent has it. The threshold follows from the levels that the parent keeps, with the
child's rules in force: a promise on alerts is one on incidents, and rules say when one ends.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from stream.bundle import Change, Manifest, calibration_levels, load, write_child
from stream.detect.policy import Rules
from stream.errors import BundleError, ConfigError
from stream.registry import CANDIDATE, Registry
from training.calibrate import Calibration, calibrate_kept
from training.choose import choose_rules
from training.kept import restored
from training.options import RuleOptions, ThresholdOptions
from training.pipeline import stamp

# What measures the threshold of the parent, and was not measured of the child's.
OF_THE_THRESHOLD = ("gate", "strength")
PROMISES = {"budget": "alerts_per_week", "percentile": "percentile"}


@dataclass(frozen=True)
class Wanted:
    """What shall change: fields of `RuleOptions` (None: chosen from the parent) and of `ThresholdOptions`."""

    rules: Mapping[str, Any]
    threshold: Mapping[str, Any]


@dataclass(frozen=True)
class Amended:
    """A child version, the manifest of its parent, and the child's threshold."""

    folder: Path
    parent: Manifest
    manifest: Manifest
    calibration: Calibration


def amend(
    registry: Registry, detector: str, reference: str, wanted: Wanted, reason: str = "", now: datetime | None = None
) -> Amended:
    """Publishes a child of a version, verifies it, and lets `candidate` point to it.

    Args:
        reference: a version or an alias.
        reason: for the registry's history.
        now: the child's time; None for this instant.

    Raises:
        ConfigError: nothing would differ, or a promise is given that the method does not look at.
        BundleError: there is no such version, it was altered, or it keeps no levels to compute thresholds from.
        DataError: the kept levels do not support the promise.
    """
    folder = registry.folder(detector, reference)
    parent, definition = load(folder)
    rules = choose_rules(RuleOptions(**{**_options(parent.rules), **wanted.rules}), parent.policy, parent.model)
    threshold = _threshold(parent, wanted)
    amended = _changes(parent, rules, threshold)
    if not amended:
        raise ConfigError(f"models amend: {parent.version} has all of these values already; set one that differs")
    block = parent.model.window + parent.model.smoothing
    levels = restored(calibration_levels(folder), definition.thresholds, block, _fact(parent, "weeks"))
    calibration = calibrate_kept(levels, definition.thresholds, rules, threshold, parent.seeds[0])
    version, created_at = stamp(now or datetime.now(UTC))
    manifest = msgspec.structs.replace(
        parent,
        version=version,
        created_at=created_at,
        rules=rules,
        threshold_q=calibration.table.q,
        threshold=calibration.facts(),
        metrics={name: value for name, value in parent.metrics.items() if name not in OF_THE_THRESHOLD},
        parent=parent.version,
        amended=amended,
    )
    child = registry.publish(detector, lambda scratch: write_child(scratch, folder, manifest))
    written, _ = load(child)
    registry.point(detector, CANDIDATE, written.version, "amend", reason)
    return Amended(child, parent, written, calibration)


def _options(rules: Rules) -> dict[str, Any]:
    """The parent's rules as options, none left open."""
    return msgspec.structs.asdict(rules)


def _threshold(parent: Manifest, wanted: Wanted) -> ThresholdOptions:
    """The parent's promise, with what is wanted in its place.

    Raises:
        ConfigError: a promise of another method than the one in force.
    """
    known = {"method": _fact(parent, "method"), PROMISES[_fact(parent, "method")]: _fact(parent, "promised")}
    options = replace(ThresholdOptions(), **{**known, **wanted.threshold})
    idle = [name for method, name in PROMISES.items() if name in wanted.threshold and method != options.method]
    if idle:
        (method,) = (method for method, name in PROMISES.items() if name == idle[0])
        raise ConfigError(
            f"models amend: threshold.{idle[0]} has no effect where threshold.method is {options.method}; "
            f"add --set threshold.method={method}"
        )
    return options


def _changes(parent: Manifest, rules: Rules, threshold: ThresholdOptions) -> dict[str, Change]:
    """What differs from the parent, by the names of the configuration; durations in ns."""
    old = {f"rules.{name}": value for name, value in _options(parent.rules).items()}
    new = {f"rules.{name}": value for name, value in _options(rules).items()}
    old["threshold.method"], new["threshold.method"] = _fact(parent, "method"), threshold.method
    promise = f"threshold.{PROMISES[threshold.method]}"
    new[promise] = asdict(threshold)[PROMISES[threshold.method]]
    old[promise] = _fact(parent, "promised") if threshold.method == _fact(parent, "method") else None
    return {name: Change(old[name], value) for name, value in new.items() if old[name] != value}


def _fact(parent: Manifest, name: str) -> Any:  # noqa: ANN401 - free-form facts of the manifest
    if name not in parent.threshold:
        raise BundleError(
            f"{parent.version}: its manifest does not say threshold.{name}, from which another threshold would follow; "
            "train again"
        )
    return parent.threshold[name]
