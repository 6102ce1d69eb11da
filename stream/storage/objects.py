"""Files as objects in a file system of `pyarrow.fs` that has no rename, no append and no lock.

An object appears once it is written to its end: readers see all of it or nothing. All other guarantees follow from the
order of the writes.
"""

import atexit
import errno
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, cached_property
from pathlib import Path
from uuid import uuid4

from pyarrow import fs

from stream.errors import BundleError
from stream.storage.folder import NameTakenError, move_to_free_name


class Objects:
    """Implements `stream.storage.opening.Storage`. Of two writers of one object the later wins.

    Args:
        connect: returns the file system and the path in it. It may use the network, so it is called at first need.
        uri: the place, for people.
        cache: local folder for verified copies; it may be emptied at any time.
    """

    def __init__(self, connect: Callable[[], tuple[fs.FileSystem, str]], uri: str, cache: Path) -> None:
        self._connect = connect
        self._uri = uri.rstrip("/")
        self._cache = cache

    @cached_property
    def _at(self) -> tuple[fs.FileSystem, str]:
        return self._connect()

    @property
    def _files(self) -> fs.FileSystem:
        return self._at[0]

    def _path(self, path: str) -> str:
        return "/".join(part for part in (self._at[1].rstrip("/"), path) if part)

    def place(self, path: str) -> str:
        """The URI of a path."""
        return f"{self._uri}/{path}" if path else self._uri

    def exists(self, path: str) -> bool:
        """True where an object of that name, or one below it, exists."""
        return bool(self._files.get_file_info(self._path(path)).type != fs.FileType.NotFound)

    def folders_with(self, folder: str, name: str) -> list[str]:
        """Names of the folders in `folder` that hold an object `name`, in order."""
        paths = [info.path for info in self._listed(folder, recursive=True)]
        own = len(self._path(folder)) + 1
        below = (path[own:].split("/") for path in paths)
        return sorted(parts[0] for parts in below if len(parts) == 2 and parts[1] == name)

    def read(self, path: str) -> bytes | None:
        """The bytes of an object; None where it does not exist."""
        try:
            with self._files.open_input_stream(self._path(path)) as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None

    def replace(self, path: str, data: bytes) -> None:
        """Replaces an object by `data`; readers see the old one until the new one is complete."""
        target = self._path(path)
        try:
            stream = self._files.open_output_stream(target)
        except FileNotFoundError:
            # Some file systems have real folders; object storage has none, and this makes no call.
            self._files.create_dir(target.rpartition("/")[0], recursive=True)
            stream = self._files.open_output_stream(target)
        with stream:
            stream.write(data)

    def try_writing(self, folder: str) -> None:
        """Writes an empty object into `folder` and removes it; it stays where this process may write but not delete."""
        trial = f"{folder}/.trial"
        self.replace(trial, b"")
        with suppress(OSError):
            self._files.delete_file(self._path(trial))

    @contextmanager
    def exclusive(self, log: str) -> Iterator[None]:
        """Holds no lock: object storage has none. The caller must allow for a second writer."""
        yield

    def append(self, log: str, line: bytes) -> None:
        """Adds a line as an object of its own, named by time: no writer can lose the line of another."""
        self.replace(f"{log}/{time.time_ns():020d}-{uuid4().hex[:8]}", line)

    def lines(self, log: str) -> list[bytes]:
        """The lines, in the order of their writers' clocks."""
        names = sorted(info.base_name for info in self._listed(log))
        found = (self.read(f"{log}/{name}") for name in names)
        return [line for line in found if line is not None]

    def publish(self, folder: str, last: str, make: Callable[[Path], str]) -> None:
        """Lets `make` fill a local scratch folder, then writes its files, `last` at the end.

        1. `make` fills the scratch folder. After a crash or an error nothing is written.
        2. Write every file but `last`, one by one. A crash leaves some of them: `exists` is true, but `folders_with`
           does not list the name, and nobody reads it. Publishing the name again overwrites them.
        3. Write `last`: the folder is complete. A crash after it loses nothing.

        Raises:
            NameTakenError: the name is taken. If two processes publish one name at the same moment, both may succeed.
                Therefore a name must follow from the content of its files.
        """
        self._cache.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".writing-", dir=self._cache))
        try:
            name = make(scratch)
            if self.exists(f"{folder}/{name}/{last}"):
                raise NameTakenError(errno.EEXIST, "already there", self.place(f"{folder}/{name}"))
            for file in sorted(scratch.iterdir(), key=lambda file: file.name == last):
                self.replace(f"{folder}/{name}/{file.name}", file.read_bytes())
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def local(self, folder: str, check: Callable[[Path], object]) -> Path:
        """A local copy that passes `check`, fetched where there is none.

        1. An earlier copy that still passes is used. 2. Else the objects are copied to a scratch folder.
        3. `check` examines it. 4. One rename moves it into place. A crash leaves a scratch folder that nobody reads.

        Raises:
            BundleError: the objects do not pass `check`; has its reason.
        """
        kept = self._cache / folder
        if kept.is_dir():
            if _passes(check, kept):
                return kept
            shutil.rmtree(kept)
        kept.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".reading-", dir=kept.parent))
        try:
            self._fetch(folder, scratch)
            self._check(check, scratch, folder)
            move_to_free_name(scratch, kept)
        except NameTakenError:
            # Another process was faster; its copy is used.
            check(kept)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return kept

    def _check(self, check: Callable[[Path], object], scratch: Path, folder: str) -> None:
        try:
            check(scratch)
        except BundleError as fault:
            raise BundleError(f"{self.place(folder)}: {fault}") from fault

    def _fetch(self, folder: str, to: Path) -> None:
        for info in self._listed(folder):
            source = self._files.open_input_stream(self._path(f"{folder}/{info.base_name}"))
            with source, (to / info.base_name).open("wb") as target:
                shutil.copyfileobj(source, target)

    def _listed(self, folder: str, recursive: bool = False) -> list[fs.FileInfo]:
        selector = fs.FileSelector(self._path(folder), allow_not_found=True, recursive=recursive)
        return [info for info in self._files.get_file_info(selector) if info.type == fs.FileType.File]


@cache
def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/narrows` or `~/.cache/narrows`; a folder of this process where they cannot be written."""
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "narrows"
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    except (OSError, RuntimeError):
        pass
    folder = Path(tempfile.mkdtemp(prefix="narrows-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _passes(check: Callable[[Path], object], folder: Path) -> bool:
    try:
        check(folder)
    except (BundleError, OSError):
        return False
    return True
