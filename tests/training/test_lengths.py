"""Lengths that are left open: the usual ones, and shorter ones only where the history is short."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stream.errors import DataError
from stream.registry.bundle import load
from stream.settings.detection import ModelSettings, ThresholdSettings
from tests.support.options import changed
from tests.support.small_training import a_history, contents, made

BUDGET = ThresholdSettings(method="budget", alerts_per_week=1.0)
OPEN = ModelSettings()


def one_sensor(rows: int) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    time = pd.to_datetime(1_700_000_000 + 60 * np.arange(rows), unit="s", utc=True)
    return pd.DataFrame({"time": time, "level": np.sin(np.arange(rows) / 12) + 0.1 * draw.standard_normal(rows)})


def lengths(folder: Path, rows: int, model: ModelSettings, threshold: ThresholdSettings) -> tuple[int, int]:
    """W and M of a model that is trained on so many rows."""
    trained = made(folder, one_sensor(rows), model=model, threshold=threshold)
    spec = load(trained.folder)[1].spec
    return spec.window, spec.smoothing


def test_a_history_that_is_long_enough_trains_what_it_would_with_the_lengths_given(tmp_path: Path) -> None:
    """To the bit."""
    left_open = made(tmp_path / "open", a_history(), model=OPEN)
    given = made(tmp_path / "given", a_history(), model=ModelSettings(window=32, smoothing=3))
    assert contents(left_open) == contents(given)


@pytest.mark.parametrize(
    ("rows", "model", "threshold", "expected"),
    [
        (1700, OPEN, BUDGET, (32, 3)),
        (700, OPEN, BUDGET, (8, 3)),
        (700, OPEN, ThresholdSettings(method="percentile", percentile=95.0), (32, 3)),
        (186, OPEN, BUDGET, (2, 2)),
        (186, OPEN, ThresholdSettings(method="percentile", percentile=95.0), (8, 3)),
        (186, changed(OPEN, latent=3), BUDGET, None),
        (186, changed(OPEN, smoothing=1), BUDGET, (2, 1)),
        (186, changed(OPEN, kind="conv"), BUDGET, None),
        (150, OPEN, BUDGET, None),
    ],
)  # fmt: skip
def test_windows_are_the_longest_that_the_history_has_enough_of(
    tmp_path: Path,
    rows: int,
    model: ModelSettings,
    threshold: ThresholdSettings,
    expected: tuple[int, int] | None,
) -> None:
    """At least as wide as a given code, at least as long as a convolution; otherwise training says what is missing."""
    if expected is None:
        with pytest.raises(DataError, match="windows of 32 frames to fit, needed 100"):
            lengths(tmp_path, rows, model, threshold)
    else:
        assert lengths(tmp_path, rows, model, threshold) == expected
