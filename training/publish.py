"""The manifest of a new bundle, and its publication in the registry."""

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from stream.detect.definition import Definition
from stream.registry.bundle import Contents, write
from stream.registry.capacity_facts import CapacityFacts
from stream.registry.manifest import FORMAT, Manifest, ViewUnits, read_manifest
from stream.registry.manifest_facts import DataFacts, GateFacts, MetricFacts
from stream.registry.registry import CANDIDATE, PRODUCTION, Registry
from training.calibration.calibrate import Calibration
from training.fitting.members import TrainedEnsemble
from training.options import TrainOptions


def draft_manifest(
    draft: Definition,
    seeds: tuple[int, ...],
    calibration: Calibration,
    data: DataFacts,
    metrics: MetricFacts,
    now: datetime,
) -> Manifest:
    """The manifest of a bundle that is not written yet: without files, and without the hash in its version."""
    made, created_at = stamp(now)
    return Manifest(
        format=FORMAT,
        detector=draft.detector,
        version=made,
        created_at=created_at,
        sensors=draft.sensors,
        policy=draft.policy,
        rules=draft.rules,
        model=draft.spec,
        seeds=seeds,
        error_spread=tuple(draft.ensemble.error_scales[-1].tolist()),
        threshold_q=calibration.table.q,
        threshold=calibration.facts(),
        data=data,
        metrics=metrics,
        software={name: version(name) for name in ("torch", "numpy", "pyarrow")}
        | {"python": platform.python_version()},
        parent=None,
        files=(),
        usual_disagreement=draft.usual_disagreement,
        views=ViewUnits.of(draft.ensemble),
        paths=None if draft.forms.stillness is None else draft.forms.stillness.paths,
        learning=draft.learning,
    )


def metrics_of(trained: TrainedEnsemble, gate: GateFacts, capacity: CapacityFacts) -> MetricFacts:
    """Metrics of a model, for its manifest."""
    fitted, discriminator = trained.fitted, trained.discriminator
    return MetricFacts(
        fit_loss=tuple(fitted.fit_loss),
        stop_loss=tuple(fitted.best_loss),
        code_kl=tuple(map(tuple, fitted.divergence)),
        discriminator_loss=None if discriminator is None else tuple(discriminator.stop_loss),
        gate=gate,
        capacity=capacity,
    )


def stamp(now: datetime) -> tuple[str, str]:
    """The time in UTC twice: as the first half of a version, and by RFC 3339."""
    utc = now.astimezone(UTC)
    return utc.strftime("%Y%m%dT%H%M%SZ"), utc.isoformat(timespec="seconds").replace("+00:00", "Z")


def publish(options: TrainOptions, manifest: Manifest, contents: Contents) -> tuple[Path, Manifest, tuple[str, ...]]:
    """Publishes a version, and points `candidate` to it, and `production` if that is not set.

    A version that the gate refused is published too, for inspection. No alias points to it unless the options force it.

    Returns:
        A local folder, the manifest as written, and the aliases that point to it.
    """
    registry, detector, gate = Registry(options.registry), options.detector, manifest.metrics.gate
    folder = registry.publish(detector, lambda scratch: write(scratch, manifest, contents))
    if gate.refused and options.force is None:
        return folder, read_manifest(folder), ()
    reason = gate.forced(options.force or "") if gate.refused else ""
    registry.point(detector, CANDIDATE, folder.name, "train", reason)
    first = registry.start_production(detector, folder.name, reason)
    return folder, read_manifest(folder), (CANDIDATE,) if first is None else (CANDIDATE, PRODUCTION)
