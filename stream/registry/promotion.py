"""Points production to another version, or back, once that version is verified as a consumer would load it."""

from stream.errors import BundleError, ConfigError
from stream.registry import alias_history
from stream.registry.alias_history import AliasChange
from stream.registry.bundle import load
from stream.registry.manifest import Manifest
from stream.registry.registry import PRODUCTION, Registry


def promote(
    registry: Registry, detector: str, reference: str, reason: str = "", force: bool = False
) -> AliasChange | None:
    """Points production to a version once it is verified.

    Args:
        reference: a version or an alias.
        reason: for the history.
        force: promote a version that the gate refused; the history records it.

    Returns:
        The change; None where production points there already.

    Raises:
        BundleError: there is no such version, or it was altered, or is not one of this detector.
        GateError: the gate refused it.
        ConfigError: forced without a reason.
    """
    manifest = _verified(registry, detector, reference)
    gate = manifest.metrics.gate
    if not force:
        gate.require(manifest.version, 'train again, or let it pass with --force --reason "who and why"')
    elif gate.refused:
        if not reason:
            raise ConfigError("models promote: --force needs --reason: who lets a refused version pass, and why")
        reason = gate.forced(reason)
    return registry.point(detector, PRODUCTION, manifest.version, "promote", reason)


def rollback(registry: Registry, detector: str, reason: str = "") -> AliasChange:
    """Points production to the version it pointed to before, once that version is verified.

    Raises:
        BundleError: there is no version before, it is gone or altered, or production was moved meanwhile.
    """
    current = registry.alias(detector, PRODUCTION)
    version = (
        None if current is None else alias_history.previous_version(registry.history(detector), PRODUCTION, current)
    )
    if version is None:
        raise BundleError(
            f"{registry.place(detector)}: production points to {current or 'nothing'}, and its history tells of "
            "nothing before; name a version with `narrows models promote`"
        )
    _verified(registry, detector, version)

    def back(now: str | None) -> str:
        if now != current:
            raise BundleError(
                f"{registry.place(detector)}: production was moved from {current} to {now} meanwhile; "
                "look at `narrows models list` and decide again"
            )
        return version

    change = registry.move(detector, PRODUCTION, back, "rollback", reason)
    assert change is not None, "the history holds no version twice in a row"
    return change


def _verified(registry: Registry, detector: str, reference: str) -> Manifest:
    """Loads a version as a consumer would, and returns its manifest."""
    folder = registry.folder(detector, reference)
    manifest, _ = load(folder)
    if (manifest.detector, manifest.version) != (detector, folder.name):
        raise BundleError(
            f"{registry.place(detector, 'versions', folder.name)}: holds {manifest.version} of "
            f"{manifest.detector!r}, expected {folder.name} of {detector!r}; versions are not copied or renamed by "
            "hand: train again"
        )
    return manifest
