"""The registry: versions of each detector's bundle, and the names `production` and `candidate` that point to one.

    <root>/<detector>/versions/<version>/...      <root>/<detector>/{production,candidate}   text: a version
    <root>/<detector>/aliases.log                 JSON lines: every move of an alias; in object storage an object each

In a folder every change is one rename, and writers take turns by a lock on the log. Object storage has neither:

1. A version's files are written one by one, the manifest last. A crash before the manifest leaves files that no list
   shows; training again starts afresh.
2. An alias moves in two steps: the line of the history, then the alias. A crash between them, in either kind of
   registry, leaves a line of a move that did not happen; `moves.before` sees through it.
3. Two who move one alias of object storage at the same moment both tell from where they started; the later one wins.
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


def _told(method: Callable[Concatenate["Registry", P], T]) -> Callable[Concatenate["Registry", P], T]:
    """What a storage that does not answer says, as an error of ours that is an OSError still."""

    @wraps(method)
    def answered(self: "Registry", /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(self, *args, **kwargs)
        except StorageError:
            raise
        except OSError as fault:
            raise StorageError(
                f"registry {self.place()}: {fault}; check that it is there, and that this process may read or write it"
            ) from fault

    return answered


class Registry:
    """Bundles below a local folder or a URI.

    Args:
        root: a folder, a URI (`file://`, `s3://`, `gs://`), or a storage.

    Raises:
        ConfigError: no such kind of place.
        StorageError: raised by any method; the storage does not answer, or does not let this process in.
    """

    def __init__(self, root: Path | str | Storage) -> None:
        self._storage: Storage = storage_at(root) if isinstance(root, Path | str) else root

    def place(self, *parts: str) -> str:
        """Where something lies, for people: a path or a URI."""
        return self._storage.place("/".join(parts))

    @_told
    def publish(self, detector: str, write: Callable[[Path], Manifest]) -> Path:
        """Lets `write` fill a scratch folder and puts it where versions are; nothing is left of one that fails.

        Returns:
            A local folder of the new version, which is its name.

        Raises:
            BundleError: there is such a version.
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

    @_told
    def versions(self, detector: str) -> list[str]:
        """Complete versions, oldest first."""
        return self._storage.folders_with(f"{detector}/versions", MANIFEST)

    @_told
    def has(self, detector: str, version: str) -> bool:
        """Whether there is anything under this name, complete or not.

        Raises:
            StorageError: nobody can say.
        """
        return self._storage.exists(f"{detector}/versions/{version}")

    @_told
    def alias(self, detector: str, alias: str) -> str | None:
        """The version that `alias` points to, or None where it is not set.

        Raises:
            StorageError: what is there is no version's name.
        """
        data = self._storage.read(f"{detector}/{alias}")
        if data is not None and VERSION.fullmatch(data) is None:
            raise StorageError(
                f"{self.place(detector, alias)}: holds {data[:60]!r}, expected a version; "
                f"point it to one with `narrows models promote`"
            )
        return None if data is None else data.decode().strip()

    @_told
    def history(self, detector: str) -> list[AliasChange]:
        """Every move of an alias, oldest first."""
        return alias_history.parse_changes(self._storage.lines(f"{detector}/{LOG}"))

    def point(
        self, detector: str, alias: str, version: str, action: Action = "point", reason: str = ""
    ) -> AliasChange | None:
        """Lets `alias` point to `version`; None where it does already.

        Raises:
            BundleError: there is no such version.
        """
        return self.move(detector, alias, lambda _: version, action, reason)

    def point_first(
        self, detector: str, alias: str, version: str, action: Action, reason: str = ""
    ) -> AliasChange | None:
        """The same where `alias` is not set; None where it is."""
        return self.move(detector, alias, lambda now: version if now is None else now, action, reason)

    @_told
    def move(
        self, detector: str, alias: str, choose: Callable[[str | None], str], action: Action, reason: str
    ) -> AliasChange | None:
        """Moves `alias` to what `choose` says when told what it points to; None where it stays.

        The line of the history first: a crash before the alias leaves a line too many, never one too few.

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
            move = AliasChange(alias_history.now(), alias, before, version, action, reason)
            self._storage.append(log, msgspec.json.encode(move))
            self._storage.replace(f"{detector}/{alias}", f"{version}\n".encode())
            return move

    def resolve(self, detector: str, reference: str) -> str:
        """The version that a version or an alias names.

        Raises:
            BundleError: there is no such version; says which there are.
        """
        version = self._named(detector, reference)
        if version is None or version not in self.versions(detector):
            raise self._missing(detector, reference)
        return version

    @_told
    def manifest(self, detector: str, reference: str) -> Manifest:
        """What a version says of itself, unverified.

        Raises:
            BundleError: there is no such version, or no manifest that this version of narrows reads.
        """
        version = self._named(detector, reference)
        path = f"{detector}/versions/{version}/{MANIFEST}"
        data = self._storage.read(path) if version is not None else None
        if data is None:
            raise self._missing(detector, reference)
        return parse_manifest(data, self.place(path))

    @_told
    def folder(self, detector: str, reference: str) -> Path:
        """A local folder of a version, or of the version an alias points to; of object storage a verified copy.

        Raises:
            BundleError: there is no such version, says which there are; or its objects were altered.
        """
        version = self.resolve(detector, reference)
        return self._storage.local(f"{detector}/versions/{version}", lambda copy: _check(copy, version))

    def _named(self, detector: str, reference: str) -> str | None:
        """The version that is meant, whether or not it is there; None for an alias that is not set."""
        return self.alias(detector, reference) if reference in ALIASES else reference

    def _missing(self, detector: str, reference: str) -> BundleError:
        return BundleError(
            f"{self.place()}: detector {detector!r} has no {reference!r} bundle; its versions: "
            f"{self.versions(detector) or 'none'}; train one with `narrows train`, or set `registry`, `detector` or "
            "`bundle`"
        )

    def _before(self, detector: str, alias: str) -> str | None:
        """What `alias` points to; None also where it holds no version, since moving it is what mends it."""
        data = self._storage.read(f"{detector}/{alias}")
        return data.decode().strip() if data is not None and VERSION.fullmatch(data) else None


def _check(copy: Path, version: str) -> None:
    found = verify(copy).version
    if found != version:
        raise BundleError(f"{copy}: holds {found}, expected {version}; versions are not renamed by hand: train again")
