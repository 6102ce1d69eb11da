"""The manifest of a bundle: what the bundle is, and where it comes from. One typed JSON document."""

from pathlib import Path
from typing import Any

import msgspec

from stream.detect.policy import FramePolicy, ModelSpec, Rules
from stream.errors import BundleError
from stream.registry.manifest_facts import DataFacts, MetricFacts, ThresholdFacts
from stream.registry.recalibration_facts import RecalibrationFacts

FORMAT = 2
MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 16 << 20
# Fields that the first bundles of this format lack, and the values that they were trained and scored with.
ADDED: dict[str, dict[str, object]] = {
    "policy": {"close_complete": True, "valid": []},
    "rules": {"sensors": []},
    "model": {"beta": 0.1, "discriminator": 0},
}


class FileEntry(msgspec.Struct, frozen=True):
    """One file of the bundle: size in bytes and sha256 in hex."""

    name: str
    size: int
    sha256: str


class Change(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """A setting that `narrows models amend` changed, as a configuration would say it."""

    before: Any
    after: Any


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the bundle is and where it comes from.

    `error_spread` is the unit of each sensor's error, in the order of `sensors`: its mean on held-out normal data.
    `parent` is the version that this one was amended from, by the settings in `amended`, or whose thresholds were
    calibrated anew, as `recalibrated` tells; it has the same weights. `calibrated_at` is when data last set its
    thresholds; "": when it was made. `threshold`, `data`, `metrics` and `software` are for people and tools; scores
    depend on none of them. `usual_disagreement` is what the members' disagreement does not exceed in 99 of 100 held-out
    normal frames.
    """

    format: int
    detector: str
    version: str
    created_at: str
    sensors: tuple[str, ...]
    policy: FramePolicy
    rules: Rules
    model: ModelSpec
    seeds: tuple[int, ...]
    error_spread: tuple[float, ...]
    threshold_q: float
    threshold: ThresholdFacts
    data: DataFacts
    metrics: MetricFacts
    software: dict[str, str]
    parent: str | None
    files: tuple[FileEntry, ...]
    amended: dict[str, Change] = {}
    usual_disagreement: float = 1.0
    calibrated_at: str = ""
    recalibrated: RecalibrationFacts = RecalibrationFacts()

    @property
    def threshold_report(self) -> ThresholdFacts:
        """`threshold` with its q, as reports show it."""
        return msgspec.structs.replace(self.threshold, q=self.threshold_q)


class _Format(msgspec.Struct):
    """The one field that manifests of all versions share."""

    format: int


def calibrated_at(manifest: Manifest) -> str:
    """When data last set, or confirmed, the thresholds: RFC 3339, UTC."""
    return manifest.calibrated_at or manifest.created_at


def read_manifest(folder: Path) -> Manifest:
    """The manifest alone, unverified files.

    Raises:
        BundleError: there is none, or it is not one of ours.
    """
    return parse_manifest(manifest_bytes(folder), str(folder / MANIFEST))


def manifest_bytes(folder: Path) -> bytes:
    """Reads the JSON of a bundle's manifest.

    Raises:
        BundleError: there is none, or it is too large to be one.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(f"{folder}: no {MANIFEST}; not a bundle, or one whose writing was cut short: train again")
    if path.stat().st_size > MAX_MANIFEST_BYTES:
        raise BundleError(f"{path}: {path.stat().st_size} bytes, at most {MAX_MANIFEST_BYTES} expected; not a manifest")
    return path.read_bytes()


def parse_manifest(data: bytes, path: str) -> Manifest:
    """The manifest that `data` is; `path` names it in errors.

    Raises:
        BundleError: it is not one of ours.
    """
    try:
        found = msgspec.json.decode(data, type=_Format).format
        if found != FORMAT:  # what else it says is not for this version to read
            raise BundleError(f"{path}: format {found}, this version reads {FORMAT}; {_remedy(found)}")
        document = msgspec.json.decode(data)
        for section, fields in ADDED.items():
            if isinstance(document.get(section), dict):
                document[section] = fields | document[section]
        return msgspec.convert(document, Manifest)
    except msgspec.MsgspecError as fault:
        raise BundleError(f"{path}: not a manifest this version reads ({fault}); train again") from fault


def _remedy(found: int) -> str:
    if found < FORMAT:
        return "train again with this version, or serve it with the version that made it"
    return "upgrade narrows, or train again with this version"
