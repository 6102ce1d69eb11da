"""Bundles: writes, verifies and loads immutable folders with everything that determines a score.

Loading runs no code: weights are safetensors, tables are Parquet, the manifest is typed JSON. The manifest is written
last: a folder without one is not a bundle. Every listed file is hashed, and an unlisted file is refused.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from stream.detect.definition import Definition
from stream.detect.forms.forms import Forms, weights_apart
from stream.detect.forms.relations import Relations
from stream.detect.forms.stillness import Stillness
from stream.detect.frames.scale import ScaleTable
from stream.detect.incidents.threshold import Promise, ThresholdTable
from stream.detect.model.discriminator import split_weights
from stream.detect.model.ensemble import Ensemble
from stream.errors import BundleError, ShapeError
from stream.intake.columns import Float32s, Float64s
from stream.registry.manifest import (
    MANIFEST,
    FileEntry,
    Manifest,
    calibrated_at,
    manifest_bytes,
    parse_manifest,
    read_manifest,
)
from stream.registry.series_table import SERIES, series_table, tables_of

WEIGHTS = "weights.safetensors"
CALIBRATION = "calibration.parquet"
SELFTEST = "selftest.parquet"
FILES = (WEIGHTS, SERIES, CALIBRATION, SELFTEST)
MAX_FILE_BYTES = 4 << 30
# Machines differ by 1e-5 relative; the absolute part covers errors that are nearly 0.
SELFTEST_RTOL, SELFTEST_ATOL = 1e-4, 1e-6


@dataclass(frozen=True)
class SelfTest:
    """A few scaled windows, float32 (n, W, F), and their errors when the bundle was made, float64 (n,)."""

    windows: Float32s
    errors: Float64s


@dataclass(frozen=True)
class Contents:
    """The contents of a bundle that is not written yet."""

    weights: dict[str, Tensor]
    scales: ScaleTable
    thresholds: ThresholdTable
    calibration: pa.Table
    selftest: SelfTest


def write(folder: Path, manifest: Manifest, contents: Contents) -> Manifest:
    """Writes the files, then the manifest; returns it with `files` and the version's hash filled in.

    A crash at any point leaves a folder without a manifest, which is no bundle.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS).write_bytes(save_tensors({k: t.contiguous() for k, t in contents.weights.items()}))
    pq.write_table(series_table(contents.scales, contents.thresholds), folder / SERIES)
    pq.write_table(contents.calibration, folder / CALIBRATION)
    pq.write_table(_selftest_table(contents.selftest), folder / SELFTEST)
    entries = tuple(_entry(folder / name) for name in FILES)
    return _sealed(folder, msgspec.structs.replace(manifest, files=entries))


def write_child(folder: Path, parent: Path, manifest: Manifest, thresholds: ThresholdTable | None = None) -> Manifest:
    """Writes a bundle with the files of its parent, to the byte, and a manifest of its own.

    Args:
        thresholds: of the child; None: those of the parent. Their q is in the manifest.

    Raises:
        BundleError: the parent was altered.
    """
    parent_manifest = _intact(parent)
    data = _verified(parent, parent_manifest)
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (folder / name).write_bytes(data[name])
    if thresholds is not None:
        scales, _ = tables_of(table_in(data[SERIES]), parent_manifest)
        pq.write_table(series_table(scales, thresholds), folder / SERIES)
    entries = tuple(_entry(folder / entry.name) for entry in parent_manifest.files if entry.name in FILES)
    return _sealed(folder, msgspec.structs.replace(manifest, files=entries))


def _sealed(folder: Path, manifest: Manifest) -> Manifest:
    """Adds the hash to the manifest's version, and writes the manifest."""
    manifest = msgspec.structs.replace(manifest, version=f"{manifest.version}-{_digest(manifest)}")
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
    return manifest


def _promise(manifest: Manifest) -> Promise:
    """The promise of the thresholds; None where the manifest does not say."""
    per_week = manifest.threshold.alerts_per_week
    if manifest.learning is not None:  # then they do not grow old
        return Promise(None, per_week)
    try:
        at = datetime.fromisoformat(calibrated_at(manifest)).timestamp()
    except ValueError:
        return Promise(None, per_week)
    return Promise(round(at * 1e9), per_week)


def verify(folder: Path) -> Manifest:
    """Verifies the hashes of the manifest and of every file, and returns the manifest.

    Raises:
        BundleError: something is missing, unlisted or altered.
    """
    manifest = _intact(folder)
    _verified(folder, manifest)
    return manifest


def load(folder: Path) -> tuple[Manifest, Definition]:
    """Verifies every file, builds the definition and runs the self-test.

    Raises:
        BundleError: something is missing, unlisted, altered, of the wrong shape, not finite, or scores differently.
    """
    manifest = _intact(folder)
    data = _verified(folder, manifest)
    try:
        scales, thresholds = tables_of(table_in(data[SERIES]), manifest)
        weights, relations = weights_apart(load_tensors(data[WEIGHTS]))
        ensemble, forms = _ensemble(manifest, weights), _forms(manifest, relations)
    except (ShapeError, SafetensorError, pa.ArrowInvalid, KeyError) as fault:
        raise BundleError(f"{folder}: contents do not fit the manifest ({fault}); train again") from fault
    definition = Definition(
        detector=manifest.detector,
        version=manifest.version,
        sensors=manifest.sensors,
        policy=manifest.policy,
        rules=manifest.rules,
        spec=manifest.model,
        scales=scales,
        thresholds=thresholds,
        ensemble=ensemble,
        usual_disagreement=manifest.usual_disagreement,
        promise=_promise(manifest),
        forms=forms,
        learning=manifest.learning,
    )
    _self_test(folder, definition, table_in(data[SELFTEST]))
    return manifest, definition


