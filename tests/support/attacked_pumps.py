"""A bundle of three members trained on pumps, and a day of labelled rows in which a sensor stands far off."""

from pathlib import Path

import pandas as pd

from tests.support.options import changed
from tests.support.small_training import SMALL, a_history, made
from training.pipeline import Trained


def attacked_pumps(folder: Path) -> Trained:
    """Trains the bundle below `folder`, which then has `history.parquet` and the labelled `live.parquet`."""
    history = a_history()
    live = history.groupby("series").tail(200).reset_index(drop=True)
    live["time"] += pd.Timedelta(days=30)
    place = live.groupby("series").cumcount()
    live["anomaly"] = ((place >= 60) & (place < 90)).astype(int)
    sensor = next(name for name in history.columns if name not in ("time", "series"))
    live.loc[live["anomaly"] == 1, sensor] += 6 * history[sensor].std()
    live.to_parquet(folder / "live.parquet", index=False)
    return made(folder, history, model=changed(SMALL, members=3))
