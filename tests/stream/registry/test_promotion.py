"""Promotion and rollback of versions, in every kind of storage."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stream.detect.definition import Definition
from stream.errors import BundleError, StorageError
from stream.registry.bundle import WEIGHTS, load
from stream.registry.manifest import MANIFEST
from stream.registry.promotion import promote, rollback
from stream.registry.registry import CANDIDATE, PRODUCTION, Registry
from stream.registry.series_table import SERIES
from stream.serve.served_bundle import RegistryBundles
from stream.storage.folder import Folder
from stream.storage.objects import Objects
from stream.storage.opening import Storage
from tests.stream.registry.registries import published


def test_production_goes_forward_by_promotion_and_back_step_by_step(registry: Registry) -> None:
    a, b, c = (published(registry, seed) for seed in range(3))
    registry.point("test", PRODUCTION, a, "train")
    registry.point("test", CANDIDATE, b, "train")
    promoted = promote(registry, "test", CANDIDATE, "fewer false alerts")
    assert promoted is not None
    assert (promoted.before, promoted.after, promoted.reason) == (a, b, "fewer false alerts")
    assert promote(registry, "test", CANDIDATE) is None, "it is production"
    promote(registry, "test", c)
    assert rollback(registry, "test", "missed the leak").after == b
    assert rollback(registry, "test").after == a, "twice goes back two steps"
    with pytest.raises(BundleError, match=rf"production points to {a}, and its history tells of nothing before"):
        rollback(registry, "test")
    assert [m.action for m in registry.history("test")] == 2 * ["train"] + 2 * ["promote"] + 2 * ["rollback"]
    promote(registry, "test", c)
    assert rollback(registry, "test").after == a, "what was rolled back is no part of the past"


def test_what_was_promoted_twice_is_left_twice(registry: Registry) -> None:
    a, b = (published(registry, seed) for seed in range(2))
    for version in (a, b, a):
        promote(registry, "test", version)
    assert [rollback(registry, "test").after, rollback(registry, "test").after] == [b, a]
    with pytest.raises(BundleError, match="nothing before"):
        rollback(registry, "test")


def test_an_alias_that_was_set_by_hand_is_part_of_the_past(registry: Registry, storage: Storage) -> None:
    a, b, c = (published(registry, seed) for seed in range(3))
    promote(registry, "test", a)
    storage.replace(f"test/{PRODUCTION}", b.encode())
    assert registry.alias("test", PRODUCTION) == b
    promote(registry, "test", c)
    assert [rollback(registry, "test").after, rollback(registry, "test").after] == [b, a]


@pytest.mark.parametrize("file", [WEIGHTS, SERIES, MANIFEST])
def test_no_alias_moves_to_a_version_that_was_altered(registry: Registry, storage: Storage, file: str) -> None:
    good, bad = (published(registry, seed) for seed in range(2))
    promote(registry, "test", good)
    path = f"test/versions/{bad}/{file}"
    data = storage.read(path)
    assert data is not None
    storage.replace(path, data.replace(data[-9:-5], b"1234"))
    with pytest.raises(BundleError, match=r"altered|not a manifest"):
        promote(Registry(another(storage)), "test", bad)
    assert registry.alias("test", PRODUCTION) == good
    assert len(registry.history("test")) == 1


def another(storage: Storage) -> Storage:
    """The same storage from another machine, with an empty cache."""
    if isinstance(storage, Objects):
        return Objects(lambda: storage._at, "test://bucket", storage._cache.with_name("another cache"))
    return storage


def test_a_rollback_to_what_was_altered_since_is_refused(registry: Registry, storage: Storage) -> None:
    a, b = (published(registry, seed) for seed in range(2))
    promote(registry, "test", a)
    promote(registry, "test", b)
    storage.replace(f"test/versions/{a}/{WEIGHTS}", b"x")
    with pytest.raises(BundleError, match="1 bytes, manifest says"):
        rollback(Registry(another(storage)), "test")
    assert registry.alias("test", PRODUCTION) == b


def test_a_version_of_another_detector_or_of_another_name_is_not_promoted(registry: Registry, storage: Storage) -> None:
    """The folder's name and the manifest must agree: a folder copied or renamed by hand is refused."""
    other = published(registry, 1, detector="other")
    with pytest.raises(BundleError, match=rf"holds {other} of 'test', expected {other} of 'other'"):
        promote(registry, "other", other)
    own = published(registry, 1)
    for file in ("manifest.json", WEIGHTS, SERIES, "calibration.parquet", "selftest.parquet"):
        data = storage.read(f"test/versions/{own}/{file}")
        assert data is not None
        storage.replace(f"test/versions/renamed/{file}", data)
    with pytest.raises(BundleError, match=f"holds {own}"):
        promote(registry, "test", "renamed")


