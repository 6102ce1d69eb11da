"""A bundle whose scores are known by hand, and three labelled series to go with it.

The model has weights of 0 and windows of one frame, so it expects 0 everywhere. Scales and threshold are 1, and there
is no smoothing, so the score of a frame is the mean square of its values.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from stream.detect.frames.scale import POOLED, ScaleTable
from stream.detect.incidents.threshold import ThresholdTable
from stream.detect.model.autoencoders import build
from stream.intake.tables.reader import Hints
from stream.registry.bundle import Contents, SelfTest, load, write
from stream.registry.manifest import FORMAT, Manifest
from stream.registry.manifest_facts import DataFacts, MetricFacts, ThresholdFacts
from stream.registry.registry import Registry
from tests.support.builders import a_policy, a_rules, a_spec
from tests.support.options import train_options
from training.evaluate.evaluation import Bundle, Evaluation, EvaluationOptions, evaluate

MINUTE = 60_000_000_000
START = 1_700_000_040 * 1_000_000_000  # on a whole minute
SENSORS = ("s0", "s1")
FRAMES = 100
LABELLED = Hints(label="anomaly")


def plain_bundle(registry: Path, sensors: tuple[str, ...] = SENSORS, window: int = 1, **policy: Any) -> Bundle:
    """Publishes the production bundle of the detector `plain`; `policy` changes its frame policy."""
    spec = a_spec("dense", window, 1, len(sensors), hidden=2, latent=1)
    weights = {name: tensor * 0 for name, tensor in build(spec, [0]).weights().items()}
    one = np.ones((1, len(sensors)))
    manifest = Manifest(
        format=FORMAT,
        detector="plain",
        version="20260101T000000Z",
        created_at="2026-01-01T00:00:00Z",
        sensors=sensors,
        policy=a_policy(**({"interval_ns": MINUTE, "max_gap_ns": 10 * MINUTE, "max_carry": 0} | policy)),
        rules=a_rules(close_after=2),
        model=spec,
        seeds=(0,),
        error_spread=(1.0,) * len(sensors),
        threshold_q=1.0,
        threshold=ThresholdFacts(
            method="budget", promised=2.0, share_above=0.004, implied_per_week=1.5, extrapolated=False
        ),
        data=DataFacts(fingerprint="of other readings"),
        metrics=MetricFacts(),
        software={},
        parent=None,
        files=(),
        calibrated_at="2100-01-01T00:00:00Z",  # never stale
    )  # fmt: skip
    contents = Contents(
        weights,
        ScaleTable((POOLED,), 0 * one, one, np.array([100])),
        ThresholdTable((POOLED,), np.ones(1), np.array([100]), 1.0),
        calibration_levels(),
        SelfTest(np.ones((2, window, len(sensors)), np.float32), np.ones(2)),
    )
    store = Registry(registry)
    folder = store.publish("plain", lambda scratch: write(scratch, manifest, contents))
    store.point("plain", "production", folder.name)
    return Bundle(folder, *load(folder))


def calibration_levels() -> pa.Table:
    """1,000 levels 0.001 to 1, as bundles keep them: those above the 90th percentile, and a grid below."""
    grid, above = np.linspace(0.0, 0.9, 91), np.arange(901, 1001) / 1000
    return pa.table(
        {
            "series": pa.array(["a"] * len(above) + [None] * len(grid), pa.string()),
            "time": pa.array([*range(len(above)), *[None] * len(grid)], pa.timestamp("ns", "UTC")),
            "quantile": pa.array([None] * len(above) + grid.tolist(), pa.float64()),
            "ratio": np.concatenate([above, grid]),
        }
    )


def labelled_rows(sensors: tuple[str, ...] = SENSORS) -> pd.DataFrame:
    """Three labelled series.

    `a` has an event, frames 40 to 49, visible from its third frame on, and two false frames, 80 and 81. `b` has no
    label. `c` has an event, frames 10 to 19, and no value at all.
    """
    value = {name: np.full(FRAMES, 0.1) for name in ("a", "b")} | {"c": np.full(FRAMES, np.nan)}
    value["a"][[*range(42, 50), 80, 81]] = 2.0
    label = {name: np.zeros(FRAMES, np.int8) for name in value}
    label["a"][40:50] = label["c"][10:20] = 1
    return pd.concat(
        [
            pd.DataFrame(
                {"time": pd.to_datetime(START + np.arange(FRAMES) * MINUTE, utc=True), "series": name}
                | dict.fromkeys(sensors, value[name])
                | {"anomaly": label[name]}
            )
            for name in value
        ],
        ignore_index=True,
    )


def normal_rows(sensors: tuple[str, ...] = SENSORS, frames: int = 600) -> pd.DataFrame:
    """A history of the same three series, days before, noise in every sensor."""
    draw = np.random.default_rng(0)
    before = START - 7 * 1440 * MINUTE
    return pd.concat(
        [
            pd.DataFrame(
                {"time": pd.to_datetime(before + np.arange(frames) * MINUTE, utc=True), "series": name}
                | {sensor: draw.normal(0, 0.1, frames) for sensor in sensors}
            )
            for name in "abc"
        ],
        ignore_index=True,
    )


def plain_evaluation(folder: Path) -> Evaluation:
    """Evaluates the plain bundle on the labelled rows, with baselines fitted on noise; files go to `folder`."""
    labelled_rows().to_parquet(folder / "rows.parquet", index=False)
    normal_rows().to_parquet(folder / "history.parquet", index=False)
    history = train_options("plain", folder / "history.parquet", folder / "registry")
    return evaluate(
        plain_bundle(folder / "registry"), EvaluationOptions(folder / "rows.parquet", LABELLED, None, history)
    )
