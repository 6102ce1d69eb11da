"""Production goes to another version, or back: verified first, as a consumer would load it."""

from stream.errors import BundleError, ConfigError
from stream.registry import alias_history
from stream.registry.alias_history import AliasChange
from stream.registry.bundle import load
from stream.registry.manifest import Manifest
from stream.registry.registry import PRODUCTION, Registry


def promote(
    registry: Registry, detector: str, reference: str, reason: str = "", force: bool = False
) -> AliasChange | None:
    """Lets production point to a version, or to what an alias points to, once it is verified.

    Args:
        force: also to one that the gate refused; the history says so.

    Returns:
        The move; None where production points there already.

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
    """Lets production point to what it pointed to before, once that is verified.

    Raises:
        BundleError: it has pointed to nothing else, what it pointed to is gone or was altered, or somebody else moved
            it meanwhile.
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

    move = registry.move(detector, PRODUCTION, back, "rollback", reason)
    assert move is not None, "the past holds no version twice in a row"
    return move


def _verified(registry: Registry, detector: str, reference: str) -> Manifest:
    """Of the version that `reference` names, loaded once as a consumer would."""
    folder = registry.folder(detector, reference)
    manifest, _ = load(folder)
    if (manifest.detector, manifest.version) != (detector, folder.name):
        raise BundleError(
            f"{registry.place(detector, 'versions', folder.name)}: holds {manifest.version} of "
            f"{manifest.detector!r}, expected {folder.name} of {detector!r}; versions are not copied or renamed by "
            "hand: train again"
        )
    return manifest
