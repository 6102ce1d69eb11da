"""Small real definitions and readings for tests: random weights, no training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from stream.detect.definition import Definition
from stream.detect.frames.scale import POOLED, ScaleTable
from stream.detect.incidents.heights import BINS, heights
from stream.detect.incidents.threshold import ThresholdTable
from stream.detect.model.autoencoders import build
from stream.detect.model.discriminator import build as build_discriminator
from stream.detect.model.ensemble import Ensemble
from stream.detect.policy import FramePolicy, Learning, ModelSpec, Rules, SensorRule
from stream.events.record import rfc3339
from stream.intake.columns import Readings
from stream.intake.decode import JSON, Fields
from stream.registry.bundle import Contents, SelfTest, load, write
from stream.registry.manifest import FORMAT, Manifest, ViewUnits
from stream.registry.manifest_facts import DataFacts, MetricFacts, ThresholdFacts
from stream.registry.registry import Registry
from stream.storage.opening import Storage

SECOND = 1_000_000_000
MS = 1_000_000
START = 1_700_000_000 * SECOND


def a_policy(**changes: object) -> FramePolicy:
    """A frame policy for readings of one a second, as they come; `changes` to it."""
    plain = {
        "interval_ns": SECOND, "max_gap_ns": 5 * SECOND, "resample": "none", "grace_ns": 0, "close_complete": True,
        "max_carry": 5, "max_missing": 0, "clip": 10.0, "score_when": "", "settle_ns": 0, "maintenance": (),
        "valid": (), "sentinels": (), "beyond_clip": "cut", "restart_after": 20,
    }  # fmt: skip
    return FramePolicy(**(plain | changes))  # type: ignore[arg-type]


def a_rules(**changes: object) -> Rules:
    """Incident rules with no rule for a sensor; `changes` to them."""
    plain = {
        "close_after": 3, "close_ratio": 0.8, "update_every_ns": 3600 * SECOND, "max_duration_ns": 7 * 86400 * SECOND,
        "severity_edges": (2.0, 5.0, 20.0), "top_sensors": 5, "sensors": (),
    }  # fmt: skip
    return Rules(**(plain | changes))  # type: ignore[arg-type]


def a_spec(*sizes: object, **changes: object) -> ModelSpec:
    """A small model without a discriminator; `sizes` in the order of the fields of `ModelSpec`, from the first on."""
    plain = {
        "kind": "dense", "window": 4, "smoothing": 3, "sensors": 2, "hidden": 8, "latent": 2, "members": 1,
        "dropout": 0.1, "error_span": "newest", "loss": "mse", "noise": 0.0, "beta": 0.1, "discriminator": 0,
        "clip": None,
    }  # fmt: skip
    return ModelSpec(**(plain | dict(zip(plain, sizes, strict=False)) | changes))  # type: ignore[arg-type]


def weights_of(spec: ModelSpec, seeds: Sequence[int]) -> dict[str, Tensor]:
    """Random weights. The buffers of a discriminator differ by member and sensor, and penalties are frequent."""
    weights = build(spec, seeds).weights()
    if not spec.discriminator:
        return weights
    made = build_discriminator(spec, seeds)
    for member, seed in enumerate(seeds):
        draw = torch.Generator().manual_seed(seed)
        usual = made.second.bias[member].detach()
        for values, low, high in ((made.unit, 0.5, 2.0), (made.slope, 2.0, 9.0), (made.floor, -0.3, 0.3)):
            values[member].uniform_(low, high, generator=draw)
        made.floor[member] += usual
        made.reach[member] = 1.0 + member
    return weights | made.weights()


def a_definition(
    spec: ModelSpec | None = None,
    policy: FramePolicy | None = None,
    rules: Rules | None = None,
    q: float = 1.0,
    series: Sequence[str] = ("a", "b"),
    seed: int = 0,
    learning: Learning | None = None,
) -> Definition:
    """A definition with random weights: scales differ by series, error scales by sensor; one threshold q for all."""
    spec = spec or a_spec()
    draw = np.random.default_rng(seed)
    names = (*series, POOLED)
    weights = weights_of(spec, [seed + k for k in range(spec.members)])
    return Definition(
        detector="test",
        version="v1",
        sensors=tuple(f"s{f}" for f in range(spec.sensors)),
        policy=policy or a_policy(),
        rules=rules or a_rules(),
        spec=spec,
        scales=ScaleTable(
            names,
            draw.normal(size=(len(names), spec.sensors)),
            draw.uniform(0.5, 2.0, size=(len(names), spec.sensors)),
            np.full(len(names), 100),
        ),
        thresholds=ThresholdTable(
            names,
            draw.uniform(0.8, 1.2, len(names)),
            np.full(len(names), 100),
            q,
            usual=None if learning is None else _counts(len(names)),
        ),
        learning=learning,
        ensemble=Ensemble(spec, weights, *_units_of(spec, draw)),
    )


def _counts(series: int) -> NDArray[np.float32]:
    """Counts of levels around half of the scale."""
    levels = np.random.default_rng(0).lognormal(-0.7, 0.3, (series, 60))
    return np.stack([np.bincount(heights(of), minlength=BINS) for of in levels]).astype(np.float32)


def _units_of(spec: ModelSpec, draw: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Error scales and tails; there is no tail of a single view."""
    views = len(spec.views)
    return draw.uniform(0.8, 1.25, (views, spec.sensors)), draw.uniform(1.5, 2.5, views) if views > 1 else None


