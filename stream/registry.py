"""The registry: versions of each detector's bundle, and the names `production` and `candidate` that point to one.

    <root>/<detector>/versions/<version>/...      <root>/<detector>/{production,candidate}   text: a version

Every change is one rename, so that a reader sees the old state or the new one.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from stream.bundle import MANIFEST, Manifest
from stream.errors import BundleError

PRODUCTION, CANDIDATE = "production", "candidate"
ALIASES = (PRODUCTION, CANDIDATE)


class Registry:
    """Bundles below a local folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def publish(self, detector: str, write: Callable[[Path], Manifest]) -> Path:
        """Lets `write` fill a scratch folder and moves it into place; nothing is left of one that fails.

        Returns:
            The folder of the new version.
        """
        versions = self._root / detector / "versions"
        versions.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".writing-", dir=versions))
        try:
            manifest = write(scratch)
            scratch.chmod(0o755)
            if (versions / manifest.version).exists():
                raise BundleError(f"{versions / manifest.version}: already there, and versions never change")
            return scratch.rename(versions / manifest.version)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise

    def versions(self, detector: str) -> list[str]:
        """Complete versions, oldest first."""
        folder = self._root / detector / "versions"
        return sorted(path.parent.name for path in folder.glob(f"[!.]*/{MANIFEST}"))

    def has(self, detector: str, version: str) -> bool:
        """Whether there is anything under this name, complete or not.

        Raises:
            OSError: nobody can say.
        """
        return (self._root / detector / "versions" / version).exists()

    def alias(self, detector: str, alias: str) -> str | None:
        """The version that `alias` points to, or None where it is not set."""
        path = self._root / detector / alias
        return path.read_text().strip() if path.is_file() else None

    def point(self, detector: str, alias: str, version: str) -> None:
        """Lets `alias` point to `version`, atomically."""
        if version not in self.versions(detector):
            raise BundleError(f"{detector}: no version {version!r}; there are {self.versions(detector)}")
        path = self._root / detector / alias
        handle, scratch = tempfile.mkstemp(prefix=f".{alias}-", dir=path.parent)
        with os.fdopen(handle, "w") as file:
            file.write(version + "\n")
        os.chmod(scratch, 0o644)
        os.replace(scratch, path)

    def folder(self, detector: str, reference: str) -> Path:
        """The folder of a version, or of the version an alias points to.

        Raises:
            BundleError: there is no such version; says which there are.
        """
        version = self.alias(detector, reference) if reference in ALIASES else reference
        versions = self.versions(detector)
        if version is None or version not in versions:
            raise BundleError(
                f"{self._root}: detector {detector!r} has no {reference!r} bundle; its versions: {versions or 'none'}; "
                "train one with `narrows train`, or set `registry`, `detector` or `bundle`"
            )
        return self._root / detector / "versions" / version
