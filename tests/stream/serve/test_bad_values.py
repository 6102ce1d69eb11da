"""A sensor that sends no numbers, on a real broker: the others go on, and the counts, the log and a replay name it."""

import json
import math
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deploy.kafka.broker import Broker
from stream.counters import Count
from tests.conftest import MakeTopic
from tests.support.builders import SECOND, START, a_definition, a_policy, a_spec
from tests.support.live import Live
from tests.support.replayed_rows import replayed

SERIES, SENSORS, ROWS = ("pump-0", "pump-1", "pump-2"), ("s0", "s1", "s2"), 900
KEYS = ("series", "alert_id", "sequence", "state", "score")
BAD = ("n/a", math.nan, "ERR", -math.inf)


@pytest.fixture
def live(tmp_path: Path, broker: Broker, topic: MakeTopic) -> Iterator[Live]:
    spec = a_spec(window=8, smoothing=4, sensors=3, hidden=8, latent=2)
    definition = a_definition(spec, a_policy(max_carry=2, max_missing=1), q=1.5, series=SERIES)
    running = Live(tmp_path, broker.bootstrap, topic, definition)
    yield running
    running.close()


def test_a_sensor_without_numbers_costs_no_other_one_and_is_named_as_in_a_replay_of_the_same_rows(live: Live) -> None:
    values = np.random.default_rng(0).normal(size=(ROWS, 3)).round(6)
    values[(np.arange(ROWS) // 90) % 4 == 3] *= 4.0
    rows: list[list[float | str]] = values.tolist()
    names, times = [SERIES[i % 3] for i in range(ROWS)], [START + i // 3 * SECOND for i in range(ROWS)]
    bad = [i for i in range(ROWS) if names[i] == "pump-1" and i % 8]
    for i in bad:
        rows[i][1] = BAD[i % 4]
    live.send(
        (name, json.dumps({"time": time // 1_000_000} | dict(zip(SENSORS, row, strict=True))).encode())
        for name, time, row in zip(names, times, rows, strict=True)
    )
    process = live.start()
    live.wait_for_all()
    live.stop(process)
    table: dict[str, object] = {"time": pa.array(times, pa.timestamp("ns", "UTC")), "series": names}
    table |= {sensor: [str(row[k]) for row in rows] for k, sensor in enumerate(SENSORS)}
    pq.write_table(pa.table(table), live.folder / "rows.parquet")
    result, alerts = replayed(live.definition, live.folder / "rows.parquet")
    published = [record.json() for record in live.read(live.alerts)]
    of_topic, of_file = (sorted(map(itemgetter(*KEYS), found)) for found in (published, alerts))
    assert of_topic == of_file
    assert {one["series"] for one in published} == set(SERIES)
    count = live.logged("progress")[-1]
    assert count["bad_values"] == result.counts[Count.BAD_VALUES] == len(bad)
    assert (count["dead"], count["used"]) == (0, ROWS)
    told = live.logged("values.bad")
    assert {(one["series"], one["sensor"]) for one in told} == {("pump-1", "s1")}
    assert [len(account.bad_values) for account in result.accounts] == [0, 1, 0]
