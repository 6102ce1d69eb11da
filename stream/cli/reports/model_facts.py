"""Facts about the bundles of a registry, as JSON can hold them: all of them, one, what differs between two."""

import math
from collections.abc import Mapping
from statistics import median
from typing import Any

import msgspec

from stream.detect.incidents.threshold import ThresholdTable
from stream.errors import BundleError
from stream.registry.alias_history import Move
from stream.registry.bundle import WEIGHTS, load
from stream.registry.manifest import Manifest, calibrated_at
from stream.registry.registry import ALIASES, PRODUCTION, Registry

Facts = dict[str, Any]
# What `difference` compares, by the names that `page` has for it.
COMPARED = ("sensors", "policy", "rules", "model", "threshold", "parts", "data")


def listed(registry: Registry, detector: str) -> list[Facts]:
    """A row for each version, oldest first; `fault` is set where its manifest cannot be read."""
    pointed = _aliases(registry, detector)
    return [_row(registry, detector, version, pointed) for version in registry.versions(detector)]


def page(registry: Registry, detector: str, reference: str) -> Facts:
    """Everything that a manifest says, with the threshold's q among the facts of the threshold.

    Raises:
        BundleError: there is no such version, or no manifest that can be read.
    """
    manifest = registry.manifest(detector, reference)
    return {
        "version": manifest.version,
        "detector": manifest.detector,
        "aliases": _aliases(registry, detector).get(manifest.version, []),
        "place": registry.place(detector, "versions", manifest.version),
        "created_at": manifest.created_at,
        "parent": manifest.parent,
        "amended": _plain(manifest.amended),
        "calibrated_at": calibrated_at(manifest),
        "recalibrated": manifest.recalibrated,
        **_sections(manifest),
        "metrics": manifest.metrics,
        "software": manifest.software,
        "files": {file.name: {"bytes": file.size, "sha256": file.sha256} for file in manifest.files},
    }


def difference(registry: Registry, detector: str, before: str, after: str) -> Facts:
    """What differs between two versions, both verified.

    `changes` maps names such as rules.close_after to {from, to}; a value that one of them lacks is null.

    Raises:
        BundleError: there is no such version, or it was altered.
    """
    (old, old_thresholds), (new, new_thresholds) = (_loaded(registry, detector, name) for name in (before, after))
    old_facts, new_facts = (flattened(_sections(manifest)) for manifest in (old, new))
    names = sorted(old_facts.keys() | new_facts.keys(), key=lambda name: (COMPARED.index(name.split(".")[0]), name))
    changes = {
        name: {"from": old_facts.get(name), "to": new_facts.get(name)}
        for name in names
        if old_facts.get(name) != new_facts.get(name)
    }
    return {
        "from": old.version,
        "to": new.version,
        "same_weights": _weights(old) == _weights(new),
        "changes": changes,
        "thresholds": _moved(old_thresholds, new_thresholds),
    }


def moved(move: Move | None, registry: Registry, detector: str) -> Facts:
    """What came of a promotion or rollback; `moved` is false where production pointed there already."""
    if move is None:
        return {"moved": False, "alias": PRODUCTION, "to": registry.alias(detector, PRODUCTION)}
    return {"moved": True, **_plain(move)}


def history(registry: Registry, detector: str) -> list[Facts]:
    """Every move of an alias, oldest first."""
    return [_plain(move) for move in registry.history(detector)]


def flattened(tree: Mapping[str, Any], above: str = "") -> Facts:
    """Nested mappings as one, its names joined by dots; empty ones vanish."""
    flat: Facts = {}
    for name, value in tree.items():
        flat |= flattened(value, f"{above}{name}.") if isinstance(value, Mapping) else {f"{above}{name}": value}
    return flat


def _row(registry: Registry, detector: str, version: str, pointed: Mapping[str, list[str]]) -> Facts:
    row: Facts = {"version": version, "aliases": pointed.get(version, [])}
    try:
        manifest = registry.manifest(detector, version)
    except BundleError as fault:
        return row | {"fault": str(fault)}
    return row | {
        "created_at": manifest.created_at,
        "model": manifest.model.kind,
        "threshold": _threshold(manifest),
        "gate": manifest.metrics.get("gate", {}).get("verdict"),
        "parent": manifest.parent,
        "fault": None,
    }


def _aliases(registry: Registry, detector: str) -> dict[str, list[str]]:
    """The aliases that point to each version."""
    found: dict[str, list[str]] = {}
    for alias in ALIASES:
        version = registry.alias(detector, alias)
        if version is not None:
            found.setdefault(version, []).append(alias)
    return found


def _sections(manifest: Manifest) -> Facts:
    data = dict(manifest.data)
    return {
        "sensors": list(manifest.sensors),
        "policy": _plain(manifest.policy),
        "rules": _plain(manifest.rules),
        "model": _plain(manifest.model) | {"seeds": list(manifest.seeds)},
        "threshold": _threshold(manifest),
        "parts": data.pop("frames", {}),
        "data": data,
    }


def _plain(record: object) -> Facts:
    """As JSON would have it: lists, not tuples; the names that records have on the wire."""
    plain: Facts = msgspec.json.decode(msgspec.json.encode(record))
    return plain


def _threshold(manifest: Manifest) -> Facts:
    return {"q": manifest.threshold_q, **manifest.threshold}


def _loaded(registry: Registry, detector: str, reference: str) -> tuple[Manifest, ThresholdTable]:
    manifest, definition = load(registry.folder(detector, reference))
    return manifest, definition.thresholds


def _weights(manifest: Manifest) -> str:
    return next(file.sha256 for file in manifest.files if file.name == WEIGHTS)


def _moved(old: ThresholdTable, new: ThresholdTable) -> Facts:
    """How far the threshold of each series went: `factor` is new / old; the pooled one is series ""."""
    known = set(new.names)
    rows: list[Facts] = [
        {"series": name, "from": old.of(name), "to": new.of(name), "factor": new.of(name) / old.of(name)}
        for name in old.names
        if name in known
    ]
    return {
        "median_factor": median(row["factor"] for row in rows),
        "series": sorted(rows, key=lambda row: -abs(math.log(row["factor"]))),
        "only_from": sorted(set(old.names) - set(new.names)),
        "only_to": sorted(set(new.names) - set(old.names)),
    }
