"""The interface of every storage, and the storage of a named place."""

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

from stream.errors import ConfigError
from stream.storage.folder import Folder
from stream.storage.location import uri_of

RETRY_SECONDS = 10


class Storage(Protocol):
    """Files by paths relative to a place, with slashes. Each method may raise OSError: the storage does not answer."""

    def place(self, path: str) -> str:
        """The full path or URI, for people."""

    def exists(self, path: str) -> bool:
        """True where a file or a folder of that name exists."""

    def folders_with(self, folder: str, name: str) -> list[str]:
        """Names of the folders in `folder` that hold a file `name`, in order."""

    def read(self, path: str) -> bytes | None:
        """The bytes of a file; None where it does not exist."""

    def replace(self, path: str, data: bytes) -> None:
        """Replaces the content of a file by `data`; a reader sees the old content or the new one."""

    def try_writing(self, folder: str) -> None:
        """Writes something below `folder` and removes it again; raises OSError where that is refused."""

    def exclusive(self, log: str) -> AbstractContextManager[None]:
        """Keeps other writers of this log out, if the storage has locks."""

    def append(self, log: str, line: bytes) -> None:
        """Adds a line to a log; call it within `exclusive`."""

    def lines(self, log: str) -> list[bytes]:
        """The lines of a log, oldest first; an incomplete one may be among them."""

    def publish(self, folder: str, last: str, make: Callable[[Path], str]) -> None:
        """Lets `make` fill a local folder, and puts it into `folder` under the name that `make` returns.

        The folder is complete once its file `last` exists.

        Raises:
            NameTakenError: the name is taken.
        """

    def local(self, folder: str, check: Callable[[Path], object]) -> Path:
        """A local folder with the files of `folder`; a copy has passed `check`."""


def storage_at(where: str | Path) -> Storage:
    """The storage at a folder or URI (`file://`, `s3://`, `gs://`); does not use the network.

    Raises:
        ConfigError: the URI names no place for files.
    """
    try:
        uri = uri_of(where) if isinstance(where, str) else None
    except ValueError as fault:
        raise ConfigError(f"registry: {fault}") from None
    if uri is None:
        return Folder(Path(where))
    if uri.scheme == "file":
        return Folder(Path(unquote(uri.path)))
    return _objects(str(where))


def _objects(where: str) -> Storage:
    from pyarrow import fs

    from stream.storage.objects import Objects, cache_folder

    uri, _, options = where.partition("?")
    if uri.startswith("gs://") and "retry_limit_seconds" not in options:
        # The client's own limit is 15 minutes; a consumer that looks up its bundle would stand still for as long.
        options = "&".join(filter(None, [options, f"retry_limit_seconds={RETRY_SECONDS}"]))
    full = f"{uri}?{options}" if options else uri
    cache = cache_folder() / hashlib.sha256(where.encode()).hexdigest()[:16]
    return Objects(lambda: fs.FileSystem.from_uri(full), uri, cache)