def readings(
    series: Sequence[str], time: Sequence[int] | NDArray[np.int64], values: NDArray[np.float64], first: int = 0
) -> Readings:
    """Readings with consecutive positions from `first` on."""
    names = tuple(dict.fromkeys(series))
    return Readings(
        names=names,
        series=np.array([names.index(s) for s in series], np.int32),
        time=np.asarray(time, np.int64),
        values=np.asarray(values, np.float64),
        position=np.arange(first, first + len(series), dtype=np.int64),
    )


def publish(registry: Path | str | Storage, definition: Definition, seed: int = 0) -> Definition:
    """Writes the definition (made with `seed`) as a bundle that production points to, and loads it back."""
    store = Registry(registry)
    folder = store.publish(definition.detector, lambda scratch: write_bundle(scratch, definition, seed))
    store.point(definition.detector, "production", folder.name)
    return load(folder)[1]


def write_bundle(folder: Path, definition: Definition, seed: int = 0) -> Manifest:
    """Writes the definition (made with `seed`) as a bundle, and returns its manifest."""
    spec, promise = definition.spec, definition.promise
    draw = np.random.default_rng(1)
    windows = draw.normal(size=(4, spec.window, spec.sensors)).astype(np.float32)
    ends = np.arange(4) * spec.window + spec.window - 1
    errors = definition.ensemble.errors(np.ascontiguousarray(windows.reshape(-1, spec.sensors)), ends, None).error
    manifest = Manifest(
        format=FORMAT,
        detector=definition.detector,
        version="20260101T000000Z",
        created_at="2026-01-01T00:00:00Z",
        sensors=definition.sensors,
        policy=definition.policy,
        rules=definition.rules,
        model=spec,
        seeds=tuple(range(spec.members)),
        error_spread=tuple(definition.ensemble.error_scales[-1].tolist()),
        threshold_q=definition.thresholds.q,
        threshold=ThresholdFacts(
            method=None if promise.alerts_per_week is None else "budget", promised=promise.alerts_per_week
        ),
        data=DataFacts(),
        metrics=MetricFacts(),
        software={},
        parent=None,
        files=(),
        # Else never stale.
        calibrated_at="2100-01-01T00:00:00Z" if promise.calibrated_at is None else rfc3339(promise.calibrated_at),
        views=ViewUnits.of(definition.ensemble),
        learning=definition.learning,
        paths=None if definition.forms.stillness is None else definition.forms.stillness.paths,
    )
    contents = Contents(
        weights_of(spec, [seed + k for k in range(spec.members)]),
        definition.scales,
        definition.thresholds,
        pa.table({"series": ["a"], "ratio": [1.0]}),
        SelfTest(windows, errors),
    )
    return write(folder, manifest, contents)


def fields(**changes: object) -> Fields:
    """The fields of JSON messages {"time": ..., "<sensor>": ...} whose key is the series, with changes."""
    plain: dict[str, object] = {"time": "time", "time_format": "auto", "series": "", "format": "wide", "sensors": {}}
    plain |= {"sensor": "sensor", "value": "value", "max_future_ns": 300 * SECOND, "max_bytes": 1 << 20}
    plain |= {"encoding": JSON, "timezone": "UTC", "date": "", "bad_values": "missing", "late": "count"}
    return Fields(**(plain | changes))  # type: ignore[arg-type]


def a_rule(
    sensor: str,
    direction: Literal["both", "above", "below"] = "both",
    min_absolute: float = 0.0,
    min_relative: float = 0.0,
) -> SensorRule:
    """A rule of a sensor; every deviation passes what is not given."""
    return SensorRule(sensor, direction, min_absolute, min_relative)