@pytest.mark.parametrize("garbage", [b"", b"\n", b"\xff\xfe", b"two words", b"../../elsewhere"])
def test_an_alias_that_holds_no_version_is_told_and_mended_by_the_next_move(
    registry: Registry, storage: Storage, garbage: bytes
) -> None:
    a, b = (published(registry, seed) for seed in range(2))
    promote(registry, "test", a)
    storage.replace(f"test/{PRODUCTION}", garbage)
    with pytest.raises(StorageError, match=r"test/production: holds .*, expected a version; point it to one"):
        registry.alias("test", PRODUCTION)
    promote(registry, "test", b)
    assert rollback(registry, "test").after == a


def test_a_line_that_a_kill_cut_short_spoils_no_other(registry: Registry, storage: Storage) -> None:
    a, b = (published(registry, seed) for seed in range(2))
    promote(registry, "test", a)
    with storage.exclusive("test/aliases.log"):
        storage.append("test/aliases.log", b'{"time": "2026-01-01T00:')
    if isinstance(storage, Folder):
        log = Path(storage.place("test/aliases.log"))
        log.write_bytes(log.read_bytes().rstrip(b"\n"))
    promote(registry, "test", b)
    assert [move.after for move in registry.history("test")] == [a, b]
    assert rollback(registry, "test").after == a


class Stopped:
    """A storage whose process is killed before a write that `before` selects."""

    def __init__(self, storage: Storage, before: Callable[[str], bool]) -> None:
        self._storage = storage
        self._before = before

    def __getattr__(self, name: str) -> object:
        return getattr(self._storage, name)

    def replace(self, path: str, data: bytes) -> None:
        if self._before(path):
            raise KeyboardInterrupt(f"killed in front of {path}")
        self._storage.replace(path, data)


def test_a_kill_between_the_line_and_the_alias_leaves_a_past_that_is_still_true(
    registry: Registry, storage: Storage
) -> None:
    a, b, c = (published(registry, seed) for seed in range(3))
    promote(registry, "test", a)
    stopped = Registry(Stopped(storage, lambda path: path.endswith(PRODUCTION)))  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt, match="killed"):
        promote(stopped, "test", b)
    assert (registry.alias("test", PRODUCTION), len(registry.history("test"))) == (a, 2)
    promote(registry, "test", c)
    assert rollback(registry, "test").after == a
    with pytest.raises(KeyboardInterrupt, match="killed"):
        promote(Registry(Stopped(storage, lambda path: path.endswith(PRODUCTION))), "test", c)  # type: ignore[arg-type]
    with pytest.raises(BundleError, match="nothing before"):
        rollback(registry, "test")


class Overtaken:
    """A storage where another process promotes a version just before this process gets the lock."""

    def __init__(self, storage: Storage, version: str) -> None:
        self._storage = storage
        self._version = version

    def __getattr__(self, name: str) -> object:
        return getattr(self._storage, name)

    @contextmanager
    def exclusive(self, log: str) -> Iterator[None]:
        Registry(self._storage).point("test", PRODUCTION, self._version, "promote")
        with self._storage.exclusive(log):
            yield


def test_a_rollback_from_what_somebody_else_has_replaced_is_refused(registry: Registry, storage: Storage) -> None:
    a, b, c = (published(registry, seed) for seed in range(3))
    promote(registry, "test", a)
    promote(registry, "test", b)
    with pytest.raises(BundleError, match=rf"production was moved from {b} to {c} meanwhile; look at"):
        rollback(Registry(Overtaken(storage, c)), "test")  # type: ignore[arg-type]
    assert registry.alias("test", PRODUCTION) == c


def test_a_consumer_follows_production_forward_and_back(registry: Registry) -> None:
    first, second = (published(registry, seed) for seed in range(2))
    promote(registry, "test", first)

    def loaded(version: str) -> Definition:
        return load(registry.folder("test", version))[1]

    bundles = RegistryBundles(registry, PRODUCTION, loaded(first), loaded)
    promote(registry, "test", second)
    assert bundles.current()[0].version == second
    assert bundles.version(first) is not None
    rollback(registry, "test")
    assert bundles.current()[0].version == first
    assert bundles.version("20200101T000000Z-00000000") is None, "gone for good"
