"""Small targets, frames and bundles for tests of attacks."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stream.detect.definition import Definition
from stream.detect.model.autoencoders import build
from stream.intake.tables.reader import Batch
from tests.support.builders import START, a_definition, a_spec, readings
from tests.support.options import changed
from tests.support.small_training import SMALL, a_history, made
from training.data.framing import FramedHistory, frame
from training.pipeline import TrainingRun
from training.robustness.target import Target

SECOND = 1_000_000_000
Floats = NDArray[np.float64]
# A range of training, in scaled units, that limits nothing.
WIDE = (np.full(2, -10.0, np.float32), np.full(2, 10.0, np.float32))


def a_target(kind: str = "dense", members: int = 3, span: str = "window", q: float = 1.0) -> Target:
    """Untrained members with the threshold q."""
    spec = a_spec(kind=kind, members=members, error_span=span, hidden=0 if kind == "linear" else 8)
    return Target(a_definition(spec, q=q), build(spec, range(members)).weights())


def some_frames(definition: Definition, values: Floats, labelled: slice = slice(0, 0)) -> FramedHistory:
    """Frames of series `a`, one a second, some of them labelled."""
    marks = np.zeros(len(values), np.bool_)
    marks[labelled] = True
    given = readings(["a"] * len(values), START + np.arange(len(values)) * SECOND, values)
    return frame([Batch(given, marks)], definition.policy, definition.sensors)


def noise(rows: int, size: float = 2.0) -> Floats:
    """float64 (rows, 2), Gaussian, always the same."""
    return np.random.default_rng(3).normal(scale=size, size=(rows, 2))


def attacked_pumps(folder: Path) -> TrainingRun:
    """Trains a bundle of three members on pumps below `folder`; writes labelled rows in which a sensor stands far off.

    The folder then has `history.parquet` and `live.parquet`.
    """
    history = a_history()
    live = history.groupby("series").tail(200).reset_index(drop=True)
    live["time"] += pd.Timedelta(days=30)
    place = live.groupby("series").cumcount()
    live["anomaly"] = ((place >= 60) & (place < 90)).astype(int)
    sensor = next(name for name in history.columns if name not in ("time", "series"))
    live.loc[live["anomaly"] == 1, sensor] += 6 * history[sensor].std()
    live.to_parquet(folder / "live.parquet", index=False)
    return made(folder, history, model=changed(SMALL, members=3))
