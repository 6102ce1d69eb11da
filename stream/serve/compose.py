"""Parts of every run, made from the settings: the verified bundle, the decoder, the series that are taken."""

from pathlib import Path

from stream.detect.definition import Definition
from stream.detect.frames.scale import POOLED
from stream.errors import BundleError
from stream.intake.decode import JSON, Decoder, Fields
from stream.registry.bundle import load
from stream.registry.manifest import Manifest
from stream.registry.registry import ALIASES, Registry
from stream.replay import check_meeting
from stream.serve.served_bundle import RegistryBundles
from stream.settings import Settings


def bundle_of(settings: Settings, bundle: str | None = None) -> tuple[Path, Manifest, Definition]:
    """Loads the bundle that the settings name, verified: its folder, its manifest, its definition.

    Args:
        bundle: a folder, a version or an alias, instead of that of the settings; None = that of the settings.

    Raises:
        BundleError: there is no bundle, it was altered, or it does not fit the configured sensors.
    """
    if bundle is not None and bundle not in ALIASES and Path(bundle).is_dir():
        folder = Path(bundle)
    else:
        folder = Registry(settings.registry).folder(settings.detector, bundle or settings.bundle)
    manifest, definition = load(folder)
    missing = [name for name in definition.sensors if settings.input.sensors and name not in settings.input.sensors]
    if missing:
        raise BundleError(
            f"{folder}: trained on sensors {list(definition.sensors)}, expected all of them in "
            f"`input.sensors`, which lacks {missing}; add them, or point `bundle` at one trained on these sensors"
        )
    check_meeting(f"{folder}, with `input.format: long`", settings.input.wire.format, definition)
    return folder, manifest, definition


def bundle_source(settings: Settings, reference: str, served: Definition) -> RegistryBundles:
    """Bundles of the configured registry; see `RegistryBundles`."""
    return RegistryBundles(
        Registry(settings.registry), reference, served, lambda version: bundle_of(settings, version)[2]
    )


def known_series(settings: Settings, definition: Definition) -> frozenset[str] | None:
    """Series whose readings are accepted; None = all."""
    return frozenset(definition.scales.names) - {POOLED} if settings.input.unknown_series == "refuse" else None


def fields(settings: Settings) -> Fields:
    """The places of time, series and values in a message."""
    wire, options = settings.input.wire, settings.input
    return Fields(
        time=wire.time,
        time_format=options.time_format,
        series=options.series,
        format=wire.format,
        sensors=options.sensors,
        sensor=wire.sensor,
        value=wire.value,
        max_future_ns=options.max_future,
        max_bytes=options.max_bytes,
        encoding=JSON,
        timezone=options.zone,
        date=options.date or "",
        bad_values=options.bad_values,
        late=options.late,
    )


def decoder(settings: Settings, definition: Definition) -> Decoder:
    """Decoder for the configured topic and the sensors of a bundle."""
    return Decoder(fields(settings), definition.sensors, known_series(settings, definition))
