"""Tables in which a sensor has text among its numbers: every command reads them, and says what it found."""

from pathlib import Path

import numpy as np
import pandas as pd

from tests.cases.conftest import QUICK
from tests.support.commands import Narrows

ROWS = 600
TOLD = "series 'pump-1': 12 values of `temp` are no numbers, such as 'unavailable', '-', NaN (rows 20, 70, 120)"


def history(_: Narrows) -> Path:
    """A file in the folder of the commands."""
    draw, angle = np.random.default_rng(0), np.arange(ROWS) / 50
    table = pd.DataFrame(
        {
            "time": pd.date_range("2025-01-01", periods=ROWS, freq="1min", tz="UTC"),
            "machine": "pump-1",
            "temp": [f"{value:.3f}" for value in 60 + np.sin(angle) + 0.2 * draw.standard_normal(ROWS)],
            "flow": (10 + np.cos(angle) + 0.1 * draw.standard_normal(ROWS)).round(3),
            "fault": np.arange(ROWS) > ROWS - 30,
        }
    )
    for nth, row in enumerate(range(20, ROWS, 50)):
        table.loc[row, "temp"] = ("unavailable", "-", "NaN")[nth % 3]
    table.to_csv("h.csv", index=False)
    return Path("h.csv")


def test_every_command_reads_a_history_with_text_among_numbers_and_says_so(narrows: Narrows) -> None:
    path = str(history(narrows))
    started = narrows("init", "--from-file", path)
    assert started.code == 0, started.err
    assert f"warning: h.csv: of all rows, {TOLD}" in started.err
    for command in (
        ("train", *QUICK, "--set", "model.members=1", "--set", "model.window=8"),
        ("replay",),
        ("evaluate",),
    ):
        done = narrows(*command, "--data", path)
        assert done.code == 0, done.err
        assert TOLD in done.err + done.out.replace("Series 'p", "series 'p"), command
    strict = narrows("replay", "--data", path, "--set", "input.bad_values=dead")
    assert "bad_values 12, dead 12," in strict.err
    assert "these rows are left out (`input.bad_values: dead`)" in strict.err


def test_a_sensor_without_one_number_is_refused_by_name(narrows: Narrows) -> None:
    table = pd.read_csv(history(narrows)).assign(temp="n/a")
    table.to_parquet("text.parquet", index=False)
    refused = narrows("train", "--data", "text.parquet", *QUICK, "--set", "input.sensors=[temp, flow]")
    assert refused.code == 1
    assert "'temp', wanted as value, is " in refused.err
    assert "expected numbers, and none is among values such as 'n/a'" in refused.err
