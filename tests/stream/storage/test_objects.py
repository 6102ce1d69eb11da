"""Object storage: what a crash between two writes leaves, what is read through a copy, which places may be named."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pyarrow import fs

from stream.errors import BundleError, ConfigError, StorageError
from stream.registry.bundle import CALIBRATION, WEIGHTS, load
from stream.registry.manifest import MANIFEST
from stream.registry.promotion import promote, rollback
from stream.registry.registry import PRODUCTION, Registry
from stream.settings import SettingsError
from stream.settings import load as load_settings
from stream.storage.folder import Folder
from stream.storage.objects import Objects, cache_folder
from stream.storage.opening import storage_at
from tests.stream.registry.registries import made, objects, published


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    return Path(made(tmp_path / "bucket"))


@pytest.fixture
def storage(bucket: Path, tmp_path: Path) -> Objects:
    return objects(fs.SubTreeFileSystem(str(bucket), fs.LocalFileSystem()), tmp_path)


class Killed(Objects):
    """Objects of a process that is killed in front of a file."""

    def __init__(self, storage: Objects, file: str) -> None:
        super().__init__(lambda: storage._at, "test://bucket", storage._cache)
        self._file = file

    def replace(self, path: str, data: bytes) -> None:
        if path.endswith(self._file):
            raise KeyboardInterrupt(f"killed in front of {path}")
        super().replace(path, data)


@pytest.mark.parametrize("file", [CALIBRATION, WEIGHTS, MANIFEST])
def test_a_kill_while_a_version_is_written_leaves_none_and_the_next_try_completes_it(
    storage: Objects, file: str
) -> None:
    """Whichever file is the first that is missing: the manifest comes last."""
    with pytest.raises(KeyboardInterrupt, match=f"killed in front of .*{file}"):
        published(Registry(Killed(storage, file)), 1)
    registry = Registry(storage)
    assert registry.versions("test") == []
    version = published(registry, 1)
    assert registry.versions("test") == [version]
    promote(registry, "test", version)


def test_a_version_is_fetched_once_and_again_where_the_copy_was_damaged(
    storage: Objects, bucket: Path, tmp_path: Path
) -> None:
    registry = Registry(storage)
    version = published(registry, 1)
    copy = registry.folder("test", version)
    assert (copy.name, copy.is_relative_to(tmp_path / "cache")) == (version, True)
    whole = (copy / WEIGHTS).read_bytes()
    seen = copy.stat().st_ino
    assert registry.folder("test", version).stat().st_ino == seen
    (copy / WEIGHTS).write_bytes(whole[:-1] + b"\x00")
    assert (registry.folder("test", version) / WEIGHTS).read_bytes() == whole
    (bucket / "test" / "versions" / version / MANIFEST).unlink()
    with pytest.raises(BundleError, match=f"no '{version}' bundle"):
        registry.folder("test", version)


def test_objects_that_were_altered_are_refused_by_their_place_and_leave_no_copy(
    storage: Objects, bucket: Path, tmp_path: Path
) -> None:
    version = published(Registry(storage), 1)
    (bucket / "test" / "versions" / version / WEIGHTS).write_bytes(b"x")
    fresh = objects(fs.SubTreeFileSystem(str(bucket), fs.LocalFileSystem()), tmp_path / "elsewhere")
    with pytest.raises(BundleError, match=rf"^test://bucket/test/versions/{version}: .*1 bytes, manifest says"):
        Registry(fresh).folder("test", version)
    assert [path for path in (tmp_path / "elsewhere").rglob("*") if path.is_file()] == []


def test_another_process_that_has_put_its_copy_there_first_is_no_fault(storage: Objects, tmp_path: Path) -> None:
    registry = Registry(storage)
    version = published(registry, 1)
    own = registry.folder("test", version)
    late = Late(storage, own)
    assert late.local(f"test/versions/{version}", lambda folder: load(folder)) == own
    assert load(own)[0].version == version


class Late(Objects):
    """Objects of a process that is overtaken while it fetches: its copy is missing before, and there afterwards."""

    def __init__(self, storage: Objects, copy: Path) -> None:
        super().__init__(lambda: storage._at, "test://bucket", storage._cache)
        self._copy, self._aside = copy, copy.with_name("aside")
        copy.rename(self._aside)

    def local(self, folder: str, check: Callable[[Path], object]) -> Path:
        def and_be_overtaken(copy: Path) -> None:
            check(copy)
            if self._aside.exists():
                self._aside.rename(self._copy)

        return super().local(folder, and_be_overtaken)


def test_a_storage_that_does_not_answer_is_told_by_its_place_and_what_to_check(tmp_path: Path) -> None:
    def refused() -> tuple[fs.FileSystem, str]:
        raise OSError("AWS Error ACCESS_DENIED during HeadBucket operation")

    registry = Registry(Objects(refused, "s3://bucket/registry", tmp_path))
    for ask in (
        lambda: registry.versions("test"),
        lambda: registry.has("test", "v"),
        lambda: registry.alias("test", PRODUCTION),
        lambda: registry.folder("test", PRODUCTION),
        lambda: promote(registry, "test", "v"),
        lambda: rollback(registry, "test"),
        lambda: published(registry, 1),
    ):
        with pytest.raises(StorageError, match=r"registry s3://bucket/registry: AWS Error ACCESS_DENIED.*; check that"):
            ask()


def test_a_folder_that_cannot_be_written_is_told_the_same_way(tmp_path: Path) -> None:
    (tmp_path / "registry").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match=r"registry .*registry: .*Not a directory.*; check that it is there"):
        published(Registry(tmp_path / "registry"), 1)


def test_a_place_without_a_scheme_is_a_folder_and_so_is_a_file_uri(tmp_path: Path) -> None:
    assert storage_at("registry").place("test") == "registry/test"
    assert storage_at(tmp_path).place("") == str(tmp_path)
    for uri in (f"file://{tmp_path}/a%20b", f"file://localhost{tmp_path}/a%20b"):
        found = storage_at(uri)
        assert isinstance(found, Folder)
        assert found.place("x") == f"{tmp_path}/a b/x"


def test_a_bucket_is_named_without_its_options_and_asked_nothing_yet() -> None:
    found = storage_at("s3://bucket/plants/registry/?region=eu-west-1")
    assert isinstance(found, Objects)
    assert found.place("test/production") == "s3://bucket/plants/registry/test/production"
    assert found.place("") == "s3://bucket/plants/registry"


WRONG = {
    "https://example.org/registry": "expected a folder, or a URI that begins with file://, s3://, gs://",
    "file://host/registry": "expected an absolute path in a file URI",
    "s3:///registry": "expected the name of a bucket, such as s3://bucket/registry",
    "s3://key:hunter2@bucket/registry": "refused: URIs are printed and must hold no secret",
}


@pytest.mark.parametrize("place", WRONG)
def test_a_place_that_cannot_be_meant_is_a_fault_of_the_configuration_and_no_secret_is_shown(place: str) -> None:
    with pytest.raises(SettingsError, match="1 fault") as caught:
        load_settings(None, [f"registry={place}"], {})
    assert WRONG[place] in str(caught.value)
    with pytest.raises(ConfigError, match="registry: ") as opened:
        storage_at(place)
    assert "hunter2" not in str(caught.value) + str(opened.value)


def test_copies_go_to_the_users_cache_or_where_that_cannot_be_to_a_folder_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache_folder.cache_clear()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "narrows"
    cache_folder.cache_clear()
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert cache_folder().parent == tmp_path
    assert cache_folder() is cache_folder()
    cache_folder.cache_clear()
