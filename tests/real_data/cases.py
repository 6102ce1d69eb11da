"""Cases of real data: the rows that a detector learns from, and the later rows.

Every case is cut by a rule of its publisher. Training uses no label. The histories of NAB's machine temperature and of
SKAB's `other/2` contain labelled anomalies and keep them.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tests.conftest import ROOT

TIME = "timestamp"
LABEL = "anomaly"
# Columns that hold labels; `input.exclude` names them.
ANSWERS = (LABEL, "changepoint")

SMD_MACHINES = ("machine-1-2", "machine-2-1")
NAB_SERIES = ("machine_temperature_system_failure", "ambient_temperature_system_failure")
NAB_PROBATION = 0.15
SKAB_FOLDERS = ("valve1", "valve2", "other")
SKAB_HISTORY = 400
# Rows 104 to 487 of this file are anomalous: most of its history.
SKAB_CONTAMINATED = "other/2"


@dataclass(frozen=True)
class Asset:
    """One series: its history, and later rows with labels, in the order of the source."""

    series: str
    history: pa.Table
    live: pa.Table

    @property
    def sensors(self) -> list[str]:
        return [name for name in self.live.column_names if name not in (TIME, *ANSWERS)]

    def values(self, part: pa.Table) -> NDArray[np.float64]:
        """float64 (T, F) of the history or the live rows."""
        return np.column_stack([part[name].to_numpy().astype(np.float64) for name in self.sensors])


@dataclass(frozen=True)
class Case:
    """Assets of one detector, with one bundle pooled over them and one topic."""

    name: str
    assets: tuple[Asset, ...]

    @property
    def labelled_history(self) -> int:
        """Number of rows of history that the publisher labels as anomalous."""
        tables = [asset.history for asset in self.assets if LABEL in asset.history.column_names]
        return sum(int(table[LABEL].to_numpy().sum()) for table in tables)

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Writes history and live rows as Parquet, a file per series; returns their two folders."""
        for asset in self.assets:
            for part, table in (("history", asset.history), ("live", asset.live)):
                file = folder / part / f"{asset.series}.parquet"
                file.parent.mkdir(parents=True, exist_ok=True)
                metadata = {**(table.schema.metadata or {}), b"series": asset.series.encode()}
                pq.write_table(table.replace_schema_metadata(metadata), file, compression="zstd")
        return folder / "history", folder / "live"


def times_of(table: pa.Table) -> NDArray[np.int64]:
    """int64 (T,), ns."""
    times: NDArray[np.int64] = table[TIME].to_numpy().astype("datetime64[ns]").astype(np.int64)
    return times


def labels_of(table: pa.Table) -> NDArray[np.bool_]:
    """Mask of the anomalous frames, bool (T,)."""
    labels: NDArray[np.bool_] = table[LABEL].to_numpy() != 0
    return labels


def data_folder() -> Path:
    """Folder of the data sets: `NARROWS_DATA`, else shared/data beside the checkout; it may be absent."""
    return Path(os.environ.get("NARROWS_DATA") or ROOT.parent / "shared" / "data")


def smd(data: Path, machine: str) -> Case:
    """Server Machine Dataset: the history is the train file of a machine, the later rows are its test file."""
    train, test = (pq.read_table(data / "smd" / f"{machine}.{part}.parquet") for part in ("train", "test"))
    return Case(f"smd {machine}", (Asset(machine, train, test),))


def nab(data: Path) -> Case:
    """Numenta Anomaly Benchmark: two temperatures in one topic; the history is the first 15 %, the probation."""
    files = [data / "nab" / "realKnownCause" / f"{name}.parquet" for name in NAB_SERIES]
    return Case("nab temperatures", tuple(_cut(file, file.stem, NAB_PROBATION) for file in files))


def skab(data: Path, folders: Sequence[str] = SKAB_FOLDERS, but: Sequence[str] = ()) -> Case:
    """Skoltech Anomaly Benchmark: each experiment is a series; the history is its first 400 rows."""
    files = [file for folder in folders for file in sorted((data / "skab" / folder).glob("*.parquet"))]
    names = {f"{file.parent.name}/{file.stem}": file for file in files}
    assets = tuple(_cut(file, name, SKAB_HISTORY) for name, file in names.items() if name not in but)
    return Case(f"skab {len(assets)} files", assets)


def cases(data: Path, wanted: str) -> Iterator[Case]:
    """Cases of `smd`, `nab`, `skab` or `all`, each read when it is needed."""
    if wanted in ("smd", "all"):
        yield from (smd(data, machine) for machine in SMD_MACHINES)
    if wanted in ("nab", "all"):
        yield nab(data)
    if wanted in ("skab", "all"):
        yield skab(data)
        yield skab(data, but=[SKAB_CONTAMINATED])


def _cut(file: Path, series: str, history: float) -> Asset:
    """Cuts a file after `history` rows, or after that share of them."""
    table = pq.read_table(file)
    rows = int(len(table) * history) if history < 1 else int(history)
    return Asset(series, table.slice(0, rows), table.slice(rows))
