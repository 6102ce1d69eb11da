"""The registry in every kind of storage: a folder, a URI, object storage. One suite for all of them."""

from pathlib import Path

import numpy as np
import pytest

from stream.errors import BundleError, StorageError
from stream.registry.bundle import WEIGHTS, load
from stream.registry.manifest import Manifest
from stream.registry.promotion import rollback
from stream.registry.registry import CANDIDATE, PRODUCTION, Registry
from stream.storage.opening import Storage
from tests.stream.registry.registries import published
from tests.support.builders import a_definition, write_bundle


def test_what_is_published_is_listed_and_loads_to_the_bit(registry: Registry) -> None:
    definition = a_definition(seed=5, q=6.0)
    folder = registry.publish("test", lambda scratch: write_bundle(scratch, definition, 5))
    assert registry.versions("test") == [folder.name]
    assert registry.has("test", folder.name)
    _, loaded = load(registry.folder("test", folder.name))
    frames = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    ends = np.arange(10, 50)
    np.testing.assert_array_equal(
        loaded.ensemble.errors(frames, ends).error, definition.ensemble.errors(frames, ends).error
    )
    assert loaded.thresholds.of("a") == definition.thresholds.of("a")


def test_an_empty_registry_has_nothing_and_says_so(registry: Registry) -> None:
    assert registry.versions("test") == []
    assert not registry.has("test", "v")
    assert registry.alias("test", PRODUCTION) is None
    assert registry.history("test") == []
    with pytest.raises(BundleError, match="no 'production' bundle; its versions: none; train one"):
        registry.folder("test", PRODUCTION)
    with pytest.raises(BundleError, match="production points to nothing, and its history tells of nothing before"):
        rollback(registry, "test")


def test_versions_are_listed_in_order_and_half_ones_are_not(registry: Registry, storage: Storage) -> None:
    versions = {published(registry, seed) for seed in range(3)}
    storage.replace(f"test/versions/20250101T000000Z-00000000/{WEIGHTS}", b"half")
    assert registry.versions("test") == sorted(versions)
    assert registry.has("test", "20250101T000000Z-00000000"), "there is something, if not a version"
    with pytest.raises(BundleError, match="no '20250101T000000Z-00000000' bundle"):
        registry.folder("test", "20250101T000000Z-00000000")


def test_a_trial_of_writing_leaves_nothing_and_needs_nothing(registry: Registry, storage: Storage) -> None:
    registry.try_writing("test")
    assert not storage.exists("test/versions/.trial")
    version = published(registry, 0)
    registry.try_writing("test")
    assert registry.versions("test") == [version]


def test_a_trial_in_a_place_that_cannot_be_written_says_so_and_makes_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StorageError, match=r"registry .*file/registry.*Not a directory"):
        Registry(tmp_path / "file" / "registry").try_writing("test")
    Registry(tmp_path / "new").try_writing("test")
    assert not (tmp_path / "new").exists()


def test_a_version_that_fails_while_it_is_written_leaves_nothing(registry: Registry) -> None:
    def fail(scratch: Path) -> Manifest:
        (scratch / WEIGHTS).write_bytes(b"half")
        raise KeyboardInterrupt("the writer was stopped")

    with pytest.raises(KeyboardInterrupt, match="stopped"):
        registry.publish("test", fail)
    assert registry.versions("test") == []


def test_a_version_is_written_once(registry: Registry) -> None:
    """Two identical trainings in one second would have the same name."""
    version = published(registry, 1)
    with pytest.raises(BundleError, match=rf"versions/{version}: already there, and versions never change"):
        published(registry, 1)
    assert registry.versions("test") == [version]


def test_an_alias_points_to_versions_that_exist_and_every_move_leaves_a_line(registry: Registry) -> None:
    first, second = sorted(published(registry, seed) for seed in range(2))
    with pytest.raises(BundleError, match="no version 'other'"):
        registry.point("test", PRODUCTION, "other")
    assert registry.point("test", PRODUCTION, first, "train") is not None
    assert registry.point("test", PRODUCTION, first) is None, "it points there already"
    registry.point("test", CANDIDATE, second, "amend", "closes later")
    assert registry.start_production("test", second) is None, "it is set"
    assert (registry.alias("test", PRODUCTION), registry.alias("test", CANDIDATE)) == (first, second)
    moves = [(m.alias, m.before, m.after, m.action, m.reason) for m in registry.history("test")]
    assert moves == [(PRODUCTION, None, first, "train", ""), (CANDIDATE, None, second, "amend", "closes later")]
