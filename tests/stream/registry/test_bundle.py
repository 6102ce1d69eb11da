"""Bundles: loading gives back what was written, and an altered bundle is refused."""

import hashlib
import io
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stream.detect.forms.forms import Forms
from stream.detect.forms.stillness import Paths, Stillness
from stream.detect.policy import Learning, ValidRange
from stream.errors import BundleError
from stream.registry.bundle import SELFTEST, WEIGHTS, load, table_in
from stream.registry.manifest import MANIFEST, Manifest, read_manifest
from stream.registry.registry import Registry
from stream.registry.series_table import SERIES
from tests.support.builders import a_definition, a_policy, a_rule, a_rules, a_spec, publish, write_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    publish(tmp_path, a_definition(a_spec(members=2)))
    return Registry(tmp_path).folder("test", "production")


@pytest.mark.parametrize(("span", "discriminator"), [("newest", 0), ("both", 5), ("both", 0)])
def test_a_loaded_bundle_scores_to_the_bit_as_the_definition_it_was_written_from(
    tmp_path: Path, span: str, discriminator: int
) -> None:
    given = a_definition(a_spec(members=3, kind="conv", window=8, error_span=span, discriminator=discriminator))
    loaded = publish(tmp_path, given)
    np.testing.assert_array_equal(loaded.ensemble.error_scales, given.ensemble.error_scales)
    frames = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    ends = np.arange(7, 300)
    np.testing.assert_array_equal(loaded.ensemble.errors(frames, ends).error, given.ensemble.errors(frames, ends).error)
    for name in ("a", "b", "never seen"):
        assert loaded.thresholds.of(name) == given.thresholds.of(name)
        np.testing.assert_array_equal(
            loaded.scales.mean[loaded.scales.row(name)], given.scales.mean[given.scales.row(name)]
        )
    assert (loaded.policy, loaded.rules, loaded.spec) == (given.policy, given.rules, given.spec)


def test_the_rules_of_sensors_are_part_of_what_is_loaded(tmp_path: Path) -> None:
    rules = a_rules(close_after=3, sensors=(a_rule("s0", "below", 1.5, 0.1), a_rule("s1", "above")))
    policy = a_policy(valid=(ValidRange("s0", 0.0, 10.0), ValidRange("s1", high=5.0)))
    loaded = publish(tmp_path, a_definition(policy=policy, rules=rules))
    assert (loaded.policy, loaded.rules) == (policy, rules)


LEARNING = Learning(share=0.01, block=7, horizon=700, bound=4.0, moved_least=60, moved_after=90)


def test_the_way_thresholds_learn_and_their_start_are_part_of_what_is_loaded(tmp_path: Path) -> None:
    given = a_definition(learning=LEARNING)
    loaded = publish(tmp_path, given)
    assert loaded.learning == LEARNING
    assert loaded.promise.calibrated_at is None, "they do not grow old"
    for name in ("a", "b", "never seen"):
        np.testing.assert_array_equal(loaded.thresholds.usual_of(name), given.thresholds.usual_of(name))


@pytest.mark.parametrize("fault", ["negative", "not finite", "nothing counted"])
def test_counts_that_no_threshold_can_start_from_are_refused(tmp_path: Path, fault: str) -> None:
    given = a_definition(learning=LEARNING)
    assert given.thresholds.usual is not None
    usual = given.thresholds.usual.copy()
    usual[0, 3] = {"negative": -1.0, "not finite": np.nan, "nothing counted": 0.0}[fault]
    if fault == "nothing counted":
        usual[0] = 0.0
    with pytest.raises(BundleError, match=r"counts of \d+ heights, expected \d+, finite, >= 0, some > 0"):
        publish(tmp_path, replace(given, thresholds=replace(given.thresholds, usual=usual)))


def rewrite(folder: Path, manifest: dict[str, Any]) -> None:
    """Writes this manifest with the hash that it needs in its version."""
    stamp = manifest["version"].rpartition("-")[0]
    digest = hashlib.sha256(msgspec.json.encode(manifest | {"version": stamp})).hexdigest()[:8]
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest | {"version": f"{stamp}-{digest}"}))


