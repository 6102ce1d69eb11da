"""Bundle sources: where the service finds the bundle to serve, and those that replays need."""

from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from stream.detect.definition import Definition
from stream.errors import BundleError, NarrowsError
from stream.events.detector_events import BundleRefused
from stream.registry.registry import ALIASES, Registry

log = structlog.get_logger()


class BundleSource(Protocol):
    """Gives the service its definitions."""

    def current(self) -> tuple[Definition, BundleRefused | None]:
        """Looks up the definition to serve; with an event if a new one has just been refused."""

    def version(self, version: str) -> Definition | None:
        """Definition of a stamp that has served before; None if it is gone for good.

        Raises:
            NarrowsError, OSError: it cannot be read just now.
        """


class FixedBundles:
    """Bundles that are known from the start; the first is served."""

    def __init__(self, *definitions: Definition) -> None:
        self._by_version: Mapping[str, Definition] = {d.version: d for d in definitions}
        self._served = definitions[0]

    def current(self) -> tuple[Definition, BundleRefused | None]:
        """Always the first definition."""
        return self._served, None

    def version(self, version: str) -> Definition | None:
        """The definition of a version, if it is one of these."""
        return self._by_version.get(version)


class RegistryBundles:
    """Bundles of a registry: an alias is followed; a version or a folder stays what it is.

    Args:
        reference: an alias, a version or a folder.
        served: the definition that is served first.
        load: loads the verified definition of a version, checked against the settings.
    """

    def __init__(
        self, registry: Registry, reference: str, served: Definition, load: Callable[[str], Definition]
    ) -> None:
        self._registry = registry
        self._reference = reference
        self._served = served
        # The definition that was served before, or loaded last for a replay.
        self._previous = served
        self._load = load
        self._refused: str | None = None

    def current(self) -> tuple[Definition, BundleRefused | None]:
        """Follows the alias. A version that cannot be served is refused once, and the one before stays in service."""
        version = self._aliased_version()
        if version is None or version in (self._served.version, self._refused):
            return self._served, None
        try:
            definition = self._load(version)
        except (NarrowsError, OSError) as fault:
            self._refused = version
            log.error("bundle.refused", version=version, serving=self._served.version, error=str(fault))
            return self._served, BundleRefused(version, self._served.version, message=str(fault))
        self._previous, self._served, self._refused = self._served, definition, None
        return definition, None

    def version(self, version: str) -> Definition | None:
        """Definition of a version: of the two last served, or of the registry. None if it is not there.

        Raises:
            BundleError: the registry is out of reach, or the bundle cannot be served.
            OSError: the bundle cannot be read.
        """
        for known in (self._served, self._previous):
            if version == known.version:
                return known
        if not self._is_readable():
            raise BundleError(
                f"the registry does not show what `bundle` names, expected {self._reference!r}; is it mounted?"
            )
        if not self._registry.has(self._served.detector, version):
            return None
        self._previous = self._load(version)
        return self._previous

    def _aliased_version(self) -> str | None:
        """Version that the alias names; None where the reference is no alias, or the registry cannot be read."""
        if self._reference not in ALIASES:
            return None
        try:
            return self._registry.alias(self._served.detector, self._reference)
        except OSError as fault:
            log.error("registry.unreadable", error=str(fault), serving=self._served.version)
            return None

    def _is_readable(self) -> bool:
        """True where the registry can be read, so that a missing version is gone and not just out of reach."""
        if self._reference in ALIASES:
            return self._aliased_version() is not None
        is_folder = self._reference != self._served.version
        return is_folder or self._registry.has(self._served.detector, self._served.version)