def _forms(manifest: Manifest, relations: dict[str, Tensor]) -> Forms:
    spec, paths = manifest.model, manifest.paths
    return Forms(
        None if paths is None else Stillness(paths, spec.window, spec.sensors),
        Relations(spec, relations) if relations else None,
    )


def _ensemble(manifest: Manifest, tensors: dict[str, Tensor]) -> Ensemble:
    scales, views = np.array(manifest.error_spread), manifest.views
    if views is None:
        return Ensemble(manifest.model, tensors, scales)
    newest = np.array(views.newest_spread)
    if newest.shape != scales.shape:
        raise ShapeError(f"newest spread: {len(newest)} values, error spread: {len(scales)}; retrain")
    return Ensemble(manifest.model, tensors, np.stack([newest, scales]), np.array(views.tails))


def calibration_levels(folder: Path) -> pa.Table:
    """Reads the stored calibration levels: series, time, quantile, ratio (level / scale)."""
    return table_in(_verified(folder, read_manifest(folder))[CALIBRATION])


def weights(folder: Path) -> dict[str, Tensor]:
    """Reads the weights of the autoencoders, without those of a discriminator. `load` has verified the bundle."""
    return split_weights(all_weights(folder))[0]


def all_weights(folder: Path) -> dict[str, Tensor]:
    """Reads all weights of the ensemble, those of the discriminator included, as `Ensemble` takes them."""
    return weights_apart(load_tensors(_verified(folder, read_manifest(folder))[WEIGHTS]))[0]


def _intact(folder: Path) -> Manifest:
    """Reads the manifest and compares its hash with the one in its version. The hashed bytes are the parsed bytes."""
    data = manifest_bytes(folder)
    manifest = parse_manifest(data, str(folder / MANIFEST))
    stamp, _, digest = manifest.version.rpartition("-")
    # Hashed as it was written, without the fields that this version adds with a default.
    seen = _digest(msgspec.json.decode(data) | {"version": stamp})
    if digest != seen:
        raise BundleError(f"{folder}: manifest hashes to {seen}, its version says {digest}: altered; take a fresh copy")
    return manifest


def _digest(manifest: Manifest | Mapping[str, object]) -> str:
    """The hash of a manifest, or of its JSON, whose version is the bare time stamp."""
    return hashlib.sha256(msgspec.json.encode(manifest)).hexdigest()[:8]


def _entry(path: Path) -> FileEntry:
    return FileEntry(path.name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())


def _verified(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    """Reads each listed file and compares its hash. The hashed bytes are the returned bytes."""
    listed = {entry.name for entry in manifest.files}
    there = {path.name for path in folder.iterdir()} - {MANIFEST}
    if listed != there or not set(FILES) <= listed:
        raise BundleError(f"{folder}: manifest lists {sorted(listed)}, folder holds {sorted(there)}; take a fresh copy")
    data = {}
    for entry in manifest.files:
        path = folder / entry.name
        if path.is_symlink() or path.stat().st_size != entry.size or entry.size > MAX_FILE_BYTES:
            raise BundleError(f"{path}: {path.stat().st_size} bytes, manifest says {entry.size}; take a fresh copy")
        data[entry.name] = path.read_bytes()
        seen = hashlib.sha256(data[entry.name]).hexdigest()
        if seen != entry.sha256:
            raise BundleError(f"{path}: sha256 {seen}, manifest says {entry.sha256}: altered; take a fresh copy")
    return data


def table_in(data: bytes) -> pa.Table:
    """Reads a Parquet file from bytes, in this thread alone.

    The threads of `pq.read_table` release the bytes at some later time. If the interpreter is ending then, the process
    is aborted, whatever its exit code.
    """
    with pq.ParquetFile(pa.BufferReader(data)) as file:
        return file.read(use_threads=False)


def _selftest_table(test: SelfTest) -> pa.Table:
    size = test.windows[0].size if len(test.windows) else 0
    windows = pa.FixedSizeListArray.from_arrays(pa.array(test.windows.ravel()), size)
    return pa.table({"window": windows, "error": test.errors})


def _self_test(folder: Path, definition: Definition, table: pa.Table) -> None:
    spec = definition.spec
    flat = table["window"].combine_chunks().flatten().to_numpy()
    rows = np.ascontiguousarray(flat.reshape(-1, spec.sensors), dtype=np.float32)  # (n * W, F)
    ends = np.arange(table.num_rows, dtype=np.int64) * spec.window + spec.window - 1
    errors = definition.ensemble.errors(rows, ends, None).error
    expected = table["error"].to_numpy()
    if not np.allclose(errors, expected, rtol=SELFTEST_RTOL, atol=SELFTEST_ATOL):
        worst = int(np.argmax(np.abs(errors - expected)))
        raise BundleError(
            f"{folder}: self-test window {worst} has error {errors[worst]:.6g}, had {expected[worst]:.6g} when "
            "trained; this machine or torch build computes differently: train again here"
        )
