"""The bundle that is served: the one in force, those that replays need, and the next one as it appears."""

from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from stream.detect.definition import Definition
from stream.errors import BundleError, NarrowsError
from stream.events.detector_events import BundleRefused
from stream.registry.registry import ALIASES, Registry

log = structlog.get_logger()


class BundleSource(Protocol):
    """Where the loop gets its definitions from."""

    def current(self) -> tuple[Definition, BundleRefused | None]:
        """The definition to serve, looked up now; a notice where a new one was refused."""

    def version(self, version: str) -> Definition | None:
        """The definition of a version that has served before; None where it is gone for good.

        Raises:
            NarrowsError, OSError: it cannot be read just now.
        """


class FixedBundles:
    """One bundle, or several that are known beforehand; the first is served."""

    def __init__(self, *definitions: Definition) -> None:
        self._known: Mapping[str, Definition] = {d.version: d for d in definitions}
        self._served = definitions[0]

    def current(self) -> tuple[Definition, BundleRefused | None]:
        return self._served, None

    def version(self, version: str) -> Definition | None:
        return self._known.get(version)


class RegistryBundles:
    """What an alias of the registry points to; a reference that is no alias stays with what is served.

    Args:
        load: the verified definition of a version, checked against the settings.
    """

    def __init__(
        self, registry: Registry, reference: str, served: Definition, load: Callable[[str], Definition]
    ) -> None:
        self._registry = registry
        self._reference = reference
        self._served = served
        # The last one that was served before it, or asked for.
        self._before = served
        self._load = load
        self._refused: str | None = None

    def current(self) -> tuple[Definition, BundleRefused | None]:
        """A version that cannot be served is refused once, and the one before serves on."""
        wanted = self._wanted()
        if wanted is None or wanted in (self._served.version, self._refused):
            return self._served, None
        try:
            definition = self._load(wanted)
        except (NarrowsError, OSError) as fault:
            self._refused = wanted
            log.error("bundle.refused", version=wanted, serving=self._served.version, error=str(fault))
            return self._served, BundleRefused(wanted, self._served.version, message=str(fault))
        self._before, self._served, self._refused = self._served, definition, None
        return definition, None

    def _wanted(self) -> str | None:
        if self._reference not in ALIASES:
            return None
        try:
            return self._registry.alias(self._served.detector, self._reference)
        except OSError as fault:
            log.error("registry.unreadable", error=str(fault), serving=self._served.version)
            return None

    def version(self, version: str) -> Definition | None:
        for known in (self._served, self._before):
            if version == known.version:
                return known
        if not self._is_there():
            raise BundleError(f"the registry does not show what `bundle` names, {self._reference!r}; is it mounted?")
        if not self._registry.has(self._served.detector, version):
            return None
        self._before = self._load(version)
        return self._before

    def _is_there(self) -> bool:
        """Whether what the registry does not have is gone: where its volume is not mounted, it has nothing at all."""
        if self._reference in ALIASES:
            return self._wanted() is not None
        is_folder = self._reference != self._served.version
        return is_folder or self._registry.has(self._served.detector, self._served.version)
