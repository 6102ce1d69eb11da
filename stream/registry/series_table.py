"""The table of scales and thresholds of a bundle: a row for each series and sensor."""

import numpy as np
import pyarrow as pa

from stream.detect.frames.scale import POOLED, ScaleTable
from stream.detect.incidents.heights import BINS
from stream.detect.incidents.threshold import ThresholdTable
from stream.errors import ShapeError
from stream.intake.columns import Float64s
from stream.registry.manifest import Manifest

SERIES = "series.parquet"
# Columns of SERIES that not all bundles have: TRAINED only after a recalibration, the others not in older bundles.
TRAINED, MEDIAN, WILD, BORROWED = "threshold_trained", "threshold_median", "wild", "borrowed"
# Counts of levels by height, a list; only where thresholds learn.
USUAL = "usual"


def series_table(scales: ScaleTable, thresholds: ThresholdTable) -> pa.Table:
    """The table of scales and thresholds: a row for each series and sensor; thresholds repeat along a series."""
    sensors = scales.mean.shape[1]
    of = np.repeat(np.arange(len(scales.names)), sensors)
    places = {name: i for i, name in enumerate(thresholds.names)}
    row = np.array([places.get(name, places[POOLED]) for name in scales.names])[of]
    columns = {
        "series": pa.array([scales.names[i] for i in of]),
        "sensor": pa.array(np.tile(np.arange(sensors, dtype=np.int32), len(scales.names))),
        "mean": scales.mean.ravel(),
        "scale": scales.scale.ravel(),
        "n": scales.rows[of],
        "threshold_scale": thresholds.scale[row],
        "threshold_n": thresholds.rows[row],
    }
    facts = {WILD: scales.wild, BORROWED: scales.borrowed}
    columns |= {name: values.ravel() for name, values in facts.items() if values is not None}
    extra = {TRAINED: thresholds.trained, MEDIAN: thresholds.median}
    columns |= {name: values[row] for name, values in extra.items() if values is not None}
    if thresholds.usual is not None:
        counts = thresholds.usual[row]
        columns[USUAL] = pa.FixedSizeListArray.from_arrays(pa.array(counts.ravel()), counts.shape[1])
    return pa.table(columns)


def tables_of(table: pa.Table, manifest: Manifest) -> tuple[ScaleTable, ThresholdTable]:
    """Reads scales and thresholds from the table.

    Raises:
        ShapeError: the table does not fit the manifest.
    """
    sensors = len(manifest.sensors)
    if table.num_rows % sensors or sensors != manifest.model.sensors:
        raise ShapeError(f"{SERIES}: {table.num_rows} rows for {sensors} sensors, model has {manifest.model.sensors}")
    names = tuple(table["series"].to_pylist()[::sensors])

    def column(name: str) -> Float64s:
        values: Float64s = table[name].to_numpy().astype(np.float64).reshape(-1, sensors)
        return values

    rows = column("n")[:, 0].astype(np.int64), column("threshold_n")[:, 0].astype(np.int64)
    wild = column(WILD).astype(np.int64) if WILD in table.column_names else None
    borrowed = column(BORROWED).astype(np.bool_) if BORROWED in table.column_names else None
    scales = ScaleTable(names, column("mean"), column("scale"), rows[0], wild, borrowed)
    trained, median = (column(name)[:, 0] if name in table.column_names else None for name in (TRAINED, MEDIAN))
    usual = None
    if USUAL in table.column_names:
        counts = table[USUAL].combine_chunks().flatten().to_numpy().astype(np.float32)
        usual = counts.reshape(table.num_rows, -1)[::sensors].copy()
        if (
            usual.shape[1] != BINS
            or not np.isfinite(usual).all()
            or (usual < 0).any()
            or (usual.sum(axis=1) <= 0).any()
        ):
            raise ShapeError(f"{SERIES}: counts of {usual.shape[1]} heights, expected {BINS}, finite, >= 0, some > 0")
    scale, q = column("threshold_scale")[:, 0], manifest.threshold_q
    return scales, ThresholdTable(names, scale, rows[1], q, trained, median, usual)
