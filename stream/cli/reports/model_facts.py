"""Facts about the bundles of a registry, for JSON and for tables: all bundles, one bundle, the difference of two."""

import math
from collections.abc import Mapping
from statistics import median

import msgspec
from msgspec import UNSET, UnsetType

from stream.detect.incidents.threshold import ThresholdTable
from stream.detect.policy import FramePolicy, ModelSpec, Rules
from stream.errors import BundleError
from stream.registry.alias_history import AliasChange
from stream.registry.bundle import WEIGHTS, load
from stream.registry.manifest import Change, Manifest, calibrated_at
from stream.registry.manifest_facts import DataFacts, MetricFacts, ThresholdFacts
from stream.registry.recalibration_facts import RecalibrationFacts
from stream.registry.registry import ALIASES, PRODUCTION, Registry


class ModelRow(msgspec.Struct, frozen=True, kw_only=True):
    """One version in a list. Where `fault` is set, the manifest cannot be read and the other facts are absent."""

    version: str
    aliases: list[str]
    created_at: str | UnsetType = UNSET
    model: str | UnsetType = UNSET
    threshold: ThresholdFacts | UnsetType = UNSET
    gate: str | UnsetType | None = UNSET
    parent: str | UnsetType | None = UNSET
    fault: str | None


class ModelSection(ModelSpec, frozen=True, kw_only=True):
    """The model with the seeds of its members."""

    seeds: tuple[int, ...]


