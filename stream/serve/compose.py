"""From settings and a bundle to the parts that run: the same decoder and definition for every way of running."""

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

SECOND_NS = 1e9


def bundle_of(settings: Settings, bundle: str | None = None) -> tuple[Path, Manifest, Definition]:
    """The verified bundle that the settings name; `bundle` is a folder, or a version or alias instead of theirs.

    Raises:
        BundleError: there is none, it was altered, or it does not fit the configured sensors.
    """
    if bundle is not None and bundle not in ALIASES and Path(bundle).is_dir():
        folder = Path(bundle)
    else:
        folder = Registry(settings.registry).folder(settings.detector, bundle or settings.bundle)
    manifest, definition = load(folder)
    missing = [name for name in definition.sensors if settings.input.sensors and name not in settings.input.sensors]
    if missing:
        raise BundleError(
            f"{folder}: trained on sensors {list(definition.sensors)}, `input.sensors` lacks {missing}; "
            "add them, or point `bundle` at one trained on these sensors"
        )
    check_meeting(f"{folder}, with `input.format: long`", settings.input.wire.format, definition)
    return folder, manifest, definition


def bundle_source(settings: Settings, reference: str, served: Definition) -> RegistryBundles:
    """Which bundle is served from here on: an alias is followed, a version or folder stays."""
    return RegistryBundles(
        Registry(settings.registry), reference, served, lambda version: bundle_of(settings, version)[2]
    )


def known_series(settings: Settings, definition: Definition) -> frozenset[str] | None:
    """The series whose readings are taken; None: all."""
    return frozenset(definition.scales.names) - {POOLED} if settings.input.unknown_series == "refuse" else None


def decoder(settings: Settings, definition: Definition) -> Decoder:
    """The decoder for the topic of these settings and the sensors of this bundle."""
    wire, given = settings.input.wire, settings.input
    fields = Fields(
        time=wire.time,
        time_format=given.time_format,
        series=given.series,
        format=wire.format,
        sensors=given.sensors,
        sensor=wire.sensor,
        value=wire.value,
        max_future_ns=given.max_future,
        max_bytes=given.max_bytes,
        encoding=JSON,
    )
    return Decoder(fields, definition.sensors, known_series(settings, definition))
