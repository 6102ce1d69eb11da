"""The manifest of a bundle: a typed JSON document with its settings, its origin and the hashes of its files."""

from pathlib import Path
from typing import Any

import msgspec

from stream.detect.forms.stillness import Paths
from stream.detect.model.ensemble import Ensemble
from stream.detect.policy import FramePolicy, Learning, ModelSpec, Rules
from stream.errors import BundleError
from stream.registry.manifest_facts import DataFacts, MetricFacts, ThresholdFacts
from stream.registry.recalibration_facts import RecalibrationFacts

FORMAT = 2
MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 16 << 20
# Fields that the first bundles of this format lack, and the values that they were trained and scored with.
ADDED: dict[str, dict[str, object]] = {
    "policy": {"close_complete": True, "valid": [], "sentinels": [], "beyond_clip": "cut", "restart_after": 20},
    "rules": {"sensors": []},
    "model": {"beta": 0.1, "discriminator": 0, "clip": None},
}


class FileEntry(msgspec.Struct, frozen=True):
    """One file of the bundle: size in bytes and sha256 in hex."""

    name: str
    size: int
    sha256: str


class Change(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """A changed setting: its values as in a configuration; None where it was not set."""

    before: Any
    after: Any


class ViewUnits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Units of the errors in two views of a window.

    Attributes:
        newest_spread: unit of each sensor's error in the newest frame: its mean on held-out normal data.
        tails: unit of the newest frame's error, and of the window's: 1 of 100 held-out normal windows exceeds it.
    """

    newest_spread: tuple[float, ...]
    tails: tuple[float, ...]

    @classmethod
    def of(cls, ensemble: Ensemble) -> "ViewUnits | None":
        """The units of an ensemble; None where it has one view."""
        if len(ensemble.spec.views) == 1:
            return None
        return cls(tuple(ensemble.error_scales[0].tolist()), tuple(ensemble.tails.tolist()))


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings and origin of a bundle.

    `threshold`, `data`, `metrics`, `software` and `recalibrated` are facts for people and tools: no score depends on
    them.

    Attributes:
        version: time stamp and hash; also the name of the bundle's folder.
        created_at: RFC 3339, UTC.
        seeds: seed of each member.
        error_spread: unit of each sensor's error, in the order of `sensors`: its mean on held-out normal data. Of the
            errors over the window, where there are two views.
        views: units of two views; None where there is one.
        paths: shortest paths of the sensors, for the view of stillness; None where there is none.
        threshold_q: the threshold in scales.
        parent: the version with the same weights that this one was made from by `models amend` or `recalibrate`.
        amended: settings that differ from the parent, by their names in the configuration.
        usual_disagreement: disagreement of the members that 99 of 100 held-out normal frames do not exceed.
        calibrated_at: time at which data last set the thresholds; "": `created_at`.
        recalibrated: the recalibration that made this version; empty for any other.
        learning: the way in which thresholds follow the series' own levels; None: they stay as they were trained.
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
    views: ViewUnits | None = None
    paths: Paths | None = None
    learning: Learning | None = None

    @property
    def threshold_report(self) -> ThresholdFacts:
        """`threshold` with its q, as reports show it."""
        return msgspec.structs.replace(self.threshold, q=self.threshold_q)


class _Format(msgspec.Struct):
    """The field that manifests of all formats share."""

    format: int


def calibrated_at(manifest: Manifest) -> str:
    """Time at which data last set, or confirmed, the thresholds: RFC 3339, UTC."""
    return manifest.calibrated_at or manifest.created_at


def read_manifest(folder: Path) -> Manifest:
    """Reads the manifest of a bundle and verifies no file.

    Raises:
        BundleError: there is no manifest, or none that this version reads.
    """
    return parse_manifest(manifest_bytes(folder), str(folder / MANIFEST))


def manifest_bytes(folder: Path) -> bytes:
    """Reads the bytes of a bundle's manifest.

    Raises:
        BundleError: there is no manifest, or it is too large.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(f"{folder}: no {MANIFEST}; not a bundle, or one whose writing was cut short: train again")
    if path.stat().st_size > MAX_MANIFEST_BYTES:
        raise BundleError(f"{path}: {path.stat().st_size} bytes, at most {MAX_MANIFEST_BYTES} expected; not a manifest")
    return path.read_bytes()


def parse_manifest(data: bytes, path: str) -> Manifest:
    """Parses a manifest; `path` names it in errors.

    Raises:
        BundleError: it is no manifest that this version reads.
    """
    try:
        seen = msgspec.json.decode(data, type=_Format).format
        if seen != FORMAT:
            raise BundleError(f"{path}: format {seen}, this version reads {FORMAT}; {_remedy(seen)}")
        document = msgspec.json.decode(data)
        for section, fields in ADDED.items():
            if isinstance(document.get(section), dict):
                document[section] = fields | document[section]
        return msgspec.convert(document, Manifest)
    except msgspec.MsgspecError as fault:
        raise BundleError(f"{path}: not a manifest this version reads ({fault}); train again") from fault


def _remedy(seen: int) -> str:
    if seen < FORMAT:
        return "train again with this version, or serve it with the version that made it"
    return "upgrade narrows, or train again with this version"
