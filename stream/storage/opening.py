"""From the name of a place to the storage behind it; and what every storage can do."""

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
    """Files by paths relative to a place, with slashes. Any method may raise OSError: the storage does not answer."""

    def place(self, path: str) -> str:
        """A path as people would write it."""

    def exists(self, path: str) -> bool:
        """Whether there is anything of that name, a file or a folder."""

    def holding(self, folder: str, name: str) -> list[str]:
        """Names of the folders in `folder` that hold a file `name`, in order."""

    def read(self, path: str) -> bytes | None:
        """The bytes of a file; None where there is none."""

    def replace(self, path: str, data: bytes) -> None:
        """Puts `data` in place of what the file held; a reader sees the old or the new."""

    def alone(self, log: str) -> AbstractContextManager[None]:
        """Keeps other writers of this log out, where the storage can."""

    def append(self, log: str, line: bytes) -> None:
        """Adds a line to a log; within `alone`."""

    def lines(self, log: str) -> list[bytes]:
        """The lines of a log, oldest first; one whose writing was cut short may be among them."""

    def publish(self, folder: str, last: str, make: Callable[[Path], str]) -> None:
        """Lets `make` fill a local folder and puts it into `folder`, under the name that it gives, complete once its
        file `last` is there.

        Raises:
            NameTakenError: the name is taken.
        """

    def local(self, folder: str, check: Callable[[Path], object]) -> Path:
        """A local folder with the files of `folder`; a copy has passed `check`."""


def storage_at(where: str | Path) -> Storage:
    """The storage at a folder or URI (`file://`, `s3://`, `gs://`); the network is not asked yet.

    Raises:
        ConfigError: no such kind of place.
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
        # The client's own is a quarter of an hour, for which a consumer that looks up its bundle would stand still.
        options = "&".join(filter(None, [options, f"retry_limit_seconds={RETRY_SECONDS}"]))
    full = f"{uri}?{options}" if options else uri
    return Objects(lambda: fs.FileSystem.from_uri(full), uri, cache_folder() / _digest(where))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
