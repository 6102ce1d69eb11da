"""A small history, and quick training runs on it."""

from pathlib import Path

import pandas as pd

from stream.registry.bundle import WEIGHTS, calibration_levels
from stream.registry.series_table import SERIES
from stream.settings.detection import ModelSettings, ThresholdSettings
from tests.support.options import fit_options, train_options
from training.demo import fleet
from training.fitting.members import Progress
from training.options import FitOptions, TrainOptions
from training.pipeline import TrainingRun, train

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
QUIET = Progress(lambda name, note: None, lambda epoch: None)
QUICK = fit_options(max_epochs=2, min_windows=1024)
SMALL = ModelSettings(window=6, smoothing=3, hidden=16, latent=3)
PERCENTILE = ThresholdSettings(method="percentile", percentile=95.0)


def a_history() -> pd.DataFrame:
    """A normal history of 4 pumps, 800 minutes each: time, series, sensors."""
    return fleet.generate(pumps=4, history_days=800 / 1440, live_days=0.2).history


def long_of(wide: pd.DataFrame) -> pd.DataFrame:
    """The history with a row for each sensor."""
    long = wide.melt(["time", "series"], var_name="sensor", value_name="value")
    return long.sort_values(["time", "series", "sensor"], kind="stable", ignore_index=True)


def made(folder: Path, history: pd.DataFrame, fit: FitOptions = QUICK, **changes: object) -> TrainingRun:
    """Trains a bundle on a history, in a registry of its own below `folder`."""
    folder.mkdir(exist_ok=True)
    history.to_parquet(folder / "history.parquet", index=False)
    return train(options(folder, fit=fit, **changes), QUIET)


def options(folder: Path, **changes: object) -> TrainOptions:
    plain = {"model": SMALL, "threshold": PERCENTILE, "fit": QUICK}
    return train_options("pumps", folder / "history.parquet", folder / "registry", **plain | changes)


def contents(trained: TrainingRun) -> tuple[bytes, bytes, float, bytes]:
    """Everything that scores depend on: weights, scales and thresholds of each series, q; and the stored levels."""
    files = [(trained.folder / name).read_bytes() for name in (WEIGHTS, SERIES)]
    levels = calibration_levels(trained.folder)["ratio"].to_numpy().tobytes()
    return files[0], files[1], trained.manifest.threshold_q, levels