def test_a_bundle_that_was_written_before_sensors_had_rules_is_read_all_the_same(folder: Path) -> None:
    """Its hash covers the fields that were written then; fields added since get the values of then."""
    manifest, given = json.loads((folder / MANIFEST).read_text()), load(folder)[1]
    assert (manifest["model"].pop("discriminator"), manifest["model"].pop("beta")) == (0, 0.1)
    assert (manifest["policy"].pop("valid"), manifest["rules"].pop("sensors")) == ([], [])
    assert (manifest["policy"].pop("close_complete"), manifest["policy"].pop("sentinels")) == (True, [])
    rewrite(folder, manifest)
    _, definition = load(folder)
    assert (definition.policy.valid, definition.rules.sensors) == ((), ())
    assert (definition.policy, definition.rules, definition.spec) == (given.policy, given.rules, given.spec)


def test_the_paths_of_sensors_are_part_of_what_is_loaded_also_with_the_unit_that_they_once_had(tmp_path: Path) -> None:
    spec = a_spec(window=16, sensors=2, error_span="both")
    paths = Paths(((1.0, 0.0), (2.0, 3.0)))
    given = replace(a_definition(spec), forms=Forms(Stillness(paths, spec.window, spec.sensors)))
    loaded = publish(tmp_path, given)
    assert loaded.forms.stillness is not None
    assert loaded.forms.stillness.paths == paths
    folder = Registry(tmp_path).folder("test", "production")
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["paths"]["unit"] = 2.5
    rewrite(folder, manifest)
    stillness = load(folder)[1].forms.stillness
    assert stillness is not None
    assert stillness.paths == paths


def test_the_table_of_series_says_what_is_behind_a_scale_where_the_training_did(tmp_path: Path) -> None:
    """Older bundles have no such column."""
    given = a_definition()
    wild = np.arange(6).reshape(3, 2)
    counted = replace(given, scales=replace(given.scales, wild=wild, borrowed=wild % 3 == 0))
    for name, definition in (("older", given), ("counted", counted)):
        write_bundle(tmp_path / name, definition)
    older, loaded = (load(tmp_path / name)[1].scales for name in ("older", "counted"))
    assert (older.wild, older.borrowed) == (None, None)
    np.testing.assert_array_equal(loaded.wild, counted.scales.wild)
    np.testing.assert_array_equal(loaded.borrowed, counted.scales.borrowed)


@pytest.mark.parametrize(
    ("section", "field"), [("policy", "max_carry"), ("rules", "close_ratio"), ("model", "error_span")]
)
def test_a_manifest_without_a_field_that_all_bundles_have_is_refused(folder: Path, section: str, field: str) -> None:
    """Fields that decide scores have no default."""
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest[section][field]
    rewrite(folder, manifest)
    with pytest.raises(
        BundleError, match=f"not a manifest this version reads .*missing required field `{field}`.*{section}"
    ):
        load(folder)


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def change_the_threshold(path: Path) -> None:
    manifest = json.loads((path / MANIFEST).read_text())
    manifest["threshold_q"] = -1.0
    (path / MANIFEST).write_text(json.dumps(manifest))


def change_a_spread(path: Path) -> None:
    manifest = json.loads((path / MANIFEST).read_text())
    manifest["error_spread"][0] *= 2
    (path / MANIFEST).write_text(json.dumps(manifest))


def forget_a_sensor(path: Path) -> None:
    manifest = json.loads((path / MANIFEST).read_text())
    manifest["sensors"] = manifest["sensors"][:1]
    (path / MANIFEST).write_text(json.dumps(manifest))


def forge(folder: Path, entry: dict[str, Any], **changes: object) -> None:
    """Changes the entry of the self-test and other fields of the manifest, and adapts the version."""
    manifest = read_manifest(folder)
    tree = msgspec.to_builtins(manifest)
    next(file for file in tree["files"] if file["name"] == SELFTEST).update(entry)
    bare = manifest.version.rpartition("-")[0]
    forged = msgspec.convert(tree | changes | {"version": bare}, Manifest)
    digest = hashlib.sha256(msgspec.json.encode(forged)).hexdigest()[:8]
    (folder / MANIFEST).write_bytes(msgspec.json.encode(msgspec.structs.replace(forged, version=f"{bare}-{digest}")))


