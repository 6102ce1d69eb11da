"""Cases, each a history and later labelled rows: single machines, SKAB, all of NAB, and normal data alone."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.real_data.cases import LABEL, SMD_MACHINES, Asset, Case, skab

# Folders of single machines, and the parts of each: the history and the later rows.
MACHINES = ("smd", "smd7", "asd", "msl", "smap")
PARTS = ("train", "test")
# NAB's probation: the first 15 % of a series, of its first 5,000 rows at most.
PROBATION, PROBATION_ROWS = 0.15, 750
NAB_FOLDERS = ("realAWSCloudwatch", "realKnownCause")
# The only series of NAB in the data folder without an anomaly.
NAB_NORMAL = "realAWSCloudwatch/ec2_cpu_utilization_c6585a"
# Share of purely normal data that is the history; the rest are the later rows.
LEARNED = 0.7


def nab(data: Path) -> Case:
    """Every series of NAB in the data folder, in one bundle. The history is the benchmark's probation.

    The later rows are the whole series, as the benchmark counts its probation from the first row.
    """
    files = [file for folder in NAB_FOLDERS for file in sorted((data / "nab" / folder).glob("*.parquet"))]
    tables = {file.stem: pq.read_table(file) for file in files}
    rows = {name: min(int(len(table) * PROBATION), PROBATION_ROWS) for name, table in tables.items()}
    return Case("nab", tuple(Asset(name, table.slice(0, rows[name]), table) for name, table in tables.items()))


def normal(data: Path) -> list[Case]:
    """Rows that their publishers call normal or presume normal: none of them should alert."""
    files = {f"smd {machine} train": data / "smd" / f"{machine}.train.parquet" for machine in SMD_MACHINES}
    files["skab anomaly-free"] = data / "skab" / "anomaly-free.parquet"
    files["nab c6585a"] = data / "nab" / f"{NAB_NORMAL}.parquet"
    return [Case(name, (_cut(file.stem, _unlabelled(pq.read_table(file))),)) for name, file in files.items()]


def machines(data: Path, group: str) -> list[Case]:
    """A bundle for each series of a folder: its train file is the history, its test file the later rows."""
    names = sorted(file.name.split(".")[0] for file in (data / group).glob("*.train.parquet"))
    tables = {name: [pq.read_table(data / group / f"{name}.{part}.parquet") for part in PARTS] for name in names}
    return [Case(f"{group} {name}", (Asset(name, *parts),)) for name, parts in tables.items()]


CASES: dict[str, Callable[[Path], list[Case]]] = {
    **{group: partial(machines, group=group) for group in MACHINES},
    "skab": lambda data: [skab(data)],
    "nab": lambda data: [nab(data)],
    "normal": normal,
}


def _cut(series: str, table: pa.Table) -> Asset:
    rows = int(len(table) * LEARNED)
    return Asset(series, table.slice(0, rows), table.slice(rows))


def _unlabelled(table: pa.Table) -> pa.Table:
    """The table with labels that call every row normal."""
    none = pa.array(np.zeros(len(table), np.int8))
    if LABEL in table.column_names:
        return table.set_column(table.column_names.index(LABEL), LABEL, none)
    return table.append_column(LABEL, none)
