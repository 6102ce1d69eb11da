"""The registry: versions of each detector's bundle, and the aliases `production` and `candidate` that point to one.

    <root>/<detector>/versions/<version>/...      <root>/<detector>/{production,candidate}   text: a version
    <root>/<detector>/aliases.log                 JSON lines: every change of an alias; in object storage an object each

In a folder every change is one rename, and writers take turns by a lock on the log. Object storage has neither:

1. The files of a version are written one by one, the manifest last. A crash before the manifest leaves files that no
   list shows. Training again writes a new version.
2. An alias changes in two steps: the line of the history, then the alias. A crash between them, in either kind of
   registry, leaves a line for a change that did not happen. `alias_history.previous_version` ignores such a line.
3. If two processes change an alias in object storage at the same moment, each records where it started, and the later
   one wins.
"""

import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import msgspec

from stream.errors import BundleError, StorageError
from stream.registry import alias_history
from stream.registry.alias_history import Action, AliasChange
from stream.registry.bundle import verify
from stream.registry.manifest import MANIFEST, Manifest, parse_manifest
from stream.storage.folder import NameTakenError
from stream.storage.opening import Storage, storage_at

PRODUCTION, CANDIDATE = "production", "candidate"
ALIASES = (PRODUCTION, CANDIDATE)
LOG = "aliases.log"
VERSION = re.compile(rb"\s*[A-Za-z0-9][A-Za-z0-9._-]{0,199}\s*")

P = ParamSpec("P")
T = TypeVar("T")


