"""Files below a local folder. Every change is one rename, or one line appended under a lock."""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# Written for a trial: a disk without this much room holds no bundle.
TRIAL_BYTES = 1 << 20


class NameTakenError(OSError):
    """The name is taken."""


class Folder:
    """Implements `stream.storage.opening.Storage`. Readers see the old state or the new one; writers take turns."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def place(self, path: str) -> str:
        """The full path, for people."""
        return str(self._root / path)

    def exists(self, path: str) -> bool:
        """True where a file or a folder of that name exists."""
        return (self._root / path).exists()

    def folders_with(self, folder: str, name: str) -> list[str]:
        """Names of the folders in `folder` that hold a file `name`, in order."""
        return sorted(path.parent.name for path in (self._root / folder).glob(f"[!.]*/{name}"))

    def read(self, path: str) -> bytes | None:
        """The bytes of a file; None where it does not exist."""
        file = self._root / path
        return file.read_bytes() if file.is_file() else None

    def replace(self, path: str, data: bytes) -> None:
        """Replaces the content of a file by `data`, with one rename."""
        file = self._root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        os.chmod(scratch, 0o644)
        os.replace(scratch, file)

    def try_writing(self, folder: str) -> None:
        """Writes a scratch file into `folder` and removes it, and the folders that were not there before."""
        target = self._root / folder
        made = [parent for parent in (target, *target.parents) if not parent.exists()]
        try:
            target.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=target) as scratch:
                scratch.write(bytes(TRIAL_BYTES))
        finally:
            for parent in made:
                if parent.is_dir() and not any(parent.iterdir()):
                    parent.rmdir()

    @contextmanager
    def exclusive(self, log: str) -> Iterator[None]:
        """Holds a lock on the log; the system releases it where the process dies."""
        file = self._root / log
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def append(self, log: str, line: bytes) -> None:
        """Adds a line to the log; call it within `exclusive`."""
        with (self._root / log).open("a+b") as file:
            # A writer that died in the middle of its line must not damage the next one.
            file.seek(max(file.seek(0, os.SEEK_END) - 1, 0))
            torn = file.read(1) not in (b"", b"\n")
            file.write(b"\n" * torn + line + b"\n")

    def lines(self, log: str) -> list[bytes]:
        """The lines of the log, oldest first."""
        data = self.read(log)
        return [] if data is None else data.splitlines()

    def publish(self, folder: str, last: str, make: Callable[[Path], str]) -> None:
        """Lets `make` fill a scratch folder, and moves it to the name that `make` returns.

        1. Create a scratch folder beside the target; its name begins with a dot, which `folders_with` passes over.
        2. `make` fills it. An error removes it.
        3. One rename. A crash before it leaves the scratch folder, which nobody reads.

        Args:
            last: the file that completes the folder; here all files appear at once.

        Raises:
            NameTakenError: the name is taken.
        """
        parent = self._root / folder
        parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".writing-", dir=parent))
        try:
            name = make(scratch)
            scratch.chmod(0o755)
            move_to_free_name(scratch, parent / name)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise

    def local(self, folder: str, check: Callable[[Path], object]) -> Path:
        """The folder itself. `check` is not called: there is no copy that could differ, and the loader checks."""
        return self._root / folder


def move_to_free_name(folder: Path, to: Path) -> None:
    """Moves a folder by one rename; of several at once the first succeeds.

    Raises:
        NameTakenError: the name is taken.
    """
    try:
        folder.rename(to)
    except OSError as fault:
        if fault.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise NameTakenError(errno.EEXIST, "already there", str(to)) from fault
        raise