class Sections(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a manifest that `difference` compares, in its order; `parts` counts frames."""

    sensors: tuple[str, ...]
    policy: FramePolicy
    rules: Rules
    model: ModelSection
    threshold: ThresholdFacts
    parts: dict[str, int]
    data: DataFacts


class FileFacts(msgspec.Struct, frozen=True):
    """Size and hash of a file of the bundle."""

    bytes: int
    sha256: str


class ModelPage(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a manifest says."""

    version: str
    detector: str
    aliases: list[str]
    place: str
    created_at: str
    parent: str | None
    amended: dict[str, Change]
    calibrated_at: str
    recalibrated: RecalibrationFacts
    sensors: tuple[str, ...]
    policy: FramePolicy
    rules: Rules
    model: ModelSection
    threshold: ThresholdFacts
    parts: dict[str, int]
    data: DataFacts
    metrics: MetricFacts
    software: dict[str, str]
    files: dict[str, FileFacts]


class ThresholdMove(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """The threshold of a series in two versions; `factor` is new / old. The series "" is the pooled threshold."""

    series: str
    before: float
    after: float
    factor: float


class ThresholdMoves(msgspec.Struct, frozen=True):
    """The thresholds of the series that both versions have, those that moved most first; and the other series."""

    median_factor: float
    series: list[ThresholdMove]
    only_from: list[str]
    only_to: list[str]


class ModelDifference(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """The difference of two versions.

    Attributes:
        changes: by names such as rules.close_after; a value that one of the versions lacks is None.
    """

    before: str
    after: str
    same_weights: bool
    changes: dict[str, Change]
    thresholds: ThresholdMoves


class AliasOutcome(msgspec.Struct, frozen=True, kw_only=True, rename={"before": "from", "after": "to"}):
    """Result of a promotion or rollback; `moved` is false where production pointed there already."""

    moved: bool
    time: str | UnsetType = UNSET
    alias: str
    before: str | UnsetType | None = UNSET
    after: str | None
    action: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET


def listed(registry: Registry, detector: str) -> list[ModelRow]:
    """Lists the versions, oldest first."""
    pointed = _aliases(registry, detector)
    return [_row(registry, detector, version, pointed) for version in registry.versions(detector)]


def page(registry: Registry, detector: str, reference: str) -> ModelPage:
    """Reads everything that the manifest of a version says.

    Raises:
        BundleError: the version does not exist, or its manifest cannot be read.
    """
    manifest = registry.manifest(detector, reference)
    return ModelPage(
        version=manifest.version,
        detector=manifest.detector,
        aliases=_aliases(registry, detector).get(manifest.version, []),
        place=registry.place(detector, "versions", manifest.version),
        created_at=manifest.created_at,
        parent=manifest.parent,
        amended=manifest.amended,
        calibrated_at=calibrated_at(manifest),
        recalibrated=manifest.recalibrated,
        **msgspec.structs.asdict(_sections(manifest)),
        metrics=manifest.metrics,
        software=manifest.software,
        files={file.name: FileFacts(file.size, file.sha256) for file in manifest.files},
    )


def difference(registry: Registry, detector: str, before: str, after: str) -> ModelDifference:
    """Compares two versions, after it has verified both.

    Raises:
        BundleError: a version does not exist, or its files were altered.
    """
    (old, old_thresholds), (new, new_thresholds) = (_loaded(registry, detector, name) for name in (before, after))
    old_facts, new_facts = (flattened(plain(_sections(manifest))) for manifest in (old, new))
    order = Sections.__struct_fields__
    names = sorted(old_facts.keys() | new_facts.keys(), key=lambda name: (order.index(name.split(".")[0]), name))
    changes = {
        name: Change(old_facts.get(name), new_facts.get(name))
        for name in names
        if old_facts.get(name) != new_facts.get(name)
    }
    return ModelDifference(
        before=old.version,
        after=new.version,
        same_weights=_weights(old) == _weights(new),
        changes=changes,
        thresholds=_moves(old_thresholds, new_thresholds),
    )


def outcome(change: AliasChange | None, registry: Registry, detector: str) -> AliasOutcome:
    """Makes the result of a promotion or rollback; `change` is None where production pointed there already."""
    if change is None:
        return AliasOutcome(moved=False, alias=PRODUCTION, after=registry.alias(detector, PRODUCTION))
    return AliasOutcome(moved=True, **msgspec.structs.asdict(change))


def plain(record: msgspec.Struct) -> dict[str, object]:
    """Converts a record to parsed JSON: lists instead of tuples, the names of its JSON keys."""
    tree: dict[str, object] = msgspec.json.decode(msgspec.json.encode(record))
    return tree


def flattened(tree: Mapping[str, object], above: str = "") -> dict[str, object]:
    """Turns nested mappings into one, with names joined by dots; empty mappings vanish."""
    flat: dict[str, object] = {}
    for name, value in tree.items():
        flat |= flattened(value, f"{above}{name}.") if isinstance(value, Mapping) else {f"{above}{name}": value}
    return flat


def _row(registry: Registry, detector: str, version: str, pointed: Mapping[str, list[str]]) -> ModelRow:
    aliases = pointed.get(version, [])
    try:
        manifest = registry.manifest(detector, version)
    except BundleError as error:
        return ModelRow(version=version, aliases=aliases, fault=str(error))
    return ModelRow(
        version=version,
        aliases=aliases,
        created_at=manifest.created_at,
        model=manifest.model.kind,
        threshold=manifest.threshold_report,
        gate=manifest.metrics.gate.verdict,
        parent=manifest.parent,
        fault=None,
    )


def _aliases(registry: Registry, detector: str) -> dict[str, list[str]]:
    """Lists the aliases that point to each version."""
    aliases: dict[str, list[str]] = {}
    for alias in ALIASES:
        version = registry.alias(detector, alias)
        if version is not None:
            aliases.setdefault(version, []).append(alias)
    return aliases


def _sections(manifest: Manifest) -> Sections:
    return Sections(
        sensors=manifest.sensors,
        policy=manifest.policy,
        rules=manifest.rules,
        model=ModelSection(**msgspec.structs.asdict(manifest.model), seeds=manifest.seeds),
        threshold=manifest.threshold_report,
        parts=manifest.data.frames,
        data=msgspec.structs.replace(manifest.data, frames={}),
    )


def _loaded(registry: Registry, detector: str, reference: str) -> tuple[Manifest, ThresholdTable]:
    manifest, definition = load(registry.folder(detector, reference))
    return manifest, definition.thresholds


def _weights(manifest: Manifest) -> str:
    return next(file.sha256 for file in manifest.files if file.name == WEIGHTS)


def _moves(old: ThresholdTable, new: ThresholdTable) -> ThresholdMoves:
    known = set(new.names)
    rows = [
        ThresholdMove(name, old.of(name), new.of(name), new.of(name) / old.of(name))
        for name in old.names
        if name in known
    ]
    return ThresholdMoves(
        median_factor=median(row.factor for row in rows),
        series=sorted(rows, key=lambda row: -abs(math.log(row.factor))),
        only_from=sorted(set(old.names) - set(new.names)),
        only_to=sorted(set(new.names) - set(old.names)),
    )