def _storage_errors(method: Callable[Concatenate["Registry", P], T]) -> Callable[Concatenate["Registry", P], T]:
    """Turns an OSError of the storage into a StorageError, which is an OSError too."""

    @wraps(method)
    def wrapped(self: "Registry", /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(self, *args, **kwargs)
        except StorageError:
            raise
        except OSError as fault:
            raise StorageError(
                f"registry {self.place()}: {fault}; check that it is there, and that this process may read or write it"
            ) from fault

    return wrapped


class Registry:
    """Bundles and aliases in a local folder or in object storage.

    Args:
        root: a folder, a URI (`file://`, `s3://`, `gs://`), or a storage.

    Raises:
        ConfigError: the URI is of no known kind.
        StorageError: raised by every method if the storage does not answer or refuses access.
    """

    def __init__(self, root: Path | str | Storage) -> None:
        self._storage: Storage = storage_at(root) if isinstance(root, Path | str) else root

    def place(self, *parts: str) -> str:
        """The path or URI of an entry, for people."""
        return self._storage.place("/".join(parts))

    @_storage_errors
    def publish(self, detector: str, write: Callable[[Path], Manifest]) -> Path:
        """Publishes a version that `write` writes into a scratch folder. If `write` fails, nothing remains.

        Returns:
            A local folder of the new version, named by the version.

        Raises:
            BundleError: there is such a version already.
        """
        written: list[str] = []

        def make(scratch: Path) -> str:
            written.append(write(scratch).version)
            return written[0]

        folder = f"{detector}/versions"
        try:
            self._storage.publish(folder, MANIFEST, make)
        except NameTakenError:
            raise BundleError(
                f"{self.place(folder, written[0])}: already there, and versions never change; "
                "it holds what would have been written"
            ) from None
        return self.folder(detector, written[0])

    @_storage_errors
    def try_writing(self, detector: str) -> None:
        """Checks that a version could be published, by writing something and removing it: before hours of work."""
        self._storage.try_writing(f"{detector}/versions")

    @_storage_errors
    def versions(self, detector: str) -> list[str]:
        """The complete versions, oldest first."""
        return self._storage.folders_with(f"{detector}/versions", MANIFEST)

    @_storage_errors
    def has(self, detector: str, version: str) -> bool:
        """Looks for a version of this name, complete or not."""
        return self._storage.exists(f"{detector}/versions/{version}")

    @_storage_errors
    def alias(self, detector: str, alias: str) -> str | None:
        """The version that `alias` points to; None where it is not set.

        Raises:
            StorageError: the alias does not hold the name of a version.
        """
        data = self._storage.read(f"{detector}/{alias}")
        if data is not None and VERSION.fullmatch(data) is None:
            raise StorageError(
                f"{self.place(detector, alias)}: holds {data[:60]!r}, expected a version; "
                f"point it to one with `narrows models promote`"
            )
        return None if data is None else data.decode().strip()

    @_storage_errors
    def history(self, detector: str) -> list[AliasChange]:
        """Every change of an alias, oldest first."""
        return alias_history.parse_changes(self._storage.lines(f"{detector}/{LOG}"))

    def point(
        self, detector: str, alias: str, version: str, action: Action = "point", reason: str = ""
    ) -> AliasChange | None:
        """Points `alias` to `version`; returns None where it does already.

        Raises:
            BundleError: there is no such version.
        """
        return self.move(detector, alias, lambda _: version, action, reason)

    def start_production(self, detector: str, version: str, reason: str = "") -> AliasChange | None:
        """Points `production` to a version just trained if it is not set; returns None where it is."""
        return self.move(detector, PRODUCTION, lambda now: version if now is None else now, "train", reason)

    @_storage_errors
    def move(
        self, detector: str, alias: str, choose: Callable[[str | None], str], action: Action, reason: str
    ) -> AliasChange | None:
        """Points `alias` to the version that `choose` returns for the current one; returns None where that is the same.

        The line of the history is written first: a crash may leave a line too many, but never one too few.

        Raises:
            BundleError: there is no such version.
        """
        log = f"{detector}/{LOG}"
        with self._storage.exclusive(log):
            before = self._before(detector, alias)
            version = choose(before)
            if version == before:
                return None
            if version not in self.versions(detector):
                raise BundleError(f"{detector}: no version {version!r}; there are {self.versions(detector)}")
            change = AliasChange(alias_history.now(), alias, before, version, action, reason)
            self._storage.append(log, msgspec.json.encode(change))
            self._storage.replace(f"{detector}/{alias}", f"{version}\n".encode())
            return change

    def resolve(self, detector: str, reference: str) -> str:
        """The version that a reference names: a version or an alias.

        Raises:
            BundleError: there is no such version; the message lists the versions.
        """
        version = self._named(detector, reference)
        if version is None or version not in self.versions(detector):
            raise self._missing(detector, reference)
        return version

    @_storage_errors
    def manifest(self, detector: str, reference: str) -> Manifest:
        """The manifest of a version, unverified.

        Raises:
            BundleError: there is no such version, or its manifest cannot be read.
        """
        version = self._named(detector, reference)
        path = f"{detector}/versions/{version}/{MANIFEST}"
        data = self._storage.read(path) if version is not None else None
        if data is None:
            raise self._missing(detector, reference)
        return parse_manifest(data, self.place(path))

    @_storage_errors
    def folder(self, detector: str, reference: str) -> Path:
        """A local folder of the version that a reference names; from object storage a verified copy.

        Raises:
            BundleError: there is no such version, and the message lists the versions; or its objects were altered.
        """
        version = self.resolve(detector, reference)
        return self._storage.local(f"{detector}/versions/{version}", lambda copy: _check(copy, version))

    def _named(self, detector: str, reference: str) -> str | None:
        """The version that a reference names, even if it is missing; None for an alias that is not set."""
        return self.alias(detector, reference) if reference in ALIASES else reference

    def _missing(self, detector: str, reference: str) -> BundleError:
        return BundleError(
            f"{self.place()}: detector {detector!r} has no {reference!r} bundle; its versions: "
            f"{self.versions(detector) or 'none'}; train one with `narrows train`, or set `registry`, `detector` or "
            "`bundle`"
        )

    def _before(self, detector: str, alias: str) -> str | None:
        """The version that `alias` points to; None also where it holds no version: changing it repairs it."""
        data = self._storage.read(f"{detector}/{alias}")
        return data.decode().strip() if data is not None and VERSION.fullmatch(data) else None


def _check(copy: Path, version: str) -> None:
    seen = verify(copy).version
    if seen != version:
        raise BundleError(f"{copy}: holds {seen}, expected {version}; versions are not renamed by hand: train again")
