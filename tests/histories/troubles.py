"""One more thing that is odd about a history: changes to its rows, and to the tables of its files."""

import numpy as np
import pandas as pd
import pyarrow as pa

# Rows that the troubles with single rows change.
FEW = 6
# A nested record is called so.
NESTED = "data"


def troubled_rows(
    trouble: str, random: np.random.Generator, frames: list[pd.DataFrame], sensors: tuple[str, ...]
) -> None:
    """Changes the rows of the series, in place."""
    last, sensor = frames[-1], sensors[-1]
    if trouble == "late_sensor":
        for frame in frames:
            frame.loc[frame.index[: int(0.8 * len(frame))], sensor] = np.nan
    elif trouble == "dead_sensor":
        for frame in frames:
            frame[sensor] = np.nan
    elif trouble == "stuck_sensor":
        for frame in frames:
            frame[sensor] = 7.0
    elif trouble == "copied_sensor":
        for frame in frames:
            frame[sensor] = frame[sensors[0]]
    elif trouble == "infinite":
        last.loc[random.choice(last.index, FEW, replace=False), sensor] = np.inf
    elif trouble == "short_asset":
        frames[-1] = last.iloc[:8]
    elif trouble == "slow_asset":
        frames[-1] = last.iloc[::7]
    elif trouble in ("tiny", "empty"):
        frames[:] = [frame.iloc[: 9 if trouble == "tiny" else 0] for frame in frames]
    elif trouble == "old_times":
        last.loc[last.index[:FEW], "time"] = 1_000_000_000 * np.arange(FEW)


def troubled_table(trouble: str, found: pa.Table, sensors: tuple[str, ...]) -> pa.Table:
    """The table of one file with the trouble."""
    names = found.column_names
    if trouble == "nested" and set(sensors) <= set(names):
        record = pa.StructArray.from_arrays([found[name].combine_chunks() for name in sensors], list(sensors))
        return found.drop_columns(list(sensors)).append_column(NESTED, record)
    if trouble == "odd_columns":
        rows = found.num_rows
        return (
            found.append_column("up", pa.array(np.arange(rows), pa.duration("s")))
            .append_column("raw", pa.array([b"x"] * rows))
            .append_column("tags", pa.array([["a"]] * rows, pa.list_(pa.string())))
            .append_column("nothing", pa.nulls(rows))
            .append_column("big", pa.array([2**63 + row for row in range(rows)], pa.uint64()))
        )
    if trouble == "labels_null" and "anomaly" in names:
        labels = found["anomaly"].to_pylist()
        holes = [None if row % 9 == 4 else label for row, label in enumerate(labels)]
        return found.set_column(names.index("anomaly"), "anomaly", pa.array(holes, found["anomaly"].type))
    return found
