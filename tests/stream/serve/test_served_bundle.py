"""Bundles of a registry: an alias is followed, a bundle that cannot be served is refused once, a version stays."""

import shutil
from pathlib import Path

import pytest

from stream.detect.definition import Definition
from stream.errors import BundleError
from stream.registry.registry import Registry
from stream.serve.served_bundle import RegistryBundles
from tests.support.builders import a_definition, publish


class Shelf:
    """A registry on disk that counts the loads; those of versions marked as bad fail."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.registry = Registry(folder)
        self.known: dict[str, Definition] = {}
        self.loads: list[str] = []
        self.bad: set[str] = set()

    def publish(self, seed: int) -> Definition:
        definition = publish(self.folder, a_definition(seed=seed), seed=seed)
        self.known[definition.version] = definition
        return definition

    def load(self, version: str) -> Definition:
        self.loads.append(version)
        if version in self.bad or version not in self.known:
            raise BundleError(f"{version}: weights.safetensors was altered")
        return self.known[version]

    def served(self, reference: str, first: Definition) -> RegistryBundles:
        return RegistryBundles(self.registry, reference, first, self.load)


def test_the_alias_is_followed_and_a_version_is_loaded_once(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    bundles = shelf.served("production", shelf.publish(1))
    second = shelf.publish(2)
    assert bundles.current() == (second, None)
    assert bundles.current() == (second, None)
    assert shelf.loads == [second.version]


def test_a_bad_one_is_refused_once_and_what_comes_after_it_is_served(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    first = shelf.publish(1)
    bundles = shelf.served("production", first)
    bad = shelf.publish(2)
    shelf.bad.add(bad.version)
    served, notice = bundles.current()
    assert served is first
    assert notice is not None
    assert (notice.kind, notice.details["version"]) == ("detector.bundle_refused", bad.version)
    assert "weights.safetensors" in notice.message
    assert bundles.current() == (first, None)
    third = shelf.publish(3)
    assert bundles.current() == (third, None)


def test_a_version_that_was_named_stays_and_older_ones_are_still_found(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    old, named = shelf.publish(1), shelf.publish(2)
    bundles = shelf.served(named.version, named)
    shelf.publish(3)
    assert bundles.current() == (named, None)
    assert bundles.version(old.version) is old
    assert bundles.version("gone") is None


def test_a_version_is_gone_only_where_the_registry_is_there_and_does_not_have_it(tmp_path: Path) -> None:
    """A damaged version, or one on an unmounted volume, may come back: it is waited for."""
    shelf = Shelf(tmp_path / "registry")
    old, first = shelf.publish(1), shelf.publish(2)
    bundles = shelf.served("production", first)
    shelf.bad.add(old.version)
    with pytest.raises(BundleError, match="was altered"):
        bundles.version(old.version)
    (tmp_path / "registry").rename(tmp_path / "elsewhere")
    for served in (bundles, shelf.served(first.version, first)):
        with pytest.raises(BundleError, match="is it mounted"):
            served.version(old.version)
    assert shelf.served(str(tmp_path / "a folder"), first).version(old.version) is None, "it needs no registry"
    (tmp_path / "elsewhere").rename(tmp_path / "registry")
    shutil.rmtree(shelf.registry.folder("test", old.version))
    for served in (bundles, shelf.served(first.version, first), shelf.served(str(tmp_path / "a folder"), first)):
        assert served.version(old.version) is None


def test_a_registry_that_cannot_be_read_is_no_reason_to_stop_serving(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    first = shelf.publish(1)
    bundles = shelf.served("production", first)
    (tmp_path / "test" / "production").write_bytes(b"\xff\xfe")
    assert bundles.current() == (first, None)
    second = shelf.publish(2)
    assert bundles.current() == (second, None)
