"""Few stretches that set a threshold are found and named; levels of usual operation are not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stream.intake.columns import Float64s
from stream.settings.detection import ThresholdSettings
from tests.support.small_training import a_history, made
from tests.training.calibration.levels import RULES, levels_of, slow, white
from training import report
from training.calibration.calibrate import calibrate
from training.calibration.stretches import setting_stretches

# Thresholds that learn stand at a margin above the usual level, whatever few stretches are like.
BUDGET = ThresholdSettings(learn=False)


@pytest.mark.parametrize("seed", range(3))
def test_two_high_stretches_are_found_and_the_threshold_without_them(seed: int) -> None:
    draw = np.random.default_rng(seed)
    quiet = [white(draw, 2000), white(draw, 2000)]
    clean = calibrate(levels_of(quiet), RULES, BUDGET, 0)
    quiet[0][500:510] += 30.0
    quiet[1][1700:1712] += 40.0
    levels = levels_of(quiet)
    found = calibrate(levels, RULES, BUDGET, 0)
    set_by = setting_stretches(levels, found, RULES, BUDGET, 0)
    assert set_by is not None
    high, without = set_by
    assert [(first, last) for first, _, last in high.rows] == [(3700, 3711), (500, 509)]
    assert high.inside.sum() == 22
    assert without == pytest.approx(clean.table.q, rel=0.3)


@pytest.mark.parametrize("kind", [white, slow])
def test_bursts_of_usual_operation_do_not_set_the_threshold(
    kind: Callable[[np.random.Generator, int], Float64s],
) -> None:
    levels = levels_of([kind(np.random.default_rng(1), 3000)])
    found = calibrate(levels, RULES, BUDGET, 0)
    assert setting_stretches(levels, found, RULES, BUDGET, 0) is None


def test_training_names_the_times_and_the_sensor_that_set_the_threshold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A set point that hardly ever moves does so once in the part to calibrate on."""
    history = a_history()
    history["setting"] = 70.0
    clean = made(tmp_path / "clean", history, threshold=BUDGET)
    first = history["series"].iloc[0]
    rows = np.flatnonzero(history["series"] == first)
    history.loc[history.index[rows[[100, 560]]], "setting"] = 70.1
    trained = made(tmp_path / "moved", history, threshold=BUDGET)
    basis, capacity = trained.manifest.threshold.set_by, trained.manifest.metrics.capacity
    assert clean.manifest.threshold.set_by is None
    assert basis is not None
    assert capacity is not None
    assert basis.q_without == pytest.approx(clean.manifest.threshold_q, rel=0.3)
    assert [(one.series, one.start, one.sensor) for one in basis.first] == [(first, "2026-03-02T09:20:00Z", "setting")]
    assert 'frames.maintenance: [{series: "pump-01", start: "2026-03-02T09:20:00Z"' in basis.remedy
    times = f"{basis.q / basis.q_without:.2g} times as high"
    assert capacity.summary.startswith(f"fine, but few stretches of the history make the threshold {times}")
    assert report.facts(trained).threshold.set_by == basis
    report.show(trained)
    assert "set by     1 stretch" in capsys.readouterr().out
