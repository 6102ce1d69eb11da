"""Storages of every kind for a registry, and small versions to publish there."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from pyarrow import fs
from pyarrow._fs import _MockFileSystem

from stream.registry.registry import Registry
from stream.storage.objects import Objects
from stream.storage.opening import Storage, storage_at
from tests.support.builders import a_definition, write_bundle

STORAGES: dict[str, Callable[[Path], Storage]] = {
    "a folder": lambda path: storage_at(path / "a registry"),
    "a file URI": lambda path: storage_at(f"file://{quote(str(path / 'a registry'))}"),
    "objects in a folder": lambda path: objects(
        fs.SubTreeFileSystem(made(path / "bucket"), fs.LocalFileSystem()), path
    ),
    "objects in memory": lambda path: objects(_MockFileSystem(), path, "bucket/registry"),
}


def made(path: Path) -> str:
    """Makes a folder, and returns its path."""
    path.mkdir()
    return str(path)


def objects(files: fs.FileSystem, path: Path, base: str = "") -> Objects:
    """Object storage in a file system, with its cache below `path`."""
    return Objects(lambda: (files, base), "test://bucket", path / "cache")


def published(registry: Registry, seed: int, detector: str = "test") -> str:
    """Publishes a version of its own for each seed; its q is 1 + seed."""
    definition = a_definition(seed=seed, q=1.0 + seed)
    return registry.publish(detector, lambda scratch: write_bundle(scratch, definition, seed)).name
