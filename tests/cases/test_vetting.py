"""Histories with values that are no measurements, and with odd sensors, through the commands."""

import numpy as np
import pandas as pd

from tests.cases.conftest import QUICK, MakeCase
from tests.support.commands import Narrows


def test_a_history_with_sentinels_is_refused_with_the_setting_that_makes_them_missing(
    case: MakeCase, narrows: Narrows
) -> None:
    """83 of 6,000 values are -9999. The setting of the message is enough: then the fault in newer readings is found."""
    folder = case("c02_sentinel")
    refused = narrows("train", "--data", f"{folder}/h.parquet", *QUICK)
    assert refused.code == 1
    for told in ("h.parquet", "temp", "-9999 in 1.38% of the values", "83 rows, first 2025-01-01T21:51:00Z"):
        assert told in refused.err
    assert "`frames.sentinels: {temp: [-9999]}`" in refused.err
    assert (
        narrows("train", "--data", f"{folder}/h.parquet", *QUICK, "--set", "frames.sentinels={temp: [-9999]}").code == 0
    )
    replayed = narrows("replay", "--data", f"{folder}/new.parquet", "--json")
    assert replayed.lines[0]["sensors"][0]["name"] == "temp"


def test_odd_values_are_warned_of_and_stand_in_every_report(narrows: Narrows) -> None:
    """A gauge in another unit from one day on: on stderr, in the table, in --json with its row, and of the version."""
    rows = np.arange(3000)
    bar = 5 + 0.3 * np.sin(rows / 48) + 0.05 * np.random.default_rng(0).standard_normal(3000)
    time = pd.date_range("2025-01-01", periods=3000, freq="1min", tz="UTC")
    flow = 20 * bar + np.random.default_rng(1).standard_normal(3000)
    history = pd.DataFrame({"time": time, "p [bar]": np.where(rows < 2000, bar, 100 * bar), "flow": flow})
    history.to_parquet("h.parquet", index=False)
    trained = narrows("train", "--data", "h.parquet", *QUICK, "--json")
    (found,) = trained.data["findings"]
    assert (found["sensor"], found["kind"], found["rows"], found["refused"]) == ("p [bar]", "level jump", 1, False)
    assert found["first"] == [{"series": "h", "time": "2025-01-02T09:20:00Z"}]
    sentence = "p [bar]: level jump, stays at "
    assert f"warning: {sentence}" in trained.err
    assert trained.data["data"]["vetting"][0].startswith(sentence)
    assert sentence in narrows("models", "show", trained.data["version"]).out


def test_a_fault_in_the_history_that_hides_every_anomaly_is_refused_at_the_gate_and_named(narrows: Narrows) -> None:
    """Two hundred rows of all sensors, not labelled, in the part that thresholds are computed from."""
    draw, rows = np.random.default_rng(0), np.arange(6000)
    wave = np.sin(rows / 48)
    history = {name: wave + 0.2 * draw.standard_normal(6000) for name in ("a", "b", "c")}
    for values in history.values():
        values[3900:4100] += 100 * draw.standard_normal(200)
    time = pd.date_range("2025-01-01", periods=6000, freq="1min", tz="UTC")
    pd.DataFrame({"time": time} | history).to_parquet("h.parquet", index=False)
    trained = narrows("train", "--data", "h.parquet", *QUICK)
    assert "warning: 1 stretch, " in trained.err
    assert "set the threshold, which is" in trained.err
    assert 'frames.maintenance: [{series: "h", start: "2025-01-03T17:00:00Z"' in trained.err
    assert trained.code == 4
    assert "strength: blind" in trained.err
    assert "sensitivity: its threshold hides everything" in trained.err
    assert "label or exclude the faults in the history" in trained.err


def test_sensors_that_stand_still_and_a_register_that_starts_over_are_named(case: MakeCase, narrows: Narrows) -> None:
    trained = narrows("train", "--data", f"{case('c13_const')}/h.parquet", *QUICK)
    assert "energy: counter, only rises: 49 of 2999 moves go the other way, each time to start over" in trained.out
