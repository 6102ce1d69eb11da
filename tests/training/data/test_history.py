"""Times that are a counter are said when a model learns from them."""

from pathlib import Path

import pandas as pd
import pytest

from stream.intake.tables.reader import Hints
from tests.support.options import train_options
from training.data.history import read_history


@pytest.mark.parametrize(
    ("first", "counts"),
    [pytest.param(0, True, id="row numbers"), pytest.param(13_237_920, True, id="minutes since 2000"),
     pytest.param(739_000, True, id="days of MATLAB"), pytest.param(1_700_000_000, False, id="seconds")],
)  # fmt: skip
def test_training_says_that_times_are_a_counter(tmp_path: Path, first: int, counts: bool) -> None:
    pd.DataFrame({"time": range(first, first + 50), "x": 1.0}).to_parquet(tmp_path / "h.parquet")
    options = train_options("d", tmp_path / "h.parquet", tmp_path, hints=Hints(time_format="epoch_s"))
    doubts = read_history(options).layout.doubts
    assert any("'time' counts, each step of 1 taken as a second" in doubt for doubt in doubts) == counts
    assert any("intervals, alerts per week and promises are in these steps" in doubt for doubt in doubts) == counts
