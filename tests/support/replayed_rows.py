"""Rows of a file to replay, detectors that score them, and the result of a replay."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stream.detect.definition import Definition
from stream.events.alert import Alert
from stream.events.record import encode
from stream.intake.tables.reader import Hints
from stream.replay import ReplayResult, layout_for, replay
from tests.support.builders import SECOND, START, a_definition, a_policy, a_rules, a_spec

ROWS = 500
RULES = a_rules(close_after=2, close_ratio=0.9, update_every_ns=20 * SECOND, max_duration_ns=60 * SECOND)
MODELS = {
    "dense, K=1": {"kind": "dense", "members": 1},
    "dense, K=5": {"kind": "dense", "members": 5},
    "conv, K=1": {"kind": "conv", "members": 1},
    "conv, K=5": {"kind": "conv", "members": 5},
}
POLICIES = {
    "wide": a_policy(max_carry=2),
    "on ticks": a_policy(
        interval_ns=2 * SECOND,
        resample="mean",
        grace_ns=SECOND,
        max_gap_ns=8 * SECOND,
        max_missing=1,
        close_complete=False,
    ),
}


@dataclass(frozen=True)
class Rows:
    """The rows of a file: three series, one of them not in training; gaps, holes, few late rows, repeats, anomalies."""

    series: list[str]
    time: NDArray[np.int64]
    values: NDArray[np.float64]

    def table(self) -> pa.Table:
        """The rows as Arrow, sensors s0 and s1 as columns."""
        columns = {f"s{i}": self.values[:, i] for i in range(self.values.shape[1])}
        return pa.table({"time": pa.array(self.time, pa.timestamp("ns", "UTC")), "series": self.series} | columns)

    def write(self, path: Path) -> Path:
        """Writes the rows as Parquet and returns the path."""
        pq.write_table(self.table(), path)
        return path


def rows(seed: int = 0) -> Rows:
    """`ROWS` rows, the same for the same seed."""
    draw = np.random.default_rng(seed)
    series = draw.choice(["a", "b", "new"], ROWS).tolist()
    steps = draw.choice([0, 1, 2, 7], ROWS, p=[0.05, 0.87, 0.05, 0.03])
    # Fewer than one in a hundred: rows of a file in which more are late are put in order.
    late = draw.choice(np.arange(50, ROWS), 4, replace=False)
    clock = dict.fromkeys(("a", "b", "new"), START)
    time = np.zeros(ROWS, np.int64)
    for i, name in enumerate(series):
        clock[name] += int(steps[i]) * SECOND
        time[i] = clock[name]
    time[late] -= 7 * SECOND
    values = draw.normal(size=(ROWS, 2))
    values[draw.random((ROWS, 2)) < 0.1] = np.nan
    values[draw.random(ROWS) < 0.1] += 6.0
    return Rows(series, time, values)


def a_detector(model: str = "dense, K=1", policy: str = "wide") -> Definition:
    """A detector of one of `MODELS`, with one of `POLICIES`."""
    return a_definition(a_spec(**MODELS[model]), POLICIES[policy], RULES, q=1.5)


def replayed(
    definition: Definition, data: Path, scores: Path | None = None, **more: Any
) -> tuple[ReplayResult, list[dict[str, Any]]]:
    """Replays a file; returns the result, and the alerts without the wall clock in them."""
    alerts: list[Alert] = []
    result = replay(definition, data, layout_for(data, Hints(), definition), alerts.append, scores, **more)
    return result, [json.loads(encode(msgspec.structs.replace(alert, observed_at=""))) for alert in alerts]
