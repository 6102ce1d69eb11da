"""`narrows models amend`: a child version with other rules or thresholds and the same weights.

Values that are not given stay those of the parent. The threshold is computed from the levels that the parent stores,
under the child's rules: a promise counts incidents, and rules decide when an incident ends.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

from stream.detect.definition import Definition
from stream.detect.incidents.threshold import ThresholdTable
from stream.detect.policy import Rules
from stream.errors import ConfigError
from stream.registry.bundle import load
from stream.registry.manifest import Change, Manifest, calibrated_at
from stream.registry.registry import Registry
from stream.settings.detection import RuleSettings, ThresholdSettings
from training.calibration.calibrate import PROMISES, Calibration
from training.calibration.severity import with_severity
from training.defaults import choose_rules
from training.publish import stamp
from training.revision.child import promise_of, publish_child, thresholds_for

EDGES, RARITY = "rules.severity_edges", "rules.severity_rarity"
# Rules that can be changed without training: the setting, and the field of the bundle's rules.
RULES = {
    "close_after": "close_after",
    "close_ratio": "close_ratio",
    "update_every": "update_every_ns",
    "max_duration": "max_duration_ns",
    "severity_edges": "severity_edges",
    "top_sensors": "top_sensors",
}


@dataclass(frozen=True)
class Amendment:
    """The values to set: those of `names`, such as `rules.close_after`, as the two sections have them."""

    rules: RuleSettings
    threshold: ThresholdSettings
    names: frozenset[str]


@dataclass(frozen=True)
class AmendedBundle:
    """A child version, the manifest of its parent, and the child's threshold."""

    folder: Path
    parent: Manifest
    manifest: Manifest
    calibration: Calibration


def amend(
    registry: Registry,
    detector: str,
    reference: str,
    amendment: Amendment,
    reason: str = "",
    now: datetime | None = None,
) -> AmendedBundle:
    """Publishes a child of a version, verifies it, and points `candidate` to it unless the gate refused the weights.

    Args:
        reference: a version or an alias.
        reason: for the registry's history.
        now: the child's time; None for this instant.

    Raises:
        ConfigError: nothing would differ, or the promise is not one of the method in force.
        BundleError: there is no such version, it was altered, or it stores no levels.
        DataError: the stored levels do not support the promise.
    """
    folder = registry.folder(detector, reference)
    parent, definition = load(folder)
    rules = _rules(parent, amendment)
    threshold = _threshold(parent, amendment)
    rarity = _rarity(parent, amendment)
    amended = _changes(parent, rules, threshold, rarity)
    if not amended:
        raise ConfigError(f"models amend: {parent.version} has all of these values already; set one that differs")
    levels, calibration, learning = thresholds_for(folder, parent, definition, rules, threshold)
    calibration, rules = with_severity(levels, calibration, rules, rarity, parent.seeds[0])
    version, created_at = stamp(now or datetime.now(UTC))
    manifest = msgspec.structs.replace(
        parent,
        version=version,
        created_at=created_at,
        rules=rules,
        threshold_q=calibration.table.q,
        threshold=calibration.facts(),
        amended=amended,
        calibrated_at=calibrated_at(parent),
        learning=learning,
    )
    table = _changed_table(definition, calibration)
    child, written = publish_child(registry, folder, parent, manifest, "amend", reason, table)
    return AmendedBundle(child, parent, written, calibration)


def _changed_table(definition: Definition, calibration: Calibration) -> ThresholdTable | None:
    """The thresholds of each series, None where only their common q differs from the parent's."""
    before, after = definition.thresholds, calibration.table
    return None if before.usual is after.usual and np.array_equal(before.scale, after.scale) else after


def _rules(parent: Manifest, amendment: Amendment) -> Rules:
    """The parent's rules with the amended values; options left open follow from the parent."""
    chosen = choose_rules(amendment.rules, parent.policy, parent.model)
    changes = {field: getattr(chosen, field) for name, field in RULES.items() if f"rules.{name}" in amendment.names}
    return msgspec.structs.replace(parent.rules, **changes)


def _rarity(parent: Manifest, amendment: Amendment) -> tuple[float, float, float] | None:
    """The rarity of severities in force: edges that are given win, else the parent's holds unless it is amended."""
    severity, given = parent.threshold.severity, amendment.rules
    before = None if severity is None else severity.rarity
    if EDGES in amendment.names and given.severity_edges is not None:
        return None
    if RARITY in amendment.names:
        return given.severity_rarity
    return given.severity_rarity if before is None and EDGES in amendment.names else before


def _threshold(parent: Manifest, amendment: Amendment) -> ThresholdSettings:
    """The parent's promise with the amended values.

    Raises:
        ConfigError: a promise of another method than the one in force.
    """
    given = {name: value for name, value in amendment.threshold if f"threshold.{name}" in amendment.names}
    learns = parent.learning is not None
    options = promise_of(parent).model_copy(update={"learn": learns} | given)
    if options.learn and not learns:
        raise ConfigError(f"models amend: thresholds of {parent.version} were trained to stay; train to let them learn")
    idle = [name for method, name in PROMISES.items() if name in given and method != options.method]
    if idle:
        (method,) = (method for method, name in PROMISES.items() if name == idle[0])
        raise ConfigError(
            f"models amend: threshold.{idle[0]} has no effect where threshold.method is {options.method}; "
            f"add --set threshold.method={method}"
        )
    return options


def _changes(
    parent: Manifest, rules: Rules, threshold: ThresholdSettings, rarity: tuple[float, float, float] | None
) -> dict[str, Change]:
    """Differences from the parent, by the names of the configuration; durations in ns."""
    before, promise = promise_of(parent), PROMISES[threshold.method]
    old = {f"rules.{name}": value for name, value in msgspec.structs.asdict(parent.rules).items()}
    new = {f"rules.{name}": value for name, value in msgspec.structs.asdict(rules).items()}
    severity = parent.threshold.severity
    old[RARITY], new[RARITY] = None if severity is None else severity.rarity, rarity
    for values in (old, new):  # edges that follow from the rarity are no setting
        values[EDGES] = values[EDGES] if values[RARITY] is None else None
    old["threshold.method"], new["threshold.method"] = before.method, threshold.method
    old["threshold.learn"], new["threshold.learn"] = parent.learning is not None, threshold.learn
    old[f"threshold.{promise}"] = getattr(before, promise) if threshold.method == before.method else None
    new[f"threshold.{promise}"] = getattr(threshold, promise)
    return {name: Change(old[name], value) for name, value in new.items() if old[name] != value}
