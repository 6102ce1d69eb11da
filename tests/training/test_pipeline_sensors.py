"""Training with vetted sensors and rules of sensors: which sensors are dropped, and where rules apply."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stream.detect.policy import Sentinels, ValidRange
from stream.errors import ConfigError
from stream.intake.tables.reader import Hints
from stream.registry.bundle import load
from stream.settings.data import FrameSettings
from stream.settings.detection import RuleSettings, SensorRuleSettings
from tests.support.builders import a_rule
from tests.support.options import fit_options
from tests.support.small_training import QUICK, a_history, contents, long_of, made
from training import report
from training.demo import pumps as physics
from training.pipeline import TrainingRun
from training.vetting.finding import Kind


@pytest.fixture(scope="module")
def pumps() -> pd.DataFrame:
    return a_history()


@pytest.fixture(scope="module")
def trained(pumps: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> TrainingRun:
    """A bundle of that history."""
    return made(tmp_path_factory.mktemp("trained"), pumps)


DROPPING = fit_options(QUICK, drop_sensors=True)


def odd_sensors(pumps: pd.DataFrame) -> pd.DataFrame:
    """The history with a flat sensor, a counter that goes on while labelled rows reset it, and a copy."""
    rows = np.arange(len(pumps))
    total = (rows / 100.0) ** 2
    return pumps.assign(
        running=1.0, litres=np.where(rows % 400 < 4, 0.0, total), flow_again=2 * pumps["flow"], bad=rows % 400 < 4
    )


def test_vetting_names_sensors_that_mislead_and_leaves_them_out_on_request(pumps: pd.DataFrame, tmp_path: Path) -> None:
    history, hints = odd_sensors(pumps), Hints(label="bad")
    kept = made(tmp_path / "kept", history, hints=hints)
    found = {finding.sensor: finding.kind for finding in kept.findings}
    assert found == {"running": Kind.FLAT, "litres": Kind.COUNTER, "flow_again": Kind.DUPLICATE}
    assert set(kept.manifest.sensors) > set(found)
    assert list(kept.manifest.data.still) == ["running"]
    scales = load(kept.folder)[1].scales
    place = kept.manifest.sensors.index("running")
    assert (scales.scale[:, place] == 0.5).all(), "a constant sensor has a unit by its value, 1"
    dropped = made(tmp_path / "dropped", history, DROPPING, hints=hints)
    assert dropped.manifest.sensors == physics.SENSORS
    assert len(dropped.manifest.data.vetting or ()) == 3
    assert load(dropped.folder)[1].scales.mean.shape == (5, len(physics.SENSORS))


def test_a_sensor_that_score_when_needs_is_not_left_out(pumps: pd.DataFrame, tmp_path: Path) -> None:
    """A sensor whose name is only a part of the expression is left out."""
    trained = made(
        tmp_path, odd_sensors(pumps).assign(run=1.0), DROPPING, hints=Hints(label="bad"),
        frames=FrameSettings(score_when="running > 0"),
    )  # fmt: skip
    assert trained.manifest.sensors == (*physics.SENSORS, "running")


def test_rules_of_sensors_travel_in_the_bundle_and_are_in_force_at_calibration(
    pumps: pd.DataFrame, trained: TrainingRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a rule that vetoes everything, the calibrate part has no incident at the same threshold."""
    rules = {name: SensorRuleSettings(min_absolute=1e9) for name in physics.SENSORS}
    rules["flow"] = SensorRuleSettings(min_absolute=1e9, valid=(-1e6, 1e6))
    ruled = made(tmp_path, pumps, rules=RuleSettings(sensors=rules))
    _, definition = load(ruled.folder)
    sensors = tuple(a_rule(name, "both", 1e9, 0.0) for name in physics.SENSORS)
    assert (definition.rules.sensors, definition.policy.valid) == (sensors, (ValidRange("flow", -1e6, 1e6),))
    assert ruled.calibration.table.q == trained.calibration.table.q, "a percentile of the level asks no rule"
    assert (ruled.calibration.implied_per_week, trained.calibration.implied_per_week > 0) == (0, True)
    report.show(ruled)
    said = capsys.readouterr().out
    assert "flow in [-1e+06, 1e+06]; " in said
    assert "pressure by 1e+09" in said


def test_values_that_cannot_be_teach_nothing(pumps: pd.DataFrame, tmp_path: Path) -> None:
    """A gauge sends -999 for a missing value: with its range set, the bundle is that of a history without them."""
    rules = RuleSettings(sensors={"flow": SensorRuleSettings(valid=(0.0, None))})
    missing = pumps.copy()
    missing.loc[missing.index % 50 == 7, "flow"] = np.nan
    broken = missing.fillna({"flow": -999.0})
    bundles = [contents(made(tmp_path / name, data, rules=rules)) for name, data in (("m", missing), ("b", broken))]
    assert bundles[0] == bundles[1]


def test_values_that_mean_no_value_teach_nothing(pumps: pd.DataFrame, tmp_path: Path) -> None:
    """With its sentinel set, the bundle is that of a history with nulls, apart from the setting itself."""
    missing = pumps.copy()
    missing.loc[missing.index % 50 == 7, "flow"] = np.nan
    frames = FrameSettings(sentinels={"flow": (-999.0,)})
    histories = {"m": missing, "b": missing.fillna({"flow": -999.0})}
    trained = [made(tmp_path / name, data, frames=frames) for name, data in histories.items()]
    assert contents(trained[0]) == contents(trained[1])
    assert trained[1].manifest.policy.sentinels == (Sentinels("flow", (-999.0,)),)


def test_a_rule_for_a_sensor_that_is_not_there_is_refused_with_those_that_are(
    pumps: pd.DataFrame, tmp_path: Path
) -> None:
    wrong = {"flwo": SensorRuleSettings(direction="above"), "presure": SensorRuleSettings(valid=(0.0, None))}
    with pytest.raises(ConfigError, match=r"rules\.sensors\.flwo, rules\.sensors\.presure: no such sensor .* flow, "):
        made(tmp_path, pumps, rules=RuleSettings(sensors=wrong))
    with pytest.raises(ConfigError, match=r"frames\.sentinels\.flwo: no such sensor .* flow, "):
        made(tmp_path, pumps, frames=FrameSettings(sentinels={"flow": (-1.0,), "flwo": (-999.0,)}))


def test_a_sensor_with_a_rule_is_not_left_out(pumps: pd.DataFrame, tmp_path: Path) -> None:
    trained = made(
        tmp_path, odd_sensors(pumps), DROPPING, hints=Hints(label="bad"),
        rules=RuleSettings(sensors={"running": SensorRuleSettings(valid=(0.0, 1.0))}),
    )  # fmt: skip
    assert trained.manifest.sensors == (*physics.SENSORS, "running")


@pytest.mark.parametrize("layout", ["wide", "long"])
def test_a_sensor_that_vetting_leaves_out_leaves_the_bundle_of_a_history_without_it(
    pumps: pd.DataFrame, tmp_path: Path, layout: str
) -> None:
    shaped = long_of if layout == "long" else pd.DataFrame.copy
    kept = made(tmp_path / "kept", shaped(pumps[["time", "series", *sorted(physics.SENSORS)]]))
    flat = pumps.assign(idle=1.0)[["time", "series", *sorted([*physics.SENSORS, "idle"])]]
    dropped = made(tmp_path / "dropped", shaped(flat), DROPPING, frames=FrameSettings(max_missing=1))
    assert dropped.manifest.sensors == kept.manifest.sensors
    assert contents(dropped) == contents(kept)
