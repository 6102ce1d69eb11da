"""Writes a drawn history as somebody's export would: its types, its times, its files."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from tests.histories.kinds import Kind
from tests.histories.rows import SENSORS, SENTINEL, Truth, table
from tests.histories.troubles import troubled_table

PARTS = 4
MONTHS = ("jan", "feb", "mar", "apr")
_EPOCHS = {"epoch_s": 10**9, "epoch_ms": 10**6, "epoch_us": 10**3, "epoch_ns": 1}
_TEXTS = {
    "iso": "%Y-%m-%d %H:%M:%S",
    "day_first": "%d.%m.%Y %H:%M:%S",
    "digits": "%Y%m%d%H%M%S",
    "date_ints": "%Y%m%d",
}


def written(kind: Kind, data: Path) -> tuple[Path, Truth]:
    """Writes the files into the folder `data`; returns what to give as `--data`, and the truth about it."""
    rows, truth = table(kind)
    data.mkdir()
    for name, part in _parts(kind, rows):
        found = troubled_table(kind.trouble, _table(kind, part), SENSORS[kind.names][: kind.sensors])
        second = SENSORS[kind.names][1]
        if kind.files == "lacks_column" and name == "1" and second in found.column_names:
            found = found.drop_columns([second])
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        if kind.trouble == "exported_twice" and kind.files != "csv":
            pq.write_table(found, (data / name).with_suffix(".again.parquet"))
        if kind.files == "csv":
            pyarrow.csv.write_csv(_as_text(found), data / f"{name}.csv")
        else:
            pq.write_table(found, data / f"{name}.parquet")
    if kind.files == "empty_part":
        pq.write_table(found.slice(0, 0), data / "9.parquet")
    only = list(data.iterdir())
    return (only[0] if len(only) == 1 and only[0].is_file() else data), truth


def _parts(kind: Kind, rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of each file, by its name without an ending."""
    if kind.files == "folders":
        for asset, part in rows.groupby("machine", sort=False):
            yield f"machine={quote(str(asset), safe=' ')}/part", part
    elif kind.files in ("one", "csv") or rows.empty:
        yield "export", rows
    else:
        edges = np.quantile(rows["time"], np.linspace(0, 1, PARTS + 1)[1:-1])
        of = np.searchsorted(edges, rows["time"].to_numpy(), side="right")
        for number in range(PARTS):
            yield (MONTHS[number] if kind.files == "months" else str(number)), rows[of == number]


def _table(kind: Kind, rows: pd.DataFrame) -> pa.Table:
    columns = dict(_times(kind, rows))
    if kind.ids == "integers" and kind.files != "folders":
        columns["machine_id"] = pa.array(rows["machine"].astype(int).to_numpy(), mask=~rows["named"].to_numpy(bool))
    elif kind.ids != "none" and kind.files != "folders":
        columns["machine"] = pa.array(rows["machine"].where(rows["named"], None), pa.string())
    if kind.long:
        columns["sensor"] = pa.array(rows["sensor"].astype(str)).dictionary_encode()
        columns["value"] = pa.array(rows["value"], from_pandas=True)
    else:
        for place, name in enumerate(SENSORS[kind.names][: kind.sensors]):
            columns[name] = _values(kind.types[place], rows[name].to_numpy(np.float64))
    for name in ("remark", "reserve", "energy", "setpoint"):
        if name in rows:
            columns[name] = pa.array(rows[name])
    if "anomaly" in rows:
        columns["anomaly"] = _labels(kind.labels, rows["anomaly"].to_numpy())
    return pa.table(columns)


def _values(kind: str, values: np.ndarray) -> pa.Array:
    """Values of a sensor in its type; integers are tenths, a bool is above its usual value."""
    missing = np.isnan(values)
    tenths = np.rint(np.where(np.isfinite(values), values, 0) * 10).astype(np.int64)
    tenths[values == SENTINEL] = int(SENTINEL)
    if kind in ("int64", "int16", "nullable"):
        return pa.array(tenths, getattr(pa, "int64" if kind == "nullable" else kind)(), mask=missing)
    if kind == "bool":
        usual = np.nan if missing.all() else np.nanmedian(values)
        return pa.array(values > usual, pa.bool_(), mask=missing)
    if kind == "decimal":
        return pa.array(
            [None if m else Decimal(int(t)) / 10 for t, m in zip(tenths, missing, strict=True)], pa.decimal128(12, 2)
        )
    if kind == "dictionary":
        return pa.array(tenths // 10 * 10, pa.int64(), mask=missing).dictionary_encode()
    if kind == "uint64":
        return pa.array(np.abs(tenths).astype(np.uint64), mask=missing)
    return pa.array(values.astype(kind), mask=missing)


def _labels(kind: str, labels: np.ndarray) -> pa.Array:
    if kind == "bools":
        return pa.array(labels == 1)
    if kind == "text":
        return pa.array(np.where(labels == 1, "Attack", "Normal"))
    return pa.array(np.where(labels == 1, -1, 1)) if kind == "minus_one" else pa.array(labels)


def _times(kind: Kind, rows: pd.DataFrame) -> Iterator[tuple[str, pa.Array]]:
    ns, none = rows["time"].to_numpy(np.int64), ~rows["timed"].to_numpy(bool)
    seconds = ns // 10**9
    if kind.times in ("aware", "naive"):
        yield (
            "time",
            pa.array(ns // 1000, pa.timestamp("us", "Europe/Berlin" if kind.times == "aware" else None), mask=none),
        )
    elif kind.times in _EPOCHS:
        yield "timestamp", pa.array(ns // _EPOCHS[kind.times], pa.int64(), mask=none)
    elif kind.times == "float_s":
        yield "timestamp", pa.array(seconds + 0.25, mask=none)
    elif kind.times == "excel":
        yield "timestamp", pa.array(25569 + seconds / 86400, mask=none)
    elif kind.times == "filetime":
        yield "timestamp", pa.array((seconds + 11_644_473_600) * 10**7, mask=none)
    elif kind.times == "offset":
        yield "timestamp", _texts([f"{_utc(s):%Y-%m-%dT%H:%M:%S}+00:00" for s in seconds], none)
    elif kind.times == "split":
        yield "Date", _texts([f"{_utc(s):%Y-%m-%d}" for s in seconds], none)
        yield "Time", _texts([f"{_utc(s):%H:%M:%S}" for s in seconds], none)
    else:
        texts = [_utc(s).strftime(_TEXTS[kind.times]) for s in seconds]
        digits = kind.times in ("digits", "date_ints")
        column = pa.array(np.array(texts, np.int64), mask=none) if digits else _texts(texts, none)
        yield "date" if kind.times == "date_ints" else "timestamp", column


def _utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def _texts(texts: list[str], none: np.ndarray) -> pa.Array:
    return pa.array([None if missing else text for text, missing in zip(texts, none, strict=True)], pa.string())


def _as_text(found: pa.Table) -> pa.Table:
    """The table without the types that a CSV cannot hold."""
    return pa.table([_plain(column) for column in found.columns], names=found.column_names)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return column.cast(kind.value_type)
    return column.cast(pa.string()) if pa.types.is_decimal(kind) else column