TAMPERING: dict[str, tuple[Callable[[Path], object], str]] = {
    "a flipped bit in the weights": (lambda f: flip_a_byte(f / WEIGHTS), "altered; take a fresh copy"),
    "a flipped bit in the scales": (lambda f: flip_a_byte(f / SERIES), "altered; take a fresh copy"),
    "weights cut short": (lambda f: (f / WEIGHTS).write_bytes(b"x"), "1 bytes, manifest says"),
    "a file more": (lambda f: (f / "extra.py").write_text("print()"), "folder holds"),
    "a file less": (lambda f: (f / SERIES).unlink(), "folder holds"),
    "no manifest": (lambda f: (f / MANIFEST).unlink(), "no manifest.json"),
    "a manifest of nulls": (
        lambda f: (f / MANIFEST).write_text('{"format": 2, "policy": null}'),
        "not a manifest this version reads",
    ),
    "a manifest of garbage": (lambda f: (f / MANIFEST).write_text("{"), "not a manifest"),
    "another threshold": (change_the_threshold, "manifest hashes to"),
    "a sensor less": (forget_a_sensor, "manifest hashes to"),
    "a sensor that counts less": (change_a_spread, "manifest hashes to"),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_a_bundle_that_was_touched_is_refused(folder: Path, what: str) -> None:
    tamper, message = TAMPERING[what]
    tamper(folder)
    with pytest.raises(BundleError, match=message):
        load(folder)


def test_a_link_to_another_file_of_the_same_bytes_is_refused(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "weights"
    elsewhere.write_bytes((folder / WEIGHTS).read_bytes())
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).symlink_to(elsewhere)
    with pytest.raises(BundleError, match="take a fresh copy"):
        load(folder)


def test_a_bundle_whose_windows_score_differently_fails_its_self_test(folder: Path) -> None:
    """Hashes do not protect against a rewritten manifest, nor against a machine that computes differently."""
    path = folder / SELFTEST
    table = pq.read_table(path)
    pq.write_table(table.set_column(1, "error", pa.array(np.asarray(table["error"]) * 1.5)), path)
    forge(folder, {"size": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()})
    with pytest.raises(BundleError, match="self-test window"):
        load(folder)


def test_a_bundle_whose_sensors_count_differently_fails_its_self_test(folder: Path) -> None:
    first, second = read_manifest(folder).error_spread
    forge(folder, {}, error_spread=(first, 1.5 * second))
    with pytest.raises(BundleError, match="self-test window"):
        load(folder)


@pytest.mark.parametrize("spread", [(1.0,), (1.0, 0.0)])
def test_a_spread_that_cannot_be_divided_by_is_refused(folder: Path, spread: tuple[float, ...]) -> None:
    forge(folder, {}, error_spread=spread)
    with pytest.raises(BundleError, match=r"contents do not fit the manifest .error spread: seen"):
        load(folder)


@pytest.mark.parametrize(
    ("format_", "remedy"),
    [(1, "train again with this version, or serve it with the version that made it"), (99, "upgrade narrows, or")],
)
def test_a_bundle_of_another_format_is_refused_whatever_else_its_manifest_holds(
    folder: Path, format_: int, remedy: str
) -> None:
    (folder / MANIFEST).write_text(json.dumps({"format": format_, "of another time": True}))
    with pytest.raises(BundleError, match=f"manifest.json: format {format_}, this version reads 2; {remedy}"):
        load(folder)


def test_a_version_that_fails_while_it_is_written_leaves_nothing(tmp_path: Path) -> None:
    def fail(scratch: Path) -> object:
        (scratch / WEIGHTS).write_bytes(b"half")
        raise KeyboardInterrupt("the writer was stopped")

    with pytest.raises(KeyboardInterrupt, match="stopped"):
        Registry(tmp_path).publish("test", fail)  # type: ignore[arg-type]
    assert list((tmp_path / "test" / "versions").iterdir()) == []


def test_the_bytes_of_a_table_are_let_go_of_once_it_is_read() -> None:
    """A thread that releases them while the interpreter ends would abort the process, at random."""
    written = io.BytesIO()
    pq.write_table(pa.table({"series": ["a", "b"] * 500, "value": list(range(1000))}), written)
    data = written.getvalue()
    held = sys.getrefcount(data)
    for _ in range(100):
        table_in(data)
        assert sys.getrefcount(data) == held
